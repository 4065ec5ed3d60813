"""Blocks that lie behind each other in a file, and are read together."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from seekless.store.schema import ALIGNMENT
from seekless.store.table import BlockTable

__all__ = ["Changed", "Span", "block_at", "extent", "is_plain", "runs_of"]

# Called with the number of a file that is not as it was when it was last read.
Changed = Callable[[int], None]


@dataclass(frozen=True)
class Span:
    """Rows of one block, and where they go."""

    block: int
    first: int
    out: npt.NDArray[Any]


def runs_of(table: BlockTable, spans: Iterable[Span], most: tuple[int, int]) -> Iterator[list[Span]]:
    """Group spans whose blocks lie behind each other in a file.

    Args:
        table: The field's blocks.
        spans: In the order in which they are to be read.
        most: Bytes of a run at most, and of a run of compressed blocks; one block may be more.
    """
    file, offset, nbytes = table.file, table.offset, table.nbytes
    run: list[Span] = []
    for span in spans:
        block = span.block
        if run:
            last = run[-1].block
            gap = offset[block] - (offset[last] + nbytes[last])
            total = offset[block] + nbytes[block] - offset[run[0].block]
            # A gap below a page is the padding that aligns the next block.
            if not (file[block] == file[last] and 0 <= gap < ALIGNMENT and total <= most[int(table.coded[block])]):
                yield run
                run = []
        run.append(span)
    if run:
        yield run


def extent(table: BlockTable, run: list[Span]) -> tuple[int, int]:
    """Return the first byte of a run in its file, and the byte after its last."""
    last = run[-1].block
    return int(table.offset[run[0].block]), int(table.offset[last] + table.nbytes[last])


def block_at(table: BlockTable, run: list[Span], offset: int) -> int:
    """Return the block of a run that holds a byte, or is the next behind it."""
    ends = [int(table.offset[span.block] + table.nbytes[span.block]) for span in run]
    return run[next((place for place, end in enumerate(ends) if offset < end), -1)].block


def is_plain(table: BlockTable, span: Span) -> bool:
    """Return whether stored bytes are just what is wanted."""
    same = table.field_of(span.block).dtype == span.out.dtype
    return bool(not table.coded[span.block] and same and span.out.nbytes == table.nbytes[span.block] > 0)

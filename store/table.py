"""The table of a field's blocks: what opening a store of any kind yields for each field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seekless.store.schema import Field

__all__ = ["BlockTable", "joined"]


@dataclass(frozen=True)
class BlockTable:
    """Where the blocks of one field lie, by block number.

    Attributes:
        field: The field.
        paths: The files that hold the blocks.
        first: int64, (blocks + 1,), the number of the first sample of each block; the last is the number of samples.
        file: int32, (blocks,), which of the paths.
        offset: int64, (blocks,), bytes from the start of the file.
        nbytes: int64, (blocks,), stored bytes.
        crc: uint32, (blocks,), CRC-32 of the stored bytes.
        coded: bool, (blocks,), whether the block is compressed; one that the codec did not make smaller is not.
        own: The field as each of the paths holds it, where they differ in the length of blocks or the width of keys;
            () where all hold it as `field` says.
        marks: What tells each of the paths from another version of it, as it was opened, where they are reached by URL;
            () of files here.
    """

    field: Field
    paths: tuple[Path, ...]
    first: npt.NDArray[np.int64]
    file: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    nbytes: npt.NDArray[np.int64]
    crc: npt.NDArray[np.uint32]
    coded: npt.NDArray[np.bool_]
    own: tuple[Field, ...] = ()
    marks: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def length(self) -> int:
        """Samples in all blocks."""
        return int(self.first[-1])

    @property
    def stored_bytes(self) -> int:
        """Bytes of all blocks as they are stored."""
        return int(self.nbytes.sum())

    @property
    def ratio(self) -> float:
        """Decoded bytes for one stored byte."""
        return self.length * self.field.sample_bytes / max(1, self.stored_bytes)

    def path(self, block: int) -> Path:
        """Return the file that a block lies in."""
        return self.paths[int(self.file[block])]

    def named(self, block: int) -> str:
        """Return what messages call a block."""
        return f"{self.path(block)}: block {block} of {self.field.name}"

    def field_of(self, block: int) -> Field:
        """Return the field as the file of a block holds it."""
        return self.own[int(self.file[block])] if self.own else self.field

    def spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield (block, first row in it, last row + 1) for the samples start to stop - 1."""
        block = int(np.searchsorted(self.first, start, "right")) - 1
        while start < stop:
            begin, end = int(self.first[block]), min(int(self.first[block + 1]), stop)
            yield block, start - begin, end - begin
            start, block = end, block + 1


def joined(tables: Sequence[BlockTable]) -> BlockTable:
    """Return one table of several, one behind the other.

    Args:
        tables: Of the same field, one or more; their fields may differ in block length and in the width of keys. The
            table's field has the first one's blocks, and the widest keys.
    """
    if len(tables) == 1:
        return tables[0]
    fields = [table.field for table in tables]
    widest = max(fields, key=lambda field: field.dtype.itemsize)
    field = replace(fields[0], encoding=widest.encoding)
    own = tuple(table.field for table in tables for _ in table.paths)
    starts = np.cumsum([0, *(table.length for table in tables)])
    files = np.cumsum([0, *(len(table.paths) for table in tables)])
    return BlockTable(
        field=field,
        paths=tuple(path for table in tables for path in table.paths),
        first=np.concatenate([*(t.first[:-1] + start for t, start in zip(tables, starts, strict=False)), starts[-1:]]),
        file=np.concatenate([t.file + np.int32(file) for t, file in zip(tables, files, strict=False)]),
        offset=np.concatenate([table.offset for table in tables]),
        nbytes=np.concatenate([table.nbytes for table in tables]),
        crc=np.concatenate([table.crc for table in tables]),
        coded=np.concatenate([table.coded for table in tables]),
        own=() if all(one == field for one in fields) else own,
        marks=tuple(mark for table in tables for mark in table.marks),
    )

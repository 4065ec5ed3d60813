"""Runs of blocks of files here, by plain system calls: each by one call, and straight to its place where it can."""

import itertools
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seekless.errors import StoreFormatError
from seekless.store.buffers import Buffers
from seekless.store.reading import ReadError, fill
from seekless.store.runs import Changed, Span, block_at, extent, is_plain, runs_of
from seekless.store.schema import ALIGNMENT
from seekless.store.table import BlockTable

__all__ = ["LocalBlocks"]

# Where the zeros between blocks go.
_PADDING = memoryview(bytearray(ALIGNMENT))

_Stamp = tuple[int, int, int]


class LocalBlocks:
    """Reads runs of blocks; files are open for the length of one call.

    Args:
        table: The field's blocks.
        scratch: Runs whose stored bytes are in memory at a time.
    """

    # Whole blocks that are not compressed are read to where they are wanted.
    in_place = True

    def __init__(self, table: BlockTable, scratch: int) -> None:
        self._table = table
        self._stamps: dict[int, _Stamp] = {}  # of each file, as it was when it was last read
        self._keep = scratch
        self.release()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scratch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.release()

    def release(self) -> None:
        """Free the memory for stored bytes; the next call takes it anew."""
        self._scratch = Buffers(self._keep)

    def read(
        self, spans: Iterable[Span], most: tuple[int, int], changed: Changed, meanwhile: list[int]
    ) -> Generator[tuple[list[Span], list[memoryview]], None, None]:
        """Yield runs of blocks, with the stored bytes of each block.

        Args:
            spans: What to read, in this order.
            most: Bytes of a run at most, and of a run of compressed blocks.
            changed: Told of files that changed since they were last read.
            meanwhile: Gets the numbers of files that changed while they were read.

        Raises:
            StoreFormatError: A file is shorter than when it was opened.
            OSError: A file cannot be read.
        """
        table = self._table
        for number, of_file in itertools.groupby(spans, lambda span: int(table.file[span.block])):
            with self._open(table.paths[number]) as file:
                self._notice(number, os.fstat(file.fileno()), changed)
                for run in runs_of(table, of_file, most):
                    yield run, self._read_run(file, run)
                if self._notice(number, os.fstat(file.fileno()), changed):
                    meanwhile.append(number)

    def look(self, changed: Changed) -> bool:
        """Return whether a file that was read is not as it was then.

        Args:
            changed: Told of each that is not.

        Raises:
            OSError: A file is gone.
        """
        return any([self._notice(number, os.stat(self._table.paths[number]), changed) for number in list(self._stamps)])

    def replaced(self, number: int) -> bool:
        """Return whether a file is known to be another than the one that was opened; not known here."""
        del number
        return False

    def _notice(self, number: int, status: os.stat_result, changed: Changed) -> bool:
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._stamps.setdefault(number, stamp) == stamp:
            return False
        changed(number)  # may raise: then it is noticed again
        self._stamps[number] = stamp
        return True

    def _open(self, path: Path) -> BinaryIO:
        return open(path, "rb", buffering=0)

    def _read_run(self, file: BinaryIO, run: list[Span]) -> list[memoryview]:
        """Read blocks that lie behind each other by one call, each straight to its place if it is whole and plain."""
        table = self._table
        sizes = [0 if is_plain(table, span) else int(table.nbytes[span.block]) for span in run]
        scratch = self._scratch.empty((sum(sizes),), np.uint8).data if any(sizes) else memoryview(b"")
        buffers: list[memoryview] = []
        places: list[memoryview] = []
        start = at = int(table.offset[run[0].block])
        for span, size in zip(run, sizes, strict=True):
            offset = int(table.offset[span.block])
            if offset > at:
                buffers.append(_PADDING[: offset - at])
            stored = scratch[:size] if size else span.out.reshape(-1).view(np.uint8).data
            scratch = scratch[size:]
            buffers.append(stored)
            places.append(stored)
            at = offset + int(table.nbytes[span.block])
        try:
            got = fill(file.fileno(), buffers, start)
        except ReadError as error:
            name = table.named(block_at(table, run, start + error.got))
            raise OSError(error.reason.errno, f"{name} cannot be read: {error.reason.strerror}") from error
        _, end = extent(table, run)
        if start + got < end:
            raise StoreFormatError(
                f"{table.named(block_at(table, run, start + got))}: found the end of the file at byte {start + got}, "
                f"expected {end} bytes or more; the file was cut short after it was opened"
            )
        return places

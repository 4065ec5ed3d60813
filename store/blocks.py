"""The table of a field's blocks, and reading them with plain system calls.

Opening a store of any kind yields a table for each field. Everything above reads files by this table alone and never
calls HDF5 again: no global lock, no chunk cache, no handle that a fork could break.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import StoreFormatError
from seekless.store.schema import Field

__all__ = ["BlockReader", "BlockTable"]

# Neighbouring blocks are read by one call up to this many bytes, so that scratch memory stays bounded.
MAX_READ_BYTES = 16 << 20


@dataclass(frozen=True)
class BlockTable:
    """Where the blocks of one field lie, by block number.

    Attributes:
        field: The field.
        length: Samples in all blocks.
        path: The file.
        offset: int64, (blocks,), bytes from the start of the file.
        nbytes: int64, (blocks,), stored bytes.
        crc: uint32, (blocks,), CRC-32 of the stored bytes.
    """

    field: Field
    length: int
    path: Path
    offset: npt.NDArray[np.int64]
    nbytes: npt.NDArray[np.int64]
    crc: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.offset)

    def spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield (block, first row in it, last row + 1) for the samples start to stop - 1."""
        length = self.field.block_length
        for block in range(start // length, -(-stop // length)):
            first = block * length
            yield block, max(start - first, 0), min(stop - first, length)


class BlockReader:
    """Reads samples of one field by whole blocks; checks each block when it is first read.

    Holds no open file: a file is opened for the length of one call, so a reader survives fork, spawn and pickle.

    Args:
        table: The field's blocks.
        check: Compare each block with its checksum when it is first read.
    """

    def __init__(self, table: BlockTable, *, check: bool = True) -> None:
        self.table = table
        self._unchecked = np.full(len(table), check)

    def read(self, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[Any]:
        """Read ranges of samples, one behind the other.

        Args:
            ranges: (start, stop) pairs in samples. In ascending order, neighbours share one long read.

        Returns:
            Stored values, (samples in all ranges, *sample_shape).

        Raises:
            StoreFormatError: A block does not have its checksum, or the file is shorter than when it was opened.
            OSError: The file cannot be read.
        """
        field = self.table.field
        out = np.empty((sum(stop - start for start, stop in ranges), *field.sample_shape), field.dtype)
        spans = [span for start, stop in ranges for span in self.table.spans(start, stop)]
        row = 0
        with open(self.table.path, "rb", buffering=0) as file:
            for run in self._runs(spans):
                row = self._read_run(file.fileno(), run, out, row)
        return out

    def _runs(self, spans: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
        """Group spans whose blocks lie behind each other in the file."""
        offset, nbytes = self.table.offset, self.table.nbytes
        run: list[tuple[int, int, int]] = []
        for span in spans:
            block = span[0]
            if run:
                end = offset[run[-1][0]] + nbytes[run[-1][0]]
                total = offset[block] + nbytes[block] - offset[run[0][0]]
                # A gap below a page is the padding that aligns the next block.
                if not (0 <= offset[block] - end < 4096 and total <= MAX_READ_BYTES):
                    yield run
                    run = []
            run.append(span)
        if run:
            yield run

    def _read_run(self, descriptor: int, run: list[tuple[int, int, int]], out: npt.NDArray[Any], row: int) -> int:
        table, field = self.table, self.table.field
        start = int(table.offset[run[0][0]])
        stop = int(table.offset[run[-1][0]] + table.nbytes[run[-1][0]])
        scratch = np.empty(stop - start, np.uint8).data
        self._fill(descriptor, scratch, start)
        for block, first, last in run:
            at = int(table.offset[block]) - start
            stored = scratch[at : at + int(table.nbytes[block])]
            if self._unchecked[block]:
                self._check(block, stored)
            samples = np.frombuffer(stored, field.dtype).reshape(-1, *field.sample_shape)
            out[row : row + last - first] = samples[first:last]
            row += last - first
        return row

    def _check(self, block: int, stored: memoryview) -> None:
        found = zlib.crc32(stored)
        if found != self.table.crc[block]:
            raise StoreFormatError(
                f"{self.table.path}: block {block} of {self.table.field.name} is damaged: found checksum {found:08x}, "
                f"expected {self.table.crc[block]:08x}; convert the source again"
            )
        self._unchecked[block] = False

    def _fill(self, descriptor: int, buffer: memoryview, offset: int) -> None:
        done = 0
        while done < len(buffer):
            count = _read_at(descriptor, buffer[done:], offset + done)
            if not count:
                raise StoreFormatError(
                    f"{self.table.path}: found the end of the file at byte {offset + done}, expected "
                    f"{offset + len(buffer)} bytes or more; the file was cut short after it was opened"
                )
            done += count


if hasattr(os, "preadv"):

    def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(descriptor, [buffer], offset)

else:  # pragma: no cover (Windows)

    def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

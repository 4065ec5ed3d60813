"""The table of a field's blocks, and reading them with plain system calls.

Opening a store of any kind yields a table for each field. Everything above reads files by this table alone and never
calls HDF5 again: no global lock, no chunk cache, no handle that a fork could break.
"""

import itertools
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import StoreFormatError
from seekless.store.codecs import codec_named
from seekless.store.schema import ALIGNMENT, Field

__all__ = ["BlockReader", "BlockTable", "joined"]

# Neighbouring blocks are read by one call up to this many bytes, so that scratch memory stays bounded.
MAX_READ_BYTES = 16 << 20
# Blocks of one read are checked and decompressed by other threads while this many more are read.
RUNS_AHEAD = 2
# Linux takes up to 1,024 buffers a call.
MAX_BUFFERS = 1000
# Where the zeros between blocks go.
_PADDING = memoryview(bytearray(ALIGNMENT))


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
    """

    field: Field
    paths: tuple[Path, ...]
    first: npt.NDArray[np.int64]
    file: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    nbytes: npt.NDArray[np.int64]
    crc: npt.NDArray[np.uint32]
    coded: npt.NDArray[np.bool_]

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
        tables: Of the same field, one or more; their fields may differ in block length.
    """
    if len(tables) == 1:
        return tables[0]
    starts = np.cumsum([0, *(table.length for table in tables)])
    files = np.cumsum([0, *(len(table.paths) for table in tables)])
    return BlockTable(
        field=tables[0].field,
        paths=tuple(path for table in tables for path in table.paths),
        first=np.concatenate([*(t.first[:-1] + start for t, start in zip(tables, starts, strict=False)), starts[-1:]]),
        file=np.concatenate([t.file + np.int32(file) for t, file in zip(tables, files, strict=False)]),
        offset=np.concatenate([table.offset for table in tables]),
        nbytes=np.concatenate([table.nbytes for table in tables]),
        crc=np.concatenate([table.crc for table in tables]),
        coded=np.concatenate([table.coded for table in tables]),
    )


class BlockReader:
    """Reads samples of one field by whole blocks; checks each block when it is first read.

    Holds no open file: files are opened for the length of one call, so a reader survives fork, spawn and pickle. A file
    that was changed or replaced between two calls is noticed, and its blocks are checked again.

    Args:
        table: The field's blocks.
        check: Compare each block with its checksum when it is first read.

    Raises:
        MissingExtraError: The library of the field's codec is not installed.
    """

    def __init__(self, table: BlockTable, *, check: bool = True) -> None:
        codec_named(table.field.codec)
        self.table = table
        self._check_blocks = check
        self._unchecked = np.full(len(table), check)
        self._stamps: dict[int, tuple[int, int, int]] = {}  # of each file, as it was when it was last read

    def read(
        self,
        ranges: Sequence[tuple[int, int]],
        out: npt.NDArray[Any] | None = None,
        pool: Executor | None = None,
    ) -> npt.NDArray[Any]:
        """Read ranges of samples, one behind the other.

        Args:
            ranges: (start, stop) pairs in samples. In ascending order, neighbours share one long read.
            out: Where to put them, (samples in all ranges, *sample_shape), of the stored dtype, contiguous; None for a
                new array.
            pool: Threads that check and decompress blocks while others are read; None to do it in this one.

        Returns:
            Stored values, (samples in all ranges, *sample_shape).

        Raises:
            StoreFormatError: A block does not have its checksum or cannot be decoded, or a file is shorter than when it
                was opened.
            OSError: A file cannot be read.
        """
        field = self.table.field
        if out is None:
            out = np.empty((sum(stop - start for start, stop in ranges), *field.sample_shape), field.dtype)
        spans = [span for start, stop in ranges for span in self.table.spans(start, stop)]
        row = 0
        coming: deque[list[Future[None]]] = deque()
        try:
            for number, of_file in itertools.groupby(spans, key=lambda span: int(self.table.file[span[0]])):
                with open(self.table.paths[number], "rb", buffering=0) as file:
                    self._notice_change(number, file.fileno())
                    for run in self._runs(of_file):
                        rows = sum(last - first for _, first, last in run)
                        coming.append(self._read_run(file.fileno(), run, out[row : row + rows], pool))
                        row += rows
                        if len(coming) > RUNS_AHEAD:
                            _wait(coming.popleft())
            while coming:
                _wait(coming.popleft())
        finally:
            for futures in coming:  # after an error: none may still write to `out`
                wait(futures)
        return out

    def _notice_change(self, number: int, descriptor: int) -> None:
        status = os.fstat(descriptor)
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._stamps.setdefault(number, stamp) != stamp:
            self._unchecked[self.table.file == number] = self._check_blocks
            self._stamps[number] = stamp

    def _runs(self, spans: Iterable[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
        """Group spans whose blocks lie behind each other in a file."""
        offset, nbytes = self.table.offset, self.table.nbytes
        run: list[tuple[int, int, int]] = []
        for span in spans:
            block = span[0]
            if run:
                end = offset[run[-1][0]] + nbytes[run[-1][0]]
                total = offset[block] + nbytes[block] - offset[run[0][0]]
                # A gap below a page is the padding that aligns the next block.
                if not (0 <= offset[block] - end < ALIGNMENT and total <= MAX_READ_BYTES):
                    yield run
                    run = []
            run.append(span)
        if run:
            yield run

    def _read_run(
        self, descriptor: int, run: list[tuple[int, int, int]], out: npt.NDArray[Any], pool: Executor | None
    ) -> list[Future[None]]:
        """Read blocks that lie behind each other by one call, each straight to its place if it is whole and plain."""
        table = self.table
        buffers: list[memoryview] = []
        steps: list[tuple[int, memoryview, int, npt.NDArray[Any]]] = []
        row, at = 0, int(table.offset[run[0][0]])
        for block, first, last in run:
            offset, nbytes = int(table.offset[block]), int(table.nbytes[block])
            if offset > at:
                buffers.append(_PADDING[: offset - at])
            part = out[row : row + last - first]
            plain = not table.coded[block] and first == 0 and part.nbytes == nbytes
            stored = part.reshape(-1).view(np.uint8).data if plain else np.empty(nbytes, np.uint8).data
            buffers.append(stored)
            steps.append((block, stored, first, part[:0] if plain else part))
            row, at = row + last - first, offset + nbytes
        self._fill(descriptor, buffers, int(table.offset[run[0][0]]), run[0][0])
        if pool is not None:
            return [pool.submit(self._take, *step) for step in steps]
        for step in steps:
            self._take(*step)
        return []

    def _take(self, block: int, stored: memoryview, first: int, out: npt.NDArray[Any]) -> None:
        """Check a block that was read, and put its samples from the row `first` on into `out`."""
        if self._unchecked[block]:
            self._check(block, stored)
        if not len(out):
            return
        field = self.table.field
        if self.table.coded[block]:
            whole = len(out) == field.block_length
            block_of = out if whole else np.empty((field.block_length, *field.sample_shape), field.dtype)
            self._decompress(block, stored, block_of.reshape(-1).view(np.uint8).data)
            if whole:
                return
        else:
            block_of = np.frombuffer(stored, field.dtype).reshape(-1, *field.sample_shape)
        out[...] = block_of[first : first + len(out)]

    def _decompress(self, block: int, stored: memoryview, out: memoryview) -> None:
        try:
            codec_named(self.table.field.codec).decode(stored, out)
        except ValueError as error:
            raise StoreFormatError(
                f"{self._name(block)} is damaged: found {error}, expected {len(out)} bytes compressed by "
                f"{self.table.field.codec}; convert the source again"
            ) from error

    def _check(self, block: int, stored: memoryview) -> None:
        found = zlib.crc32(stored)
        if found != self.table.crc[block]:
            raise StoreFormatError(
                f"{self._name(block)} is damaged: found checksum {found:08x}, expected {self.table.crc[block]:08x}; "
                "convert the source again, or open the store again if it was replaced meanwhile"
            )
        self._unchecked[block] = False

    def _name(self, block: int) -> str:
        return f"{self.table.path(block)}: block {block} of {self.table.field.name}"

    def _fill(self, descriptor: int, buffers: list[memoryview], offset: int, block: int) -> None:
        end = offset + sum(map(len, buffers))
        left = deque(buffers)
        while left:
            count = _read_at(descriptor, list(itertools.islice(left, MAX_BUFFERS)), offset)
            if not count:
                raise StoreFormatError(
                    f"{self._name(block)}: found the end of the file at byte {offset}, expected {end} bytes or more; "
                    "the file was cut short after it was opened"
                )
            offset += count
            while left and count >= len(left[0]):
                count -= len(left.popleft())
            if count:
                left[0] = left[0][count:]


def _wait(futures: list[Future[None]]) -> None:
    wait(futures)
    for future in futures:
        future.result()


if hasattr(os, "preadv"):

    def _read_at(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return os.preadv(descriptor, buffers, offset)

else:  # pragma: no cover (Windows)

    def _read_at(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffers[0]))
        buffers[0][: len(data)] = data
        return len(data)

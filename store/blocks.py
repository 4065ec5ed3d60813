"""Reading blocks by their table with plain system calls.

Opening a store of any kind yields a table for each field. Everything above reads files by this table alone and never
calls HDF5 again: no global lock, no chunk cache, no handle that a fork could break.
"""

import itertools
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, StoreFormatError
from seekless.store.buffers import Buffers
from seekless.store.codecs import codec_named
from seekless.store.reading import ReadError, fill
from seekless.store.schema import ALIGNMENT
from seekless.store.table import BlockTable, joined

__all__ = ["VERIFY", "BlockReader", "BlockTable", "Follow", "Part", "joined"]

# When a block is compared with its checksum.
VERIFY = ("first-epoch", "always", "never")

# Neighbouring blocks are read by one call up to this many bytes, so that scratch memory stays bounded.
MAX_READ_BYTES = 16 << 20
# Compressed ones up to this many, so that they are decompressed while the next are read.
MAX_CODED_BYTES = 4 << 20
# Blocks of one read are checked and decompressed by other threads while this many more are read.
RUNS_AHEAD = 2
# Blocks are read once more if their file was written to meanwhile, so many times in all.
TRIES = 3
# Where the zeros between blocks go.
_PADDING = memoryview(bytearray(ALIGNMENT))

Part = tuple[int, int, npt.NDArray[Any]]  # samples start to stop - 1, and where they go
Follow = Callable[[int], None]


@dataclass(frozen=True)
class _Span:
    """Rows of one block, and where they go."""

    block: int
    first: int
    out: npt.NDArray[Any]


class BlockReader:
    """Reads samples of one field by whole blocks; checks each block when it is first read.

    Holds no open file: files are opened for the length of one call, so a reader survives fork, spawn and pickle. A file
    that was changed or replaced between two calls is noticed, and its blocks are checked again.

    Args:
        table: The field's blocks.
        verify: When a block is compared with its checksum: "first-epoch", the first time it is read; "always"; or
            "never", where a file that changed after it was first read is an error.

    Raises:
        OptionError: verify is none of these.
        MissingExtraError: The library of the field's codec is not installed.
    """

    def __init__(self, table: BlockTable, *, verify: str = "first-epoch") -> None:
        if verify not in VERIFY:
            raise OptionError(f"verify: found {verify!r}, expected one of {', '.join(VERIFY)}")
        codec_named(table.field.codec)
        self.table = table
        self.verify = verify
        self._unchecked = np.full(len(table), verify != "never")
        self._stamps: dict[int, tuple[int, int, int]] = {}  # of each file, as it was when it was last read
        self._scratch = Buffers(RUNS_AHEAD + 1)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_scratch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.release()

    def release(self) -> None:
        """Free the memory in which stored bytes are decompressed; the next call takes it anew."""
        self._scratch = Buffers(RUNS_AHEAD + 1)

    def read(
        self,
        ranges: Sequence[tuple[int, int]],
        out: npt.NDArray[Any] | None = None,
        pool: Executor | None = None,
        follow: Follow | None = None,
    ) -> npt.NDArray[Any]:
        """Read ranges of samples, one behind the other.

        Args:
            ranges: (start, stop) pairs in samples. In ascending order, neighbours share one long read.
            out: Where to put them, (samples in all ranges, *sample_shape), of the stored dtype, contiguous; None for a
                new array.
            pool: Threads that check and decompress blocks while others are read; None to do it in this one.
            follow: Called with the samples of each run of blocks that was read.

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
        ends = itertools.accumulate(stop - start for start, stop in ranges)
        rows = [slice(end - (stop - start), end) for (start, stop), end in zip(ranges, ends, strict=True)]
        self.read_parts([(*pair, out[place]) for pair, place in zip(ranges, rows, strict=True)], pool, follow)
        return out

    def read_parts(self, parts: Iterable[Part], pool: Executor | None = None, follow: Follow | None = None) -> None:
        """Read ranges of samples, each to a place of its own.

        Args:
            parts: (start, stop, out): samples, and an array (stop - start, *sample_shape), of the stored dtype,
                contiguous. In ascending order, neighbours share one long read.
            pool: Threads that check and decompress blocks while others are read; None to do it in this one.
            follow: Called with the samples of each run of blocks that was read.

        Raises:
            StoreFormatError: A block does not have its checksum or cannot be decoded, or a file is shorter than when it
                was opened.
            OSError: A file cannot be read.
        """
        parts = list(parts)
        for _ in range(TRIES):
            if not self._read_once(parts, pool, follow):
                return
        raise StoreFormatError(
            f"{self.table.paths[0]}: found a file of the store written to again and again while it was read, expected "
            "it to be left alone; train when nothing writes to it"
        )

    def _read_once(self, parts: Sequence[Part], pool: Executor | None, follow: Follow | None) -> bool:
        """Read parts; return whether a file was written to meanwhile, so that blocks may be new ones not checked."""
        coming: deque[list[Future[None]]] = deque()
        changed = False
        try:
            for number, of_file in itertools.groupby(self._spans(parts), lambda span: int(self.table.file[span.block])):
                with open(self.table.paths[number], "rb", buffering=0) as file:
                    self._notice_change(number, os.fstat(file.fileno()))
                    for run in self._runs(of_file):
                        coming.append(self._read_run(file.fileno(), run, pool))
                        if follow is not None:
                            follow(sum(len(span.out) for span in run))
                        if len(coming) > RUNS_AHEAD:
                            _wait(coming.popleft())
                    changed |= self._notice_change(number, os.fstat(file.fileno()))
            while coming:
                _wait(coming.popleft())
        finally:
            for futures in coming:  # after an error: none may still write to its place
                wait(futures)
        return changed

    def changed(self) -> bool:
        """Return whether a file that was read is not as it was then; its blocks will be checked again.

        Raises:
            StoreFormatError: A file is, and `verify` is "never".
            OSError: A file is gone.
        """
        return any([self._notice_change(number, os.stat(self.table.paths[number])) for number in list(self._stamps)])

    def _notice_change(self, number: int, status: os.stat_result) -> bool:
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._stamps.setdefault(number, stamp) == stamp:
            return False
        if self.verify == "never":
            raise StoreFormatError(
                f"{self.table.paths[number]}: found another file than the one that was read first, expected the same, "
                "whose blocks need no check; open the store again, or give verify='first-epoch'"
            )
        self._unchecked[self.table.file == number] = True
        self._stamps[number] = stamp
        return True

    def _spans(self, parts: Iterable[Part]) -> Iterator[_Span]:
        for start, stop, out in parts:
            row = 0
            for block, first, last in self.table.spans(start, stop):
                yield _Span(block, first, out[row : row + last - first])
                row += last - first

    def _runs(self, spans: Iterable[_Span]) -> Iterator[list[_Span]]:
        """Group spans whose blocks lie behind each other in a file."""
        offset, nbytes, coded = self.table.offset, self.table.nbytes, self.table.coded
        run: list[_Span] = []
        for span in spans:
            block = span.block
            if run:
                end = offset[run[-1].block] + nbytes[run[-1].block]
                total = offset[block] + nbytes[block] - offset[run[0].block]
                # A gap below a page is the padding that aligns the next block.
                most = MAX_CODED_BYTES if coded[block] else MAX_READ_BYTES
                if not (0 <= offset[block] - end < ALIGNMENT and total <= most):
                    yield run
                    run = []
            run.append(span)
        if run:
            yield run

    def _read_run(self, descriptor: int, run: list[_Span], pool: Executor | None) -> list[Future[None]]:
        """Read blocks that lie behind each other by one call, each straight to its place if it is whole and plain."""
        table = self.table
        sizes = [0 if self._is_plain(span) else int(table.nbytes[span.block]) for span in run]
        scratch = self._scratch.empty((sum(sizes),), np.uint8).data if any(sizes) else memoryview(b"")
        buffers: list[memoryview] = []
        steps: list[tuple[_Span, memoryview]] = []
        start = at = int(table.offset[run[0].block])
        for span, size in zip(run, sizes, strict=True):
            offset = int(table.offset[span.block])
            if offset > at:
                buffers.append(_PADDING[: offset - at])
            stored = scratch[:size] if size else span.out.reshape(-1).view(np.uint8).data
            scratch = scratch[size:]
            buffers.append(stored)
            steps.append((span, stored))
            at = offset + int(table.nbytes[span.block])
        try:
            got = fill(descriptor, buffers, start)
        except ReadError as error:
            name = self._name(self._block_at(run, start + error.got))
            raise OSError(error.reason.errno, f"{name} cannot be read: {error.reason.strerror}") from error
        if start + got < at:
            raise StoreFormatError(
                f"{self._name(self._block_at(run, start + got))}: found the end of the file at byte {start + got}, "
                f"expected {at} bytes or more; the file was cut short after it was opened"
            )
        if pool is not None:
            return [pool.submit(self._take, *step) for step in steps]
        for step in steps:
            self._take(*step)
        return []

    def _block_at(self, run: list[_Span], offset: int) -> int:
        """Return the block of a run that holds a byte, or is the next behind it."""
        ends = [int(self.table.offset[span.block] + self.table.nbytes[span.block]) for span in run]
        return run[next((place for place, end in enumerate(ends) if offset < end), -1)].block

    def _is_plain(self, span: _Span) -> bool:
        """Return whether stored bytes are just what is wanted."""
        table = self.table
        same = table.field_of(span.block).dtype == span.out.dtype
        return not table.coded[span.block] and same and span.out.nbytes == table.nbytes[span.block] > 0

    def _take(self, span: _Span, stored: memoryview) -> None:
        """Check a block that was read, and put its samples where they are wanted."""
        block, out = span.block, span.out
        if self._unchecked[block]:
            self._check(block, stored)
        if self._is_plain(span):
            return
        field = self.table.field_of(block)
        if self.table.coded[block]:
            whole = len(out) == field.block_length
            block_of = out if whole else np.empty((field.block_length, *field.sample_shape), field.dtype)
            self._decompress(block, stored, block_of.reshape(-1).view(np.uint8).data)
            if whole:
                return
        else:
            block_of = np.frombuffer(stored, field.dtype).reshape(-1, *field.sample_shape)
        out[...] = block_of[span.first : span.first + len(out)]

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
        self._unchecked[block] = self.verify == "always"

    def _name(self, block: int) -> str:
        return f"{self.table.path(block)}: block {block} of {self.table.field.name}"


def _wait(futures: list[Future[None]]) -> None:
    wait(futures)
    for future in futures:
        future.result()

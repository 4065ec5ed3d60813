"""Reading blocks by their table: files here with plain system calls, objects that are reached by URL by ranges.

Opening a store of any kind yields a table for each field. Everything above reads files by this table alone and never
calls HDF5 again: no global lock, no chunk cache, no handle that a fork could break.
"""

import itertools
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, StoreFormatError
from seekless.store.codecs import codec_named
from seekless.store.direct_blocks import DirectBlocks
from seekless.store.local_blocks import LocalBlocks
from seekless.store.remote_blocks import REPLACED, RemoteBlocks
from seekless.store.runs import Span, is_plain
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

Part = tuple[int, int, npt.NDArray[Any]]  # samples start to stop - 1, and where they go
Follow = Callable[[int], None]


class BlockReader:
    """Reads samples of one field by whole blocks; checks each block when it is first read.

    Holds no open file: files are opened for the length of one call, so a reader survives fork, spawn and pickle. A file
    that was changed or replaced between two calls is noticed, and its blocks are checked again. Blocks that are reached
    by URL are checked each time.

    Args:
        table: The field's blocks.
        verify: When a block is compared with its checksum: "first-epoch", the first time it is read; "always"; or
            "never", where a file that changed after it was first read is an error.
        direct: Whether files here are read past the page cache.

    Raises:
        OptionError: verify is none of these.
        MissingExtraError: The library of the field's codec is not installed.
    """

    def __init__(self, table: BlockTable, *, verify: str = "first-epoch", direct: bool = False) -> None:
        if verify not in VERIFY:
            raise OptionError(f"verify: found {verify!r}, expected one of {', '.join(VERIFY)}")
        codec_named(table.field.codec)
        self.table = table
        self.verify = verify
        self._unchecked = np.full(len(table), verify != "never")
        self._files: LocalBlocks | RemoteBlocks = (DirectBlocks if direct else LocalBlocks)(table, RUNS_AHEAD + 1)
        self._always = verify == "always"
        if table.marks:
            # What a connection gives is checked each time, which costs less than to ask whether it is still the same.
            self._files = RemoteBlocks(table, unchecked=verify == "never")
            self._always = verify != "never"

    def release(self) -> None:
        """Free the memory in which stored bytes are decompressed; the next call takes it anew."""
        self._files.release()

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
        meanwhile: list[int] = []
        try:
            most = (MAX_READ_BYTES, MAX_CODED_BYTES)
            with closing(self._files.read(self._spans(parts), most, self._notice_change, meanwhile)) as runs:
                for run, stored in runs:
                    coming.append(self._take_all(run, stored, pool))
                    if follow is not None:
                        follow(sum(len(span.out) for span in run))
                    if len(coming) > RUNS_AHEAD:
                        _wait(coming.popleft())
            while coming:
                _wait(coming.popleft())
        finally:
            for futures in coming:  # after an error: none may still write to its place
                wait(futures)
        return bool(meanwhile)

    def changed(self) -> bool:
        """Return whether a file that was read is not as it was then; its blocks will be checked again.

        Raises:
            StoreFormatError: A file is, and `verify` is "never".
            OSError: A file is gone.
            StoreError: An object is gone, or cannot be reached.
        """
        return self._files.look(self._notice_change)

    def _notice_change(self, number: int) -> None:
        if self.verify == "never":
            raise StoreFormatError(
                f"{self.table.paths[number]}: found another file than the one that was read first, expected the same, "
                "whose blocks need no check; open the store again, or give verify='first-epoch'"
            )
        self._unchecked[self.table.file == number] = True

    def _spans(self, parts: Iterable[Part]) -> Iterator[Span]:
        for start, stop, out in parts:
            row = 0
            for block, first, last in self.table.spans(start, stop):
                yield Span(block, first, out[row : row + last - first])
                row += last - first

    def _take_all(self, run: list[Span], stored: list[memoryview], pool: Executor | None) -> list[Future[None]]:
        if pool is not None:
            return [pool.submit(self._take, *step) for step in zip(run, stored, strict=True)]
        for step in zip(run, stored, strict=True):
            self._take(*step)
        return []

    def _take(self, span: Span, stored: memoryview) -> None:
        """Check a block that was read, and put its samples where they are wanted."""
        block, out = span.block, span.out
        if self._unchecked[block]:
            self._check(block, stored)
        if self._files.in_place and is_plain(self.table, span):
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
                f"{self.table.named(block)} is damaged: found {error}, expected {len(out)} bytes compressed by "
                f"{self.table.field.codec}; convert the source again"
            ) from error

    def _check(self, block: int, stored: memoryview) -> None:
        found = zlib.crc32(stored)
        if found != self.table.crc[block]:
            name = self.table.named(block)
            if self._files.replaced(int(self.table.file[block])):
                raise StoreFormatError(f"{name}: {REPLACED}")
            raise StoreFormatError(
                f"{name} is damaged: found checksum {found:08x}, expected {self.table.crc[block]:08x}; "
                "convert the source again, or open the store again if it was replaced meanwhile"
            )
        self._unchecked[block] = self._always


def _wait(futures: list[Future[None]]) -> None:
    wait(futures)
    for future in futures:
        future.result()

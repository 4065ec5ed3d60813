"""What lies at the front of an object that is reached by URL, as an open file: read by few requests, and kept.

All that a store says of itself lies there, and all of it is read when a store is opened; HDF5 reads it in a copy.
"""

import io
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, TypeVar, cast

from seekless.errors import StoreError
from seekless.store.objects import (
    REQUEST_BYTES,
    Look,
    in_flight,
    look,
    looks,
    read_range,
    reason,
    threads_for,
)
from seekless.urls import is_remote

__all__ = ["Front", "opened", "opened_ahead", "sizes_of"]

Read = TypeVar("Read")


class TemporaryError(StoreError):
    """There is no room for a temporary file."""


# Enough for a store of 3,000 blocks by the first request.
FIRST_BYTES = 1 << 20
# A front of 250,000 blocks. What is read beyond, as by a damaged address, is not kept.
MOST_BYTES = 64 << 20
# Nor is more of an object its front, if its blocks are of 16 KiB or more: one takes 256 bytes.
MOST_SHARE = 64


class Front(io.RawIOBase):
    """An object as a file to read.

    Args:
        path: A `upath.UPath`.
        first: Bytes to read at once; 0 for `FIRST_BYTES`.

    Attributes:
        now: What the object is.

    Raises:
        StoreNotFoundError: There is no such object.
        StoreError: It cannot be reached, or not be read.
    """

    def __init__(self, path: Any, first: int = 0) -> None:
        super().__init__()
        self._path = path
        self._first = first or FIRST_BYTES
        self.now: Look = look(path)
        self._data = bytearray()
        self._at = 0
        if not self.now.is_folder:
            self._keep(1)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Say which byte is read next.

        Args:
            offset: Bytes from there.
            whence: The start, this place, or the end.
        """
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.now.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read on; return how many bytes there were.

        Args:
            buffer: Where they go.

        Raises:
            StoreError: The object cannot be read.
        """
        room = memoryview(buffer).cast("B")
        data = self._next(min(self._at + len(room), self.now.size))
        room[: len(data)] = data
        self._at += len(data)
        return len(data)

    def parse(self, read: Callable[[Path], tuple[Read, int]], sure: type[Exception]) -> Read:
        """Have the front read by a program that opens files, from a sparse file of the object's size.

        Args:
            read: Given the file, returns what it holds, and how many bytes of the front that took.
            sure: An error of `read` that more bytes would not mend.

        Returns:
            What it holds, once all those bytes are in the file.

        Raises:
            StoreError: The object cannot be read, or no file be written.
            Exception: What `read` raises, also of as many bytes as a front may have.
        """
        least = 1
        most = min(self.now.size, max(MOST_BYTES, self.now.size // MOST_SHARE))
        while True:
            self._keep(min(least, self.now.size))
            have = len(self._data)
            try:
                with self._copied() as copy:
                    found, least = read(copy)
            except (sure, TemporaryError):
                raise
            except Exception:
                if have >= most:
                    raise
                least = min(4 * have, most)  # it may have met zeros behind them
            else:
                if min(least, self.now.size) <= have:
                    return found

    @contextmanager
    def _copied(self) -> Iterator[Path]:
        """Write what is kept to a file that is as long as the object; closed, as not all systems open one twice."""
        try:
            folder = TemporaryDirectory(prefix="seekless-")
        except OSError as error:
            raise self._no_copy(error) from error
        with folder as name:
            copy = Path(name) / "front"
            try:
                with open(copy, "wb") as file:
                    file.write(self._data)
                    file.truncate(self.now.size)
            except OSError as error:
                raise self._no_copy(error) from error
            yield copy

    def _no_copy(self, error: OSError) -> StoreError:
        return TemporaryError(
            f"{self._path}: found no room for a copy of its first bytes ({error}), expected a folder for temporary "
            "files; make room there, or set TMPDIR"
        )

    def _next(self, stop: int) -> bytearray:
        if stop > max(MOST_BYTES, len(self._data)):
            return self._read([(self._at, stop)])
        self._keep(stop)
        return self._data[self._at : stop]

    def _keep(self, stop: int) -> None:
        """Have the bytes up to one; twice as many as before, so that few requests do."""
        have = len(self._data)
        if stop <= have:
            return
        most = min(max(stop, 2 * have, self._first), self.now.size)
        self._data += self._read(
            [(start, min(start + REQUEST_BYTES, most)) for start in range(have, most, REQUEST_BYTES)]
        )

    def _read(self, ranges: list[tuple[int, int]]) -> bytearray:
        data = bytearray()
        try:
            for _, answer in in_flight(self._request, ranges, _length, threads_for(self._path)):
                data += answer.result()
        except Exception as error:  # each protocol has its own
            raise StoreError(
                f"{self._path}: found that it cannot be read ({reason(error)}), expected to be given parts of it"
            ) from error
        return data

    def _request(self, pair: tuple[int, int]) -> bytes:
        data = read_range(self._path, *pair)
        if len(data) != _length(pair):
            raise ValueError(f"{len(data)} bytes in answer to a request for {_length(pair)}")
        return data


def _length(pair: tuple[int, int]) -> int:
    return pair[1] - pair[0]


def opened(path: Path, first: int = 0) -> BinaryIO:
    """Open a file of a store to read it, wherever it is.

    Args:
        path: The file.
        first: Bytes at its front to read at once, if it is reached by URL; 0 for `FIRST_BYTES`.

    Raises:
        StoreNotFoundError: There is no such object.
        StoreError: An object cannot be reached.
        OSError: A file cannot be read.
    """
    return cast("BinaryIO", Front(path, first) if is_remote(path) else open(path, "rb", buffering=0))


def opened_ahead(paths: Iterable[Path], first: int = 0) -> Generator[BinaryIO, None, None]:
    """Open files one after the other; of objects some ahead, as each takes two requests.

    Args:
        paths: The files.
        first: Bytes at the front of each to read at once; 0 for `FIRST_BYTES`.

    Yields:
        Each, open; to be closed by who gets it.
    """
    paths = list(paths)
    if not any(map(is_remote, paths)):
        yield from (opened(path) for path in paths)
        return
    with closing(
        in_flight(lambda path: opened(path, first), paths, lambda _: first or FIRST_BYTES, threads_for(paths[0]))
    ) as files:
        for _, file in files:
            yield file.result()


def sizes_of(paths: Iterable[Path]) -> list[int]:
    """Return the bytes of files, wherever they are.

    Args:
        paths: All of one place.

    Raises:
        StoreError: An object is gone, or cannot be reached.
        OSError: A file is gone.
    """
    paths = list(paths)
    if any(map(is_remote, paths)):
        return [found.size for found in looks(paths)]
    return [path.stat().st_size for path in paths]

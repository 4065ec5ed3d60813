"""What lies at the front of an object that is reached by URL, as an open file: read by few requests, and kept.

All that a store says of itself lies there, and all of it is read when a store is opened; HDF5 asks for it in pieces.
"""

import io
import os
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

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

# Enough for a store of 3,000 blocks by the first request.
FIRST_BYTES = 1 << 20
# A front of 250,000 blocks. What is asked for beyond, as by a damaged address, is not kept.
MOST_BYTES = 64 << 20


class Front(io.RawIOBase):
    """An object as a file to read.

    Args:
        path: A `upath.UPath`.
        first: Bytes to read at once; 0 for `FIRST_BYTES`.

    Attributes:
        now: What the object is.
        silent: Whether zeros are given where a request fails: an error must not be raised through HDF5, which leaves it
            in a state in which the process ends sooner or later.
        failure: Why a request failed.

    Raises:
        StoreNotFoundError: There is no such object.
        StoreError: It cannot be reached, or not be read.
    """

    def __init__(self, path: Any, first: int = 0) -> None:
        super().__init__()
        self._path = path
        self._first = first or FIRST_BYTES
        self.now: Look = look(path)
        self.silent = False
        self.failure: StoreError | None = None
        self._data = bytearray()
        self._at = 0
        if not self.now.is_folder:
            self._keep(1)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be sought in."""
        return True

    def tell(self) -> int:
        """Return the next byte that is read."""
        return self._at

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
        try:
            data = self._next(min(self._at + len(room), self.now.size))
        except StoreError:
            if not self.silent:
                raise
            data = bytearray()
        room[: len(data)] = data
        if self.silent:  # HDF5 takes all of it for read, whatever is said
            room[len(data) :] = bytes(len(room) - len(data))
        self._at += len(data)
        return len(data)

    def _next(self, stop: int) -> bytearray:
        if self.silent and self.failure is not None:
            raise self.failure  # once is enough
        if stop > MOST_BYTES:
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
            self.failure = StoreError(
                f"{self._path}: found that it cannot be read ({reason(error)}), expected to be given parts of it"
            )
            raise self.failure from error
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

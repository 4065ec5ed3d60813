"""Objects that are reached by URL: looked at, and read by ranges, several asked for at a time.

Each answer takes long to come, however short it is: of object storage some 50 ms.
"""

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from seekless.errors import StoreError, StoreNotFoundError
from seekless.urls import mark_of

__all__ = [
    "IN_FLIGHT_BYTES",
    "REQUEST_BYTES",
    "Look",
    "error_number",
    "file_system",
    "in_flight",
    "look",
    "looks",
    "read_range",
    "reason",
    "threads_for",
]

# One request is for so many bytes at most. A connection to object storage gives some 50 to 100 MB/s: longer ones would
# add nothing but a longer wait for the first block.
REQUEST_BYTES = 8 << 20
# What is asked for and not used yet: eight long requests, which at 50 ms each may bring 1.3 GB/s.
IN_FLIGHT_BYTES = 64 << 20
# Requests at a time, short ones too. Of file systems that fsspec does not run asynchronously one: not all of them may
# be asked by several threads.
THREADS = 16
# Requests that fail are made so many times in all, unless the file system tries again by itself; with waits of seconds.
TRIES = 3
WAIT = 0.2

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Look:
    """What an object is now.

    Attributes:
        size: In bytes.
        mark: Another one for another version.
        is_folder: Whether there is no object of this name, but some below it.
    """

    size: int
    mark: int
    is_folder: bool


def file_system(path: Any) -> Any:
    """Return the file system of a remote path, of this process: a fork has neither its parent's thread nor sockets.

    Args:
        path: A `upath.UPath`.
    """
    system = path.fs
    if getattr(system, "_pid", os.getpid()) == os.getpid():
        return system
    return type(system)(*system.storage_args, **system.storage_options)  # one a process, which fsspec keeps


def look(path: Any) -> Look:
    """Ask what an object is.

    Args:
        path: A `upath.UPath`.

    Raises:
        StoreNotFoundError: There is none.
        StoreError: It cannot be reached, or may not be read.
    """
    system = file_system(path)
    # A listing that somebody made before is kept by fsspec, and says what was there then.
    system.invalidate_cache(system._parent(path.path))
    try:
        info = _tried(system, lambda: system.info(path.path))
    except Exception as error:  # each protocol has its own
        if _is_missing(error):
            raise StoreNotFoundError(f"{path}: found no such object, expected a store or a file of one") from error
        raise StoreError(
            f"{path}: found that it cannot be reached ({reason(error)}), expected a store that may be read; "
            "credentials and addresses are those that fsspec finds in the environment"
        ) from error
    if info.get("type") != "directory" and info.get("size") is None:
        raise StoreError(f"{path}: found a server that does not tell the size of it, expected one that does")
    return Look(info.get("size") or 0, mark_of(info), info.get("type") == "directory")


def looks(paths: Iterable[Any]) -> list[Look]:
    """Ask what several objects are, many at a time; see `look`.

    Args:
        paths: `upath.UPath`s.
    """
    paths = list(paths)
    if not paths:
        return []
    return [future.result() for _, future in in_flight(look, paths, lambda path: 0, threads_for(paths[0]))]


def read_range(path: Any, start: int, stop: int) -> bytes:
    """Read a part of an object by one request; by some more where that fails.

    Args:
        path: A `upath.UPath`.
        start: The first byte.
        stop: The byte after the last.

    Returns:
        The bytes; fewer where the object ends before.

    Raises:
        Exception: What the file system raises.
    """
    if start >= stop:
        return b""
    system = file_system(path)
    data: bytes = _tried(system, lambda: system.cat_file(path.path, start=start, end=stop))
    return data


def threads_for(path: Any) -> int:
    """Return how many requests to a file system may be made at a time."""
    return THREADS if file_system(path).async_impl else 1


def in_flight(
    fetch: Callable[[R], T], requests: Iterable[R], size: Callable[[R], int], threads: int
) -> Generator[tuple[R, "Future[T]"], None, None]:
    """Make requests ahead, within `IN_FLIGHT_BYTES`, and yield each with its answer, in order.

    Args:
        fetch: Makes one.
        requests: What it is given.
        size: Bytes that the answer takes.
        threads: Requests that are made at a time.
    """
    waiting: deque[tuple[int, R, Future[T]]] = deque()
    flying = 0
    with ThreadPoolExecutor(threads, "seekless-fetch") as pool:
        try:
            for request in requests:
                nbytes = size(request)
                while waiting and (len(waiting) >= 2 * threads or flying + nbytes > IN_FLIGHT_BYTES):
                    done, first, future = waiting.popleft()
                    yield first, future
                    flying -= done
                waiting.append((nbytes, request, pool.submit(fetch, request)))
                flying += nbytes
            while waiting:
                _, first, future = waiting.popleft()
                yield first, future
        finally:
            for _, _, future in waiting:
                future.cancel()


def reason(error: BaseException) -> str:
    """Return why a request failed, in words."""
    told = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def error_number(error: Exception) -> int:
    """Return the system's number for why a request failed."""
    if _is_missing(error):
        return errno.ENOENT
    if isinstance(error, PermissionError):
        return errno.EACCES
    return errno.EIO


def _tried(system: Any, request: Callable[[], T]) -> T:
    """Make a request; again where that may help, and the file system does not do so by itself."""
    tries = 1 if getattr(system, "retries", None) else TRIES
    for number in range(1, tries):
        try:
            return request()
        except Exception as error:  # each protocol has its own
            if _is_final(error):
                raise
        time.sleep(WAIT * number)
    return request()


def _is_final(error: Exception) -> bool:
    """Return whether the same answer would come again."""
    status = getattr(error, "status", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return refused or _is_missing(error) or isinstance(error, (PermissionError, NotImplementedError))


def _is_missing(error: Exception) -> bool:
    """Return whether there is no such object; over HTTP fsspec says so of whatever goes wrong, and tells it below."""
    cause = error.__cause__
    otherwise = isinstance(cause, OSError) or getattr(cause, "status", 404) not in (404, 410)
    return isinstance(error, FileNotFoundError) and not otherwise

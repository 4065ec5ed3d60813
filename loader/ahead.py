"""Keep the next item of an iterator coming while the current one is used."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

from seekless.errors import LoaderError

T = TypeVar("T")

__all__ = ["Ahead"]

_END = object()


class Ahead(Generic[T]):
    """An iterator that takes one item ahead in a thread of its own.

    At most one item waits, so with the one in use there are two. An error of the source is raised where its item would
    have come. Each thread ends with its item: whoever forgets this object half-way, as TensorFlow does with datasets
    that it keeps for good, leaves none behind.

    Args:
        source: The iterator to take from; used by no one else from now on.
    """

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._process = os.getpid()
        self._next: Future[object] | None = self._take()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._next is None:
            raise StopIteration
        if self._process != os.getpid():  # threads do not live on in a fork: this would wait for ever
            raise LoaderError(
                "found batches begun before a fork, expected new ones in each process; ask for them again"
            )
        future, self._next = self._next, None
        item = future.result()
        if item is _END:
            raise StopIteration
        self._next = self._take()
        return item  # type: ignore[return-value]  # a future of any object

    def close(self) -> None:
        """Stop taking items; an item on its way is waited for and dropped."""
        future, self._next = self._next, None
        if future is not None and self._process == os.getpid():
            future.exception()

    def _take(self) -> Future[object]:
        future: Future[object] = Future()
        # Not to be waited for at the end of the process: nothing of it is kept.
        threading.Thread(target=_fill, args=(future, self._source), name="seekless-read", daemon=True).start()
        return future


def _fill(future: Future[object], source: Iterator[object]) -> None:
    try:
        future.set_result(next(source, _END))
    except BaseException as error:
        future.set_exception(error)

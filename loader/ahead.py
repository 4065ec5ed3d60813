"""Keep the next item of an iterator coming while the current one is used."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from seekless.errors import LoaderError

T = TypeVar("T")

__all__ = ["Ahead"]

_END = object()


class Ahead(Generic[T]):
    """An iterator that takes one item ahead in a thread of its own.

    At most one item waits, so with the one in use there are two. An error of the source is raised where its item would
    have come. The thread ends with the items, with `close`, or when this object is forgotten.

    Args:
        source: The iterator to take from; used by no one else from now on.
    """

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._process = os.getpid()
        self._executor = ThreadPoolExecutor(1, "seekless-read")
        self._next: Future[object] | None = self._executor.submit(next, source, _END)

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
        try:
            item = future.result()
        except BaseException:
            self.close()
            raise
        if item is _END:
            self.close()
            raise StopIteration
        self._next = self._executor.submit(next, self._source, _END)
        return item  # type: ignore[return-value]  # the executor's future knows no type beside the end's

    def close(self) -> None:
        """Stop taking items; an item on its way is waited for and dropped."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._executor.shutdown(wait=True, cancel_futures=True)

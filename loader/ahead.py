"""Keep the next items of an iterator coming while the current one is used."""

import os
import threading
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from seekless.errors import LoaderError
from seekless.loader.garbage import collector

T = TypeVar("T")

__all__ = ["Ahead"]

# Seconds that a thread waits for the next item to be wanted. Starting one anew can take longer than gathering a slab.
LINGER = 0.25

_ITEM, _END, _ERROR = range(3)


class Ahead(Generic[T]):
    """An iterator that takes items ahead in a thread of its own.

    At most `depth` items wait beside the one in use. An error of the source is raised where its item would have come.
    The thread ends when nothing was wanted for a quarter of a second: whoever forgets this object half-way, as
    TensorFlow does with datasets that it keeps for good, leaves none behind.

    Args:
        source: The iterator to take from; used by no one else from now on.
        depth: Items that wait at most.
    """

    def __init__(self, source: Iterator[T], depth: int = 1) -> None:
        self._process = os.getpid()
        self._work = _Work(source)
        self._over = False
        for _ in range(depth):
            self._work.want()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._over:
            raise StopIteration
        if self._process != os.getpid():  # threads do not live on in a fork: this would wait for ever
            raise LoaderError(
                "found batches begun before a fork, expected new ones in each process; ask for them again"
            )
        kind, item = self._work.answers.get()
        if kind == _ITEM:
            self._work.want()
            return item  # type: ignore[no-any-return]
        self._over = True
        if kind == _ERROR:
            raise item
        raise StopIteration

    def close(self) -> None:
        """Stop taking items; one on its way is waited for and dropped, and the source is closed."""
        self._over = True
        if self._process == os.getpid():
            self._work.stop()

    def __del__(self) -> None:
        work = getattr(self, "_work", None)
        if work is not None:  # the source is closed by the last who holds it
            work.stopped = True
            work.wanted.put(False)


class _Work:
    """What an `Ahead` and its thread share; the thread keeps no `Ahead` alive.

    Attributes:
        wanted: True for each item that is wanted; False to look whether to stop.
        answers: Items, the end, or an error.
        stopped: No more items are wanted.
    """

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._running = threading.Lock()  # held by the thread
        self.wanted: SimpleQueue[bool] = SimpleQueue()
        self.answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self.stopped = False

    def want(self) -> None:
        """Let one more item be taken."""
        self.wanted.put(True)
        if self._running.acquire(blocking=False):
            self._start()

    def stop(self) -> None:
        """Wait for the thread to end, and close the source."""
        self.stopped = True
        self.wanted.put(False)
        with self._running:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()

    def _start(self) -> None:
        collector.begin()  # before the thread begins: no garbage is to be freed in it
        try:
            # Not to be waited for at the end of the process: nothing of it is kept.
            threading.Thread(target=self._run, name="seekless-read", daemon=True).start()
        except BaseException:
            collector.end()
            self._running.release()
            raise

    def _run(self) -> None:
        try:
            self._answer_all()
        finally:
            collector.end()

    def _answer_all(self) -> None:
        while True:
            try:
                while self._answer():
                    pass
            finally:
                self._running.release()
            # Somebody may have wanted one more since this thread last looked.
            if self.stopped or self.wanted.empty() or not self._running.acquire(blocking=False):
                return

    def _answer(self) -> bool:
        """Take an item when it is wanted; return whether there may be more."""
        try:
            wanted = self.wanted.get(timeout=LINGER)
        except Empty:
            return False
        if self.stopped:
            return False
        if not wanted:
            return True
        try:
            self.answers.put((_ITEM, next(self._source)))
        except StopIteration:
            self.answers.put((_END, None))
            self.stopped = True
        except BaseException as error:
            self.answers.put((_ERROR, error))
            self.stopped = True
        return not self.stopped

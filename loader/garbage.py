"""Garbage stays where it is in the threads that make batches; others collect it.

Python collects garbage in whichever thread makes the object that is one too many, and frees it there. What is freed may
wait for that very thread: an iterator of TensorFlow that was left amid an epoch, for one, until the batch that is on
its way to it has come.
"""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["leave_garbage", "leaving_garbage"]

# Seconds that the thread that collects instead waits to be asked.
LINGER = 1


class Collector:
    """Collects garbage in a thread of its own, which nobody waits for."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[int] = SimpleQueue()
        self._starting = threading.Lock()
        self.thread = threading.Thread()

    def begin(self) -> None:
        """Let the thread run for some time."""
        if self.thread.is_alive() or not self._starting.acquire(blocking=False):
            return  # another thread begins it, or did as this process was forked
        try:
            if not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="seekless-garbage", daemon=True)
                self.thread.start()
        finally:
            self._starting.release()

    def ask(self, generation: int) -> None:
        """Let a generation be collected; nothing happens where the thread does not run."""
        self._asked.put(generation)

    def _run(self) -> None:
        while True:
            try:
                generation = self._asked.get(timeout=LINGER)
            except Empty:
                return
            gc.collect(max(1, generation))  # what was held as young is older by now


_here = threading.local()
_held: list[list[Any]] = []
_collector = Collector()


def leave_garbage() -> None:
    """Let this thread collect no garbage from now on; one that nobody waits for does."""
    _here.leaves = True
    if _hold not in gc.callbacks:
        gc.callbacks.append(_hold)
    _collector.begin()


@contextmanager
def leaving_garbage() -> Iterator[None]:
    """Let this thread collect no garbage meanwhile."""
    before = getattr(_here, "leaves", False)
    leave_garbage()
    try:
        yield
    finally:
        _here.leaves = before


def _hold(phase: str, info: dict[str, int]) -> None:
    """Hold what a collection would look at, so that none of it is garbage, where this thread is to leave it.

    What another thread drops between this moment and the collection, some microseconds later, is not held.
    """
    if phase == "stop":
        _held.clear()
    elif getattr(_here, "leaves", False):
        # From Python 3.14 on, a collection of young objects also looks at some of the old ones.
        generations = range(info["generation"] + 1) if sys.version_info < (3, 14) else (None,)
        _held.extend(map(gc.get_objects, generations))
        _collector.ask(info["generation"])

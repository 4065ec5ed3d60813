"""Garbage stays where it is in the threads that make batches; the others collect it.

Python collects garbage in whichever thread makes the object that is one too many, and frees it there. What is freed may
wait for that very thread: an iterator of TensorFlow that was left amid an epoch, for one, until the batch that is on
its way to it has come.
"""

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["leave_garbage", "leaving_garbage"]

_here = threading.local()
_held: list[list[Any]] = []


def leave_garbage() -> None:
    """Let this thread collect no garbage from now on."""
    if _hold not in gc.callbacks:
        gc.callbacks.append(_hold)
    _here.leaves = True


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

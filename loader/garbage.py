"""Garbage is collected in a thread that nobody waits for, while batches are made.

Python collects garbage in whichever thread makes the object that is one too many, and frees it there. What is freed may
wait for that very thread: an iterator of TensorFlow that was left amid an epoch, for one, until the batch that is on
its way to it has come, which other threads read, decode and hand over.
"""

import atexit
import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector"]

# Seconds between two looks at whether there is something to collect.
PAUSE = 0.1
# Seconds that the thread lives on when nobody needs it: starting one for each batch would cost more than the batch.
LINGER = 1
# Seconds after which young objects are looked at however few there are: Python begins a collection also where many are
# there for a moment only, which is not seen here.
YOUNG = 1
# A full collection waits until this many times as long as the last one took has passed. Python waits for a quarter more
# objects, of which it does not tell.
FULL_SHARE = 100


class Collector:
    """Collects garbage in a thread of its own instead of in all threads, while somebody needs that.

    Python's own collecting is switched off meanwhile (`gc.disable`), and on again a second after. Where it was off
    before, nothing is done.
    """

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._users: list[None] = []
        self._young_from = self._full_from = 0.0
        atexit.register(self._give_back)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_child)

    @property
    def works(self) -> bool:
        """Whether garbage is collected by the thread now."""
        return self._thread is not None

    @contextmanager
    def needed(self) -> Iterator[None]:
        """Let no other thread collect garbage meanwhile."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """Let no other thread collect garbage, until `end` was called as often."""
        self._users.append(None)
        if gc.isenabled():
            self._start()

    def end(self) -> None:
        """Take back a `begin`."""
        del self._users[-1:]

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread does
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="seekless-garbage", daemon=True)
                thread.start()
                self._thread = thread
            gc.disable()
        except RuntimeError:  # no more threads: garbage is collected where it is made, as ever
            pass
        finally:
            self._starting.release()

    def _run(self) -> None:
        until = time.monotonic() + LINGER
        while time.monotonic() < until:
            time.sleep(PAUSE)
            if self._users:
                until = time.monotonic() + LINGER
            self._collect()
        self._give_back()
        if self._users:  # who came meanwhile found nothing to start
            self._start()

    def _collect(self) -> None:
        """Collect what Python would collect by now, or about that."""
        counts, thresholds, begun = gc.get_count(), gc.get_threshold(), time.monotonic()
        if gc.isenabled() or not thresholds[0] or (counts[0] <= thresholds[0] and begun < self._young_from):
            return
        if counts[2] > thresholds[2] and begun >= self._full_from:
            gc.collect()
            self._full_from = time.monotonic() + FULL_SHARE * (time.monotonic() - begun)
        else:
            gc.collect(1 if counts[1] > thresholds[1] else 0)
        self._young_from = time.monotonic() + YOUNG

    def _give_back(self) -> None:
        with self._starting:
            if self._thread is not None:
                self._thread = None
                gc.enable()

    def _begin_child(self) -> None:
        if self.works:  # the thread did not come along
            gc.enable()
        self._starting, self._thread = threading.Lock(), None
        self._users.clear()


collector = Collector()

"""Garbage that tells which thread freed it."""

import threading
import time
from collections.abc import Callable


class Garbage:
    """Something that only a collection frees, of so many objects that one begins; it notes the thread that did."""

    def __init__(self, freed_in: list[str]) -> None:
        self.freed_in, self.held = freed_in, [self, *([] for _ in range(1000))]

    def __del__(self) -> None:
        self.freed_in.append(threading.current_thread().name)


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until something is true; fail after 10 s."""
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)

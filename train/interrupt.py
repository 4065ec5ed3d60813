"""Ctrl-C and SIGTERM while a model trains: noted at once, acted on where the model and its place are of one step."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupt", "deferred"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A signal that asks the training to end, if there was one."""

    def __init__(self) -> None:
        self._act: Callable[[], None] | None = None

    def note(self, act: Callable[[], None]) -> None:
        """Note that a signal came.

        Args:
            act: Does what the signal would have done at once.
        """
        self._act = act

    @property
    def asked(self) -> bool:
        """Whether the training is asked to end."""
        return self._act is not None

    def act(self) -> None:
        """Do what the signal would have done, such as raise KeyboardInterrupt; nothing if there was none."""
        if self._act is not None:
            self._act()


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note signals instead of acting on them: a step is one call of native code, with its count after it.

    A second signal acts at once. Outside of the main thread, where no signal arrives, nothing is changed.

    Yields:
        What was noted.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        handle = before[number]
        signal.signal(number, handle)
        interrupt.note(lambda: handle(number, frame))

    for number, handler in before.items():
        if callable(handler):  # else the system acts, or it is ignored, as nohup has it
            signal.signal(number, note)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)

"""How much of the window on its way has come, so that batches can be spread over the time that it takes."""

import threading

__all__ = ["Arrival"]

# Seconds that a batch is held back at most.
HOLD = 0.45
# What is used of a window may be ahead of what has come of the next by this share.
AHEAD = 1 / 8


class Arrival:
    """Follows the reading of windows, one behind the other.

    Where the disk is slower than what uses the batches, a whole window would be used up at once and the next one waited
    for. Batches are given as the next window comes instead: as many in the same time, without a long wait. Where the
    disk is faster, none is held back.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._window = -1
        self._total = 1
        self._come = 0

    def begin(self, window: int, total: int) -> None:
        """Note that a window is read now.

        Args:
            window: Its number.
            total: Samples in it.
        """
        with self._changed:
            self._window, self._total, self._come = window, total, 0
            self._changed.notify_all()

    def add(self, samples: int) -> None:
        """Note that so many samples more have come."""
        with self._changed:
            self._come += samples
            self._changed.notify_all()

    def end(self) -> None:
        """Note that nothing more will come."""
        self.begin(1 << 62, 1)

    def wait(self, window: int, used: float, wanted: float) -> None:
        """Wait until a window has come as far as the one before it was used, or for `HOLD` seconds.

        Args:
            window: Its number.
            used: The share of the one before that was used, 0 to 1.
            wanted: The share that is to be used now. It may be ahead by itself, or by `AHEAD` if it is less.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has(window, min(used, used + wanted - AHEAD)), HOLD)

    def _has(self, window: int, share: float) -> bool:
        return self._window > window or (self._window == window and self._come >= share * self._total)

"""How much of the window on its way has come, so that batches can be spread over the time that it takes."""

import math
import threading

__all__ = ["Arrival", "share_awaited"]

# Seconds that a batch is held back at most.
HOLD = 0.45
# What is used of a window, by batches smaller than this share of it, may be so much ahead of what has come of the next.
AHEAD = 1 / 8


def share_awaited(used: float, wanted: float, ended: int) -> float:
    """Return the share of the next window that is to be there before more of this one is used.

    Of batches that are large beside a window, those that end in it come at even times until the next one is there,
    which the first batch behind it waits for. That first one is the first to end in the next window, at once.

    Args:
        used: The share of this window that was used, 0 to 1.
        wanted: The share that a batch takes.
        ended: Batches that ended in this window.
    """
    if wanted < AHEAD:
        return used + wanted - AHEAD
    more = max(0.0, 1 - used - wanted) / wanted
    return ended / (ended + 1 + math.floor(more + 1e-9))


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

    def whole(self) -> None:
        """Note that the window is there, also what of it was not read but kept."""
        with self._changed:
            self._come = self._total
            self._changed.notify_all()

    def end(self) -> None:
        """Note that nothing more will come."""
        self.begin(1 << 62, 1)

    def wait(self, window: int, share: float) -> None:
        """Wait until a share of a window has come, or for `HOLD` seconds.

        Args:
            window: Its number.
            share: 0 to 1; see `share_awaited`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has(window, share), HOLD)

    def _has(self, window: int, share: float) -> bool:
        return self._window > window or (self._window == window and self._come >= share * self._total)

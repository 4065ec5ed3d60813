"""Samples taken out of windows, one behind the other, in the order of the epoch."""

from collections.abc import Iterator

import numpy as np

from seekless.loader.arrival import Arrival, share_awaited
from seekless.loader.gather import Scaling, take
from seekless.loader.transform import Batch
from seekless.loader.windows import Window
from seekless.store.buffers import Buffers

__all__ = ["Cursor"]


class Cursor:
    """Takes samples out of windows, one behind the other.

    Args:
        loaded: The windows.
        numbers: Of the windows.
        used: Samples of the first that come before.
        arrival: Of the windows.
        memory: For x.
        scaling: How x is scaled; None for stored values.
    """

    def __init__(
        self,
        loaded: Iterator[Window],
        numbers: range,
        used: int,
        arrival: Arrival,
        memory: Buffers,
        scaling: Scaling | None,
    ) -> None:
        self._loaded = loaded
        self._numbers = iter(numbers)
        self._number, self._last = numbers.start, numbers[-1]
        self._window: Window | None = None
        self._used = used
        self._ended = 0  # batches that ended in this window
        self._arrival = arrival
        self._memory = memory
        self._scaling = scaling

    def take(self, count: int) -> Batch:
        """Return the next samples: x, then the small fields."""
        batch: Batch | None = None
        done = 0
        while done < count:
            window = self._current()
            if self._number < self._last:
                share = share_awaited(self._used / len(window), (count - done) / len(window), self._ended)
                self._arrival.wait(self._number + 1, share)
            if batch is None:
                batch = self._empty(count, window)
            taken = slice(self._used, self._used + min(count - done, len(window) - self._used))
            self._put(window, taken, batch, done)
            done, self._used = done + taken.stop - taken.start, taken.stop
            del window
        self._ended += 1
        return batch or ()

    def _current(self) -> Window:
        if self._window is not None and self._used == len(self._window):
            self._window = None  # before the next but one is read, so that two are in memory at most
            self._used = 0
        if self._window is None:
            self._window = next(self._loaded)
            self._number = next(self._numbers)
            self._ended = 0
        return self._window

    def _empty(self, count: int, window: Window) -> Batch:
        dtype = window.x.dtype if self._scaling is None else self._scaling.dtype
        x = self._memory.empty((count, *window.x.shape[1:]), dtype)
        return x, *(np.empty((count, *values.shape[1:]), values.dtype) for values in window.beside)

    def _put(self, window: Window, taken: slice, batch: Batch, done: int) -> None:
        x, *beside = (array[done : done + taken.stop - taken.start] for array in batch)
        if self._scaling is None:
            take(window.x, window.x_rows[taken], x)
        else:
            self._scaling.take(window.x, window.x_rows[taken], x)
        for values, kept in zip(beside, window.beside, strict=True):
            take(kept, window.rows[taken], values)

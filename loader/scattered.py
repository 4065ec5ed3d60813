"""Orders that jump about in the store: batches of neighbours in random order, or every sample by itself.

They are computed window by window from a keyed permutation, so a plan takes no memory by samples. They cost reads: a
window touches blocks all over the store, and each of them is read whole for the few samples that are wanted of it. On a
disk that seeks, a store of many windows is read almost once *per window*; `shuffle="window"` reads it once an epoch.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from seekless.loader.draw import KeyedPermutation, words
from seekless.loader.line import Line
from seekless.loader.steps import Steps
from seekless.loader.units import Units

__all__ = ["ScatteredOrder", "merged"]


@dataclass(frozen=True, eq=False)
class ScatteredOrder:
    """One epoch of "batch" or "full" order.

    Attributes:
        seed: Draws the order.
        epoch: The epoch.
        steps: How samples are dealt to batches.
        share: The rank's part of the store; a batch of neighbours may lie in two ranges where one of them ends.
        whole: Samples that stay together: a batch for "batch", 1 for "full".
        window: Samples in a window.
        line: Which sample is at each place.
    """

    seed: int
    epoch: int
    steps: Steps
    share: Units
    whole: int
    window: int
    line: Line

    @property
    def length(self) -> int:
        """Samples in the epoch."""
        return self.steps.samples

    @property
    def windows(self) -> int:
        """How many windows the epoch has."""
        return -(-self.length // self._window)

    @property
    def _window(self) -> int:
        """Samples in a window but the last, in whole batches for "batch"."""
        return max(1, self.window // self.whole) * self.whole

    def begin(self, window: int) -> int:
        """Return the position in the epoch at which a window begins; for `windows`, the length of the epoch."""
        return min(window * self._window, self.length)

    def window_at(self, position: int) -> int:
        """Return the window that holds a position of the epoch, 0 to length - 1."""
        return position // self._window

    def plan(self, window: int) -> tuple[list[tuple[int, int]], npt.NDArray[np.int64]]:
        """Return what to read for a window, and the order in which it is used.

        Args:
            window: 0 to windows - 1.

        Returns:
            Ascending (start, stop) pairs of samples, neighbours merged; and int64 (samples of the window,): which of
            these samples, counted through the pairs, comes when.
        """
        numbers = self.numbers(window)
        ascending = np.argsort(numbers, kind="stable")
        rows = np.empty(len(numbers), np.int64)
        rows[ascending] = np.arange(len(numbers))
        return merged(numbers[ascending]), rows

    def numbers(self, window: int) -> npt.NDArray[np.int64]:
        """Return the samples of a window in the order in which they are used.

        Args:
            window: 0 to windows - 1.

        Returns:
            int64, (samples of the window,): numbers of samples in the store.
        """
        positions = np.arange(self.begin(window), self.begin(window + 1))
        places = self._permutation(positions) if self.whole == 1 else self._batch_places(positions)
        ends = self.share.ends
        unit = np.searchsorted(ends, places, "right")
        return self.line.samples(self.share.stop[unit] - (ends[unit] - places))

    @cached_property
    def _permutation(self) -> KeyedPermutation:
        held = int(self.share.ends[-1]) if len(self.share.stop) else 0
        count = held if self.whole == 1 else self.steps.full
        return KeyedPermutation(count, self.seed, self.epoch, 1, self.steps.rank)

    def _batch_places(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where in the share the samples lie: full batches in random order, what is left last.

        What is left over lies at a random place between two full batches, so that it is another lot each epoch.
        """
        full = self.steps.full
        left = int(self.share.ends[-1]) - full * self.whole
        hole = int(words(1, self.seed, self.epoch, 2, self.steps.rank)[0] % np.uint64(full + 1))
        batch, within = np.divmod(positions, self.whole)
        cut = int(np.searchsorted(positions, full * self.whole))
        chosen = self._permutation(batch[:cut])
        chosen = chosen * self.whole + np.where(chosen >= hole, left, 0) + within[:cut]
        return np.concatenate([chosen, hole * self.whole + positions[cut:] - full * self.whole])


def merged(numbers: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return ascending numbers as (start, stop) pairs, neighbours in one pair."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    starts = numbers[np.concatenate([[0], breaks + 1])]
    stops = numbers[np.concatenate([breaks, [len(numbers) - 1]])] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))

"""Which sample comes when: a pure function of sizes, seed and epoch. Nothing here opens a file.

An epoch is a sequence of windows. The blocks of a window are chosen at random, in units of neighbouring blocks so that
each unit is one long read; they are read in the order of the file, and their samples are mixed in memory. Every sample
comes once an epoch, and the cut into units has another phase each epoch. Ranks that train together take consecutive
shares of one order of units, so that they read different blocks; a block that lies at the end of one share and at the
beginning of the next is read by both, its samples used by one. Where a part is several ranges of the store, orders are
planned over places on one line of all of them (loader/line), and come out as samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.loader.draw import permutation
from seekless.loader.line import Line
from seekless.loader.scattered import ScatteredOrder
from seekless.loader.steps import Steps
from seekless.loader.units import Sizes, Units, share_of, units_of

__all__ = ["SHUFFLES", "EpochOrder", "Order", "Sizes", "Steps", "epoch_order", "samples"]

# Each window after a small first one is so much larger, until they have their size.
GROWTH = 1.25

SHUFFLES = ("window", "batch", "full", False)


@dataclass(frozen=True, eq=False)
class EpochOrder:
    """The order of one epoch, window by window.

    Attributes:
        seed: Draws the order.
        epoch: The epoch.
        rank: Whose order it is.
        shuffled: Whether samples are mixed inside windows.
        edges: int64, (windows + 1,): the position in the epoch at which each window begins; the last is the length.
        unit_start: int64, (units,): the first place of each unit, in the order in which units are used.
        unit_stop: int64, (units,): the last place + 1.
        unit_edges: int64, (windows + 1,): the first unit of each window; the last is the number of units.
        line: Which sample is at each place.
    """

    seed: int
    epoch: int
    rank: int
    shuffled: bool
    edges: npt.NDArray[np.int64]
    unit_start: npt.NDArray[np.int64]
    unit_stop: npt.NDArray[np.int64]
    unit_edges: npt.NDArray[np.int64]
    line: Line

    @property
    def length(self) -> int:
        """Samples in the epoch."""
        return int(self.edges[-1])

    @property
    def windows(self) -> int:
        """How many windows the epoch has."""
        return len(self.edges) - 1

    def begin(self, window: int) -> int:
        """Return the position in the epoch at which a window begins; for `windows`, the length of the epoch."""
        return int(self.edges[window])

    def window_at(self, position: int) -> int:
        """Return the window that holds a position of the epoch, 0 to length - 1."""
        return int(np.searchsorted(self.edges, position, "right")) - 1

    def plan(self, window: int) -> tuple[list[tuple[int, int]], npt.NDArray[np.int64]]:
        """Return what to read for a window, and the order in which it is used.

        Args:
            window: 0 to windows - 1.

        Returns:
            Ascending (start, stop) pairs of samples, neighbours merged; and int64 (samples of the window,): which of
            these samples, counted through the pairs, comes when.
        """
        return self.ranges(window), self.permutation(window)

    def ranges(self, window: int) -> list[tuple[int, int]]:
        """Return the samples of a window as ascending (start, stop) pairs, neighbours merged."""
        units = slice(self.unit_edges[window], self.unit_edges[window + 1])
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(zip(self.unit_start[units].tolist(), self.unit_stop[units].tolist(), strict=True)):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        return self.line.pairs(merged)

    def permutation(self, window: int) -> npt.NDArray[np.int64]:
        """Return int64 (samples in the window,): which sample of the window, in the order of its ranges, comes when."""
        length = int(self.edges[window + 1] - self.edges[window])
        if not self.shuffled:
            return np.arange(length)
        return permutation(length, self.seed, self.epoch, 1 + window, self.rank)

    def samples(self) -> Iterator[int]:
        """Yield the numbers of all samples in the order of the epoch; for tests and for looking at small orders."""
        yield from samples(self)


Order = EpochOrder | ScatteredOrder


def samples(order: Order) -> Iterator[int]:
    """Yield the numbers of all samples of an epoch in its order; for tests and for looking at small orders.

    Args:
        order: The order.
    """
    for window in range(order.windows):
        ranges, rows = order.plan(window)
        yield from np.concatenate([np.arange(*pair) for pair in ranges])[rows].tolist()


def epoch_order(sizes: Sizes, shuffle: str | bool, seed: int, epoch: int, steps: Steps | None = None) -> Order:
    """Plan one epoch.

    Args:
        sizes: What is read, and in what portions.
        shuffle: "window" mixes the samples of randomly chosen blocks; "batch" puts slices of a batch each in random
            order; "full" may put every sample anywhere; False is the order of the store. "batch" and "full" seek.
        seed: Draws the order.
        epoch: The epoch, 0 and up.
        steps: How samples are dealt to batches and ranks; None for all of them to one rank.

    Returns:
        The plan; its memory grows with the number of blocks, not of samples.

    Raises:
        OptionError: The shuffle is none of these.
    """
    if shuffle not in SHUFFLES:
        raise OptionError(f"shuffle: found {shuffle!r}, expected 'window', 'batch', 'full' or False")
    steps = Steps(sizes.length, 1) if steps is None else steps
    units = units_of(sizes, bool(shuffle), seed, epoch, steps.count)
    if shuffle in ("batch", "full"):
        whole = steps.batch if shuffle == "batch" else 1
        share = _scattered_share(sizes, units, steps)
        return ScatteredOrder(seed, epoch, steps, share, whole, sizes.window, sizes.line)
    share = share_of(units, steps.before, steps.before + steps.samples)
    return _windowed(sizes, share, bool(shuffle), seed, epoch, steps)


def _windowed(sizes: Sizes, share: Units, shuffled: bool, seed: int, epoch: int, steps: Steps) -> EpochOrder:
    """Cut a share into windows, each at the unit that comes nearest to where it should end."""
    length, ends = steps.samples, share.ends
    if not length:
        empty = np.zeros(1, np.int64)
        return EpochOrder(seed, epoch, steps.rank, shuffled, empty, share.start, share.stop, empty, sizes.line)
    unit_edges = np.unique(np.concatenate([[0], np.searchsorted(ends, _edges(sizes, length)) + 1, [len(share.start)]]))
    edges = np.concatenate([[0], ends])[unit_edges]
    return EpochOrder(seed, epoch, steps.rank, shuffled, edges, share.start, share.stop, unit_edges, sizes.line)


def _edges(sizes: Sizes, length: int) -> list[float]:
    """Return where windows should end but the last: a small one first if so wanted, growing ones, then equal ones."""
    window, edges, done = max(1, sizes.window), [], 0.0
    if length > window and 0 < sizes.first < window:
        size = float(sizes.first)
        while size < window and length - done > window:
            done += size
            edges.append(done)
            size *= GROWTH
    windows = -(-(length - done) // window)
    return [*edges, *(done + np.arange(1, windows) * (length - done) / windows)]


def _scattered_share(sizes: Sizes, units: Units, steps: Steps) -> Units:
    """Return the ranges that a rank jumps about in, in the order of the store: all of the part for a rank alone.

    What several ranks drop at the end of an epoch is in the share of the last.
    """
    if steps.count == 1:
        return Units(sizes.edges[:1], sizes.edges[-1:])
    last = steps.rank == steps.count - 1
    share = share_of(units, steps.before, sizes.length if last else steps.before + steps.samples)
    order = np.argsort(share.start)
    return Units(share.start[order], share.stop[order])

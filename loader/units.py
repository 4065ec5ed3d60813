"""Which blocks are read together: units of neighbouring blocks, in the order of the epoch, and each rank's share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.loader.draw import permutation, words
from seekless.loader.line import Line

__all__ = ["Sizes", "Units", "share_of", "units_of"]

# A window of fewer units than this would mix too few places of the store.
UNITS_A_WINDOW = 8


@dataclass(frozen=True, eq=False)
class Sizes:
    """What an order depends on beside seed and epoch; all in samples.

    A part may be several ranges of samples, as in a store that has grown; orders are planned over places on a line of
    all of them.

    Attributes:
        line: The ranges of the part that is read.
        edges: int64, (blocks + 1,), ascending: the first place of each block of the part, and the end of the part. The
            first and the last block of a range may be cut by it.
        block_length: Samples in a whole block, the longest if they differ.
        window: Samples in a window.
        unit: Samples of neighbouring blocks that are worth one seek.
        first: Samples in the first window of an epoch of several, so that its first batch is there soon; the next ones
            grow. 0 for windows of equal size.
    """

    line: Line
    edges: npt.NDArray[np.int64]
    block_length: int
    window: int
    unit: int
    first: int = 0

    @classmethod
    def of_part(
        cls,
        ranges: Sequence[tuple[int, int]],
        blocks: npt.NDArray[np.int64],
        window: int,
        unit: int,
        first: int = 0,
    ) -> "Sizes":
        """Return the sizes of a part of a store.

        Args:
            ranges: The part: ascending (start, stop) pairs of samples, apart from each other; one at least.
            blocks: int64, (blocks + 1,): the first sample of each block of the store, and the length of the store.
            window: Samples in a window.
            unit: Samples of neighbouring blocks that are worth one seek.
            first: Samples in the first window, 0 for as many as in any.
        """
        line = Line(tuple(ranges))
        return cls(line, line.edges(blocks), int(np.diff(blocks).max(initial=1)), window, unit, first)

    @property
    def start(self) -> int:
        """The first place of the part."""
        return int(self.edges[0])

    @property
    def stop(self) -> int:
        """The last place of the part + 1."""
        return int(self.edges[-1])

    @property
    def length(self) -> int:
        """Samples in the part."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Units:
    """Ranges of places that are read one behind the other.

    Attributes:
        start: int64, (units,): the first place of each.
        stop: int64, (units,): the last place + 1.
    """

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """int64, (units,): the samples up to the end of each."""
        return np.cumsum(self.stop - self.start)


def units_of(sizes: Sizes, shuffled: bool, seed: int, epoch: int, ranks: int = 1) -> Units:
    """Cut a part into units at block edges, with another phase each epoch, and put them in the order of the epoch.

    Args:
        sizes: The part.
        shuffled: Whether units come in a random order; else in that of the store, with the phase of epoch 0.
        seed: Draws the order.
        epoch: The epoch.
        ranks: How many ranks share the units.
    """
    if not sizes.length:
        return Units(np.zeros(0, np.int64), np.zeros(0, np.int64))
    longest = min(sizes.unit, sizes.window // UNITS_A_WINDOW)
    if ranks > 1:  # with one unit a rank, each rank would see the same samples in every epoch
        longest = min(longest, sizes.length // (UNITS_A_WINDOW * ranks))
    blocks = max(1, longest // sizes.block_length)
    # Steps by the golden ratio spread the phases of successive epochs evenly.
    phase = int((epoch if shuffled else 0) * 0.6180339887498949 % 1 * blocks)
    # A grid of whole blocks is laid over the part; a unit ends at the first block edge in another cell of the grid.
    ahead = -(-sizes.edges // sizes.block_length) - sizes.start // sizes.block_length - 1 - phase
    cell = ahead[:-1] // blocks
    cell[0] = -1
    cuts = sizes.edges[np.flatnonzero(np.diff(cell)) + 1]
    start, stop = np.concatenate([[sizes.start], cuts]), np.concatenate([cuts, [sizes.stop]])
    if shuffled:
        windows = ranks * -(-sizes.length // (ranks * max(1, sizes.window)))
        order = _spread(len(start), windows, seed, epoch)
        start, stop = start[order], stop[order]
    return Units(start, stop)


def _spread(units: int, windows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Draw an order of units in which each window has units from all over the store.

    Of each `windows` neighbours, one goes to each window, by lot: where a store lies sorted, a window then holds
    something of everything, as far as it has room.
    """
    lots = words(units, seed, epoch, 0)
    if windows >= units:
        return np.argsort(lots, kind="stable")
    neighbours = np.arange(units) // windows
    by_lot = np.lexsort((words(units, seed, epoch, 0, 1 << 32), neighbours))
    window = np.empty(units, np.int64)
    window[by_lot] = np.arange(units) % windows
    short = units % windows
    if short:  # the last neighbours are fewer than the windows: they go to any of them
        window[by_lot[-short:]] = permutation(windows, seed, epoch, 0, 2 << 32)[:short]
    return np.lexsort((lots, window))


def share_of(units: Units, first: int, last: int) -> Units:
    """Return the units that hold the positions `first` to `last` - 1 of their order, those at both ends cut to them.

    Args:
        units: Of all ranks.
        first: The first position, in samples.
        last: The last position + 1.
    """
    ends = units.ends
    if first == 0 and (last == (ends[-1] if len(ends) else 0)):
        return units
    low, high = np.searchsorted(ends, first, "right"), np.searchsorted(ends, last, "left") + 1
    start, stop = units.start[low:high].copy(), units.stop[low:high].copy()
    if last <= first:
        return Units(start[:0], stop[:0])
    start[0] += first - (ends[low - 1] if low else 0)
    stop[-1] -= ends[high - 1] - last
    return Units(start, stop)

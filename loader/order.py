"""Which sample comes when: a pure function of sizes, seed and epoch. Nothing here opens a file.

An epoch is a sequence of windows. The blocks of a window are chosen at random, in units of neighbouring blocks so that
each unit is one long read; they are read in the order of the file, and their samples are mixed in memory. Every sample
comes once an epoch, and the cut into units has another phase each epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError

__all__ = ["EpochOrder", "Sizes", "epoch_order"]

# A window of fewer units than this would mix too few places of the store.
UNITS_A_WINDOW = 8


@dataclass(frozen=True)
class Sizes:
    """What an order depends on beside seed and epoch; all in samples.

    Attributes:
        start: The first sample of the part that is read.
        stop: The last sample of it + 1.
        block_length: Samples in a block.
        window: Samples in a window.
        unit: Samples of neighbouring blocks that are worth one seek.
    """

    start: int
    stop: int
    block_length: int
    window: int
    unit: int

    @property
    def length(self) -> int:
        """Samples in the part."""
        return self.stop - self.start


@dataclass(frozen=True)
class EpochOrder:
    """The order of one epoch, window by window.

    Attributes:
        seed: Draws the order.
        epoch: The epoch.
        shuffled: Whether samples are mixed inside windows.
        edges: int64, (windows + 1,): the position in the epoch at which each window begins; the last is the length.
        unit_start: int64, (units,): the first sample of each unit, in the order in which units are used.
        unit_stop: int64, (units,): the last sample + 1.
        unit_edges: int64, (windows + 1,): the first unit of each window; the last is the number of units.
    """

    seed: int
    epoch: int
    shuffled: bool
    edges: npt.NDArray[np.int64]
    unit_start: npt.NDArray[np.int64]
    unit_stop: npt.NDArray[np.int64]
    unit_edges: npt.NDArray[np.int64]

    @property
    def windows(self) -> int:
        """How many windows the epoch has."""
        return len(self.edges) - 1

    def window_at(self, position: int) -> int:
        """Return the window that holds a position of the epoch, 0 to length - 1."""
        return int(np.searchsorted(self.edges, position, "right")) - 1

    def ranges(self, window: int) -> list[tuple[int, int]]:
        """Return the samples of a window as ascending (start, stop) pairs, neighbours merged."""
        units = slice(self.unit_edges[window], self.unit_edges[window + 1])
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(zip(self.unit_start[units].tolist(), self.unit_stop[units].tolist(), strict=True)):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        return merged

    def permutation(self, window: int) -> npt.NDArray[np.int64]:
        """Return int64 (samples in the window,): which sample of the window, in the order of its ranges, comes when."""
        length = int(self.edges[window + 1] - self.edges[window])
        if not self.shuffled:
            return np.arange(length)
        return _permutation(length, self.seed, self.epoch, 1 + window)

    def samples(self) -> Iterator[int]:
        """Yield the numbers of all samples in the order of the epoch; for tests and for looking at small orders."""
        for window in range(self.windows):
            rows = np.concatenate([np.arange(*pair) for pair in self.ranges(window)])
            yield from rows[self.permutation(window)].tolist()


def epoch_order(sizes: Sizes, shuffle: str | bool, seed: int, epoch: int) -> EpochOrder:
    """Plan one epoch.

    Args:
        sizes: What is read, and in what portions.
        shuffle: "window", or False for the order of the store.
        seed: Draws the order.
        epoch: The epoch, 0 and up.

    Returns:
        The plan; its memory grows with the number of units, not of samples.

    Raises:
        OptionError: The shuffle is neither.
    """
    if shuffle not in ("window", False):
        raise OptionError(f"shuffle: found {shuffle!r}, expected 'window' or False")
    if sizes.length == 0:
        empty = np.zeros(0, np.int64)
        return EpochOrder(seed, epoch, bool(shuffle), np.zeros(1, np.int64), empty, empty, np.zeros(1, np.int64))
    windows = -(-sizes.length // max(1, sizes.window))
    unit_blocks = max(1, min(sizes.unit, sizes.window // UNITS_A_WINDOW) // sizes.block_length)
    cuts = _unit_cuts(sizes, unit_blocks, epoch if shuffle else 0)
    start, stop = cuts[:-1], cuts[1:]
    if shuffle:
        order = _permutation(len(start), seed, epoch, 0)
        start, stop = start[order], stop[order]
    ends = np.cumsum(stop - start)
    # Windows of equal size, cut at the unit that comes nearest.
    wanted = np.arange(1, windows) * sizes.length / windows
    unit_edges = np.unique(np.concatenate([[0], np.searchsorted(ends, wanted) + 1, [len(start)]]))
    edges = np.concatenate([[0], ends])[unit_edges]
    return EpochOrder(seed, epoch, bool(shuffle), edges, start, stop, unit_edges)


def _unit_cuts(sizes: Sizes, unit_blocks: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return where units begin, and where the last ends: at block edges, but for the two ends of the part."""
    first_block = sizes.start // sizes.block_length
    last_block = -(-sizes.stop // sizes.block_length)
    # Steps by the golden ratio spread the phases of successive epochs evenly.
    phase = int(epoch * 0.6180339887498949 % 1 * unit_blocks)
    inner = np.arange(first_block + 1 + phase, last_block, unit_blocks, dtype=np.int64) * sizes.block_length
    return np.concatenate([[sizes.start], inner, [sizes.stop]])


def _permutation(length: int, seed: int, epoch: int, stream: int) -> npt.NDArray[np.int64]:
    """Draw a permutation from raw Philox words, whose values NumPy promises to keep (not those of `permutation`).

    Philox is the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): the
    words of (seed, epoch, stream) are found without drawing those before.
    """
    key = np.array([seed % 2**64, epoch], np.uint64)
    words = np.random.Philox(key=key, counter=np.array([0, 0, 0, stream], np.uint64)).random_raw(length)
    return np.argsort(words, kind="stable")

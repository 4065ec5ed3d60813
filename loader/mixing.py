"""How well an order mixes: which blocks and which labels meet in a batch, measured on a few windows from y alone."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.loader.batches import BatchMaker
from seekless.loader.order import Order
from seekless.loader.pick import numbers
from seekless.loader.scattered import merged
from seekless.loader.targets import Targets, class_counts

__all__ = ["Description", "describe", "shuffled_distance"]

# Windows that are looked at, spread over epoch 0, and runs of batches in each.
WINDOWS = 8
RUNS_A_WINDOW = 16
# Labels are compared over whole batches of this many samples together at least: one of a batch of 4 says nothing.
RUN = 128
# Number targets are compared by tenths of their values.
TENTHS = 10
# Further from a true shuffle than this, digits sorted by class lost more than 1.5 points: benchmarks/mixing.py.
LIMIT = 0.2
# Number targets of a part beyond this are not sorted in memory to find their tenths.
SORTED_BYTES = 64 << 20


@dataclass(frozen=True)
class Description:
    """What batches are made of; its text is lines to read.

    Attributes:
        reader: How blocks are read.
        shuffle: The order.
        windows: Windows in an epoch.
        blocks_per_window: Mean number of blocks of which a window holds samples.
        blocks: Blocks of the part.
        window_bytes: Mean decoded bytes of x in a window.
        blocks_per_batch: Mean number of blocks whose samples meet in a batch.
        run: Consecutive samples over which labels are compared: whole batches.
        label_distance: Mean total variation distance of their labels from those of the part: 0 the same, 1 none in
            common; None where there are no labels to compare.
        shuffled_distance: The same for a true shuffle of the part.
        warning: Why the batches are not mixed well enough, and what to do; "" if they are.
    """

    reader: str
    shuffle: str | bool
    windows: int
    blocks_per_window: float
    blocks: int
    window_bytes: int
    blocks_per_batch: float
    run: int
    label_distance: float | None
    shuffled_distance: float | None
    warning: str

    def __str__(self) -> str:
        order = f"order    {self.shuffle}" if self.shuffle else "order    that of the store"
        lines = [
            f"reader   {self.reader}",
            f"{order}, {self.windows:,} windows an epoch",
            f"window   {self.blocks_per_window:,.0f} of {self.blocks:,} blocks, {self.window_bytes / 2**20:,.1f} MiB",
            f"batch    samples of {self.blocks_per_batch:,.1f} blocks",
        ]
        if self.label_distance is not None:
            lines.append(
                f"labels   {self.label_distance:.3f} from those of all in {self.run} samples, "
                f"{self.shuffled_distance:.3f} for a true shuffle (0 the same, 1 none in common)"
            )
        return "\n".join([*lines, *([f"warning  {self.warning}"] if self.warning else [])])


def describe(maker: BatchMaker) -> Description:
    """Measure an order on a few windows of epoch 0; reads targets, and nothing of x.

    Args:
        maker: Of the batches.

    Raises:
        StoreFormatError: A block of the targets is damaged, or the file was cut short.
    """
    order, sizes, batch = maker.order(0), maker.sizes, maker.options.batch_size
    run = batch * max(1, -(-min(RUN, sizes.length) // batch))
    labels, edges = _Labels(maker), maker.store.tables[maker.store.header.inputs[0]].first
    blocks_a_window, blocks_a_batch, distances, held = [], [], [], []
    for window in sorted({round(at) for at in np.linspace(0, order.windows - 1, WINDOWS)}) if order.windows else []:
        samples = _samples(order, window)
        held.append(len(samples))
        blocks_a_window.append(_blocks(edges, samples))
        while len(samples) < run and (window := window + 1) < order.windows:
            samples = np.concatenate([samples, _samples(order, window)])
        for begin in _begins(len(samples), run):
            chosen = samples[begin : begin + run]
            blocks_a_batch.append(_blocks(edges, chosen[:batch]))
            distances.append(labels.distance(chosen))
    known = [distance for distance in distances if distance is not None]
    found = float(np.mean(known)) if known else None
    expected = None if found is None else shuffled_distance(labels.shares, min(run, sizes.length), sizes.length)
    return Description(
        reader=maker.reader,
        shuffle=maker.options.shuffle or False,
        windows=order.windows,
        blocks_per_window=float(np.mean(blocks_a_window or [0])),
        blocks=len(sizes.edges) - 1,
        window_bytes=round(float(np.mean(held or [0])) * maker.store.header.sample_bytes),
        blocks_per_batch=float(np.mean(blocks_a_batch or [0])),
        run=run,
        label_distance=found,
        shuffled_distance=expected,
        warning=_warning(maker, found, expected),
    )


def _samples(order: Order, window: int) -> npt.NDArray[np.int64]:
    """Return the samples of a window in the order in which they are used."""
    ranges, rows = order.plan(window)
    return numbers(ranges)[rows]


def _begins(length: int, run: int) -> list[int]:
    """Return where a few runs begin in a window, spread over it."""
    return sorted({round(at) for at in np.linspace(0, max(0, length - run), RUNS_A_WINDOW)})


def _blocks(edges: npt.NDArray[np.int64], samples: npt.NDArray[np.int64]) -> int:
    return len(np.unique(np.searchsorted(edges, samples, "right")))


class _Labels:
    """The labels of a part: classes, or tenths of numbers; none where targets are neither, or too large to sort."""

    def __init__(self, maker: BatchMaker) -> None:
        store, sizes = maker.store, maker.sizes
        self.shares = np.zeros(0)
        self._cuts: npt.NDArray[np.float64] | None = None
        if "y" not in store.tables or not sizes.length:
            return
        field, ranges = store.header.fields["y"], sizes.line.ranges
        self._targets = Targets(store, "y", sizes.line)
        if store.header.target_kind == "class":
            self.shares = class_counts(store, ranges) / sizes.length
        elif not field.sample_shape and sizes.length * field.sample_bytes <= SORTED_BYTES:
            values = self._targets.read(ranges).astype(np.float64)
            self._cuts = np.quantile(values, np.arange(1, TENTHS) / TENTHS)
            self.shares = self._counts(values) / len(values)

    def distance(self, samples: npt.NDArray[np.int64]) -> float | None:
        """Return the total variation distance of the labels of some samples from those of the part."""
        if not len(self.shares):
            return None
        values = self._targets.read(merged(np.sort(samples)))
        return float(np.abs(self._counts(values) / len(values) - self.shares).sum() / 2)

    def _counts(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        numbered = values if self._cuts is None else np.searchsorted(self._cuts, values, "right")
        return np.bincount(numbered.astype(np.int64), minlength=len(self.shares) or TENTHS)


def shuffled_distance(shares: npt.NDArray[np.float64], drawn: int, length: int) -> float:
    """Return the mean total variation distance between the labels of a random draw and those of all.

    It is De Moivre's mean absolute deviation of a binomial count, for each label, corrected for drawing without
    putting back.

    Args:
        shares: float64, (labels,): the share of each label; their sum is 1.
        drawn: Samples drawn.
        length: Samples there are.
    """
    total = 0.0
    for share in shares[(shares > 0) & (shares < 1)]:
        least = math.floor(drawn * share) + 1
        logarithm = (
            math.lgamma(drawn + 1)
            - math.lgamma(least)
            - math.lgamma(drawn - least + 1)
            + least * math.log(share)
            + (drawn - least + 1) * math.log1p(-share)
        )
        total += 2 * math.exp(logarithm) / drawn
    return total / 2 * math.sqrt(max(0, length - drawn) / max(1, length - 1))


def _warning(maker: BatchMaker, found: float | None, expected: float | None) -> str:
    options, sizes = maker.options, maker.sizes
    if not options.shuffle or not sizes.length:
        return ""
    share = sizes.window / sizes.length
    wanted = -(-sizes.length * maker.store.header.sample_bytes // 4)
    advice = (
        f"a window holds {share:.1%} of the part; give window_bytes={wanted} or more, or convert the source again in a "
        "random order"
    )
    if found is not None and expected is not None:
        if found - expected <= LIMIT:
            return ""
        return f"the labels of a batch are far from those of all ({found:.2f}, a true shuffle {expected:.2f}): {advice}"
    if maker.store.header.shuffled or share >= 0.25:
        return ""
    return f"the store is in its source's order, and there are no labels to measure by: {advice}"

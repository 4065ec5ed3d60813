"""The batches to train on, of a store or of loose files: a clock is told when one is ready.

Each gives the k-th request of a pass the k-th batch that is left of the epoch, whatever index it is asked by, and goes
on at any place.
"""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.loader.files import FileSequence
from seekless.loader.pick import numbers, read_ranges
from seekless.loader.scattered import merged
from seekless.loader.sequence import StoreSequence
from seekless.loader.state import State
from seekless.train.waiting import Clock

__all__ = ["TimedFiles", "TimedStore"]


class TimedStore(StoreSequence):
    """A `StoreSequence` that tells a clock when a batch is ready.

    Args:
        clock: The clock.
        *arguments: As for `StoreSequence`.
        **options: As for `StoreSequence`.
    """

    def __init__(self, clock: Clock, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._clock = clock

    def __getitem__(self, index: int) -> Any:
        """Return the next batch."""
        asked = time.perf_counter()
        batch = self._feed.next()
        self._clock.answer(asked)
        return batch

    @property
    def reader(self) -> str:
        """By what blocks are read, and from what disk, in words."""
        return self._maker.reader

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins; a store's go on by themselves."""

    def keys(self, epoch: int, step: int) -> list[tuple[int, str]]:
        """Return the samples of a batch: their numbers in the store and, where it has some, their keys.

        Args:
            epoch: The epoch, from 0.
            step: Its step, from 0.
        """
        order, dealt = self._maker.order(epoch), self._maker.dealt
        first, last = dealt.begin(step), dealt.begin(step + 1)
        found: list[npt.NDArray[np.int64]] = []
        while first < last:
            window = order.window_at(first)
            ranges, rows = order.plan(window)
            begin = order.begin(window)
            stop = min(last, order.begin(window + 1))
            found.append(numbers(ranges)[rows[first - begin : stop - begin]])
            first = stop
        samples = [int(number) for number in np.concatenate(found)] if found else []
        if "key" not in self.store.tables:
            return [(number, "") for number in samples]
        ascending = sorted(samples)
        keys = read_ranges(self.store.reader("key"), merged(np.array(ascending)))
        named = dict(zip(ascending, keys.tolist(), strict=True))
        return [(number, named[number].decode()) for number in samples]


class TimedFiles(FileSequence):
    """A `FileSequence` whose order is one of seed and epoch, and that tells a clock when a batch is ready.

    Args:
        clock: The clock.
        *arguments: As for `FileSequence`.
        seed: Draws the orders.
        shuffle: Give another order each epoch.
        **options: As for `FileSequence`.
    """

    def __init__(self, clock: Clock, *arguments: Any, seed: int = 0, shuffle: bool = True, **options: Any) -> None:
        super().__init__(*arguments, shuffle=False, **options)
        self._clock, self._seed, self._mixed = clock, seed, shuffle
        self._part = self.order
        self._go_to(0, 0)

    def __getitem__(self, index: int) -> Any:
        """Return a batch of what is left of the epoch; see `FileSequence`."""
        asked = time.perf_counter()
        batch = super().__getitem__(index)
        self._clock.answer(asked)
        return batch

    @property
    def samples(self) -> int:
        """Samples in a whole epoch."""
        return len(self._part)

    @property
    def steps(self) -> int:
        """Batches in a whole epoch; `len` is what is left of one after `restore`."""
        return -(-len(self._part) // self.batch_size)

    @property
    def reader(self) -> str:
        """Nothing: advice on loose files is to convert them."""
        return ""

    def state_at(self, epoch: int, steps: int) -> State:
        """Return the state of a place; see `StoreSequence`."""
        return State(self._seed, epoch, steps)

    def restore(self, state: State) -> None:
        """Go on where a state was taken; see `StoreSequence`."""
        self._go_to(state.epoch, state.steps)

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins."""
        if epoch != self._epoch:
            self._go_to(epoch, 0)

    def keys(self, epoch: int, step: int) -> list[tuple[int, str]]:
        """Return the samples of a batch: their numbers by their keys, and these.

        Args:
            epoch: The epoch, from 0.
            step: Its step, from 0.
        """
        chosen = self._order(epoch)[step * self.batch_size : (step + 1) * self.batch_size]
        return [(number, self.source.keys[number]) for number in chosen.tolist()]

    def class_weights(self) -> dict[int, float]:
        """Return weights that make all classes of the part count the same; see `StoreSequence`."""
        targets: Any = self.source.targets
        counts = np.bincount(targets.values[self._part])
        present = np.flatnonzero(counts)
        return {int(number): float(counts.sum() / (len(present) * counts[number])) for number in present}

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _go_to(self, epoch: int, steps: int) -> None:
        self._epoch = epoch
        self.order = self._order(epoch)[steps * self.batch_size :]

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng((self._seed, epoch)).permutation(self._part) if self._mixed else self._part

"""Batches of a store: windows read ahead, samples gathered in the epoch's order, scaled by one division."""

import itertools
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.loader.ahead import Ahead
from seekless.loader.options import BatchOptions
from seekless.loader.order import Order, Sizes, Steps, epoch_order
from seekless.loader.pick import read_ranges
from seekless.loader.scale import one_hot, scaled
from seekless.loader.targets import Targets
from seekless.loader.transform import Batch, Transform, TransformProcesses
from seekless.store.store import Store
from seekless.store.store import open as open_store

__all__ = ["BatchMaker", "batches"]

# On a disk of 120 seeks and 150 MB a second, a read of this size takes six times as long as its seek.
UNIT_BYTES = 6 << 20


@dataclass(frozen=True)
class _Window:
    """The samples of one window in memory, in the order of the file, and the order in which they are used."""

    x: npt.NDArray[Any]
    beside: tuple[npt.NDArray[Any], ...]
    rows: npt.NDArray[np.int64]


class BatchMaker:
    """Makes the batches of a store by epoch and step; holds no open file and no thread between epochs.

    Args:
        store: The store.
        options: How.
        processes: Other processes that run the transform; 0 runs it here.
        threads: Threads that check and decompress blocks; with 1 the one that reads does it.
    """

    def __init__(self, store: Store, options: BatchOptions, processes: int = 0, threads: int = 1) -> None:
        self.store = store
        self.options = options
        x = store.header.fields["x"]
        start, stop = store.part(options.split)
        if options.one_hot and store.header.target_kind != "class":
            raise OptionError(f"one_hot: found targets that are no classes in {store.path}, expected classes")
        self._x = store.reader("x")
        window = max(1, options.window_bytes // x.sample_bytes)
        self.sizes = Sizes.of_part(start, stop, self._x.table.first, window, max(1, UNIT_BYTES // x.sample_bytes))
        rank, ranks = options.shard
        self.dealt = Steps(self.sizes.length, options.batch_size, rank, ranks, options.drop_remainder)
        # Targets, and weights beside them, in the order in which Keras takes them.
        names = [name for name in ("y", "sample_weight") if name in store.tables]
        self._beside = [Targets(store, name, start, stop) for name in names] if "y" in names else []
        self._transform = None if options.transform is None else Transform(options.transform, options.seed, rank)
        self._processes = TransformProcesses(self._transform, processes) if self._transform and processes else None
        self._process_count = processes
        self._thread_count = threads
        self._kept: tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What was read can be read again; a copy for another process should not carry a window of it.
        return {**self.__dict__, "_kept": None}

    @property
    def reader(self) -> str:
        """How blocks are read."""
        return "pread"

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.dealt.steps

    @property
    def stored_arrays(self) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """The shape of a sample and the dtype of each array of a batch of stored values."""
        x, *beside = (self.store.tables[name].field for name in ("x", *(targets.name for targets in self._beside)))
        return [(x.sample_shape, x.dtype), *((y.sample_shape, y.encoding.logical_dtype) for y in beside)]

    @property
    def described(self) -> str:
        """What the batches of an epoch follow from beside the seed, in words."""
        options, sizes = self.options, self.sizes
        return (
            f"shuffle {options.shuffle or 'none'}, batch {options.batch_size}, samples {sizes.start} to {sizes.stop} "
            f"in {len(sizes.edges) - 1} blocks, window {sizes.window}, shard {options.shard[0]} of {options.shard[1]}, "
            f"{'dropping' if options.drop_remainder else 'keeping'} the remainder"
        )

    def with_seed(self, seed: int) -> "BatchMaker":
        """Return one that differs by its seed alone."""
        return BatchMaker(self.store, replace(self.options, seed=seed), self._process_count, self._thread_count)

    def order(self, epoch: int) -> Order:
        """Return the order of an epoch."""
        return epoch_order(self.sizes, self.options.shuffle or False, self.options.seed, epoch, self.dealt)

    def unfinished(self) -> "BatchMaker":
        """Return one that makes the same batches of stored values: not scaled, not one-hot, not transformed."""
        options = replace(self.options, dtype=None, one_hot=False, transform=None)
        return BatchMaker(self.store, options, threads=self._thread_count)

    def in_one_process(self) -> "BatchMaker":
        """Return one that makes the same batches and begins no other process."""
        if self._processes is None:
            return self
        return BatchMaker(self.store, self.options, threads=self._thread_count)

    def epoch(self, epoch: int = 0, first_step: int = 0, last_step: int | None = None) -> Iterator[Batch]:
        """Yield the batches of an epoch from a step on; the next window is read while the current one is used.

        Args:
            epoch: The epoch; (seed, epoch, step) name a batch.
            first_step: The step to begin at.
            last_step: The step to end before; None for the end of the epoch.

        Yields:
            (x,), (x, y) or (x, y, sample_weight), as the store has them: x (batch, *sample_shape); y (batch, ...);
            sample_weight (batch,). New arrays each time.
        """
        with closing(self._untransformed(epoch, first_step, last_step)) as batches:
            if self._processes is not None:
                yield from self._processes.map(batches, epoch, first_step)
            elif self._transform is not None:
                for step, batch in enumerate(batches, first_step):
                    yield self._transform(batch, epoch, step)
            else:
                yield from batches

    def slabs(self, epoch: int, first_step: int, together: int) -> Generator[tuple[Batch, int], None, None]:
        """Yield the rest of an epoch in slabs of several batches each.

        Args:
            epoch: The epoch.
            first_step: The step to begin at.
            together: Full batches in a slab; batches of other sizes come alone.

        Yields:
            The arrays of `epoch`, of several batches one behind the other; and the samples in each of these batches.
        """
        full = max(first_step, self.dealt.full)
        steps = (*range(first_step, full, together), *range(full, self.steps), self.steps)
        with closing(self._gathered(epoch, steps)) as slabs:
            for step, slab in zip(steps, slabs, strict=False):
                yield slab, self.dealt.begin(step + 1) - self.dealt.begin(step)

    def _untransformed(self, epoch: int, first_step: int, last_step: int | None) -> Generator[Batch, None, None]:
        last = self.steps if last_step is None else last_step
        with closing(self._gathered(epoch, range(first_step, last + 1))) as batches:
            yield from map(self._finished, batches)

    def _gathered(self, epoch: int, steps: Sequence[int]) -> Generator[Batch, None, None]:
        """Yield the samples between each two of some steps; no window is read behind the last of them."""
        if len(steps) < 2:
            return
        order, begin = self.order(epoch), self.dealt.begin
        first = begin(steps[0])
        number, last = order.window_at(first), order.window_at(begin(steps[-1]) - 1)
        with closing(Ahead(self._load(order, w) for w in range(number, last + 1))) as windows:
            window = next(windows)
            used = first - order.begin(number)
            for step, end in itertools.pairwise(steps):
                wanted = begin(end) - begin(step)
                batch = self._empty(wanted, window)
                done = 0
                while done < wanted:
                    if used == len(window.rows):
                        del window  # before the next but one is read, so that two windows are in memory at most
                        window, used = next(windows), 0
                    count = min(wanted - done, len(window.rows) - used)
                    self._gather(window, slice(used, used + count), batch, done)
                    done, used = done + count, used + count
                yield batch

    def _decoding(self) -> AbstractContextManager[Executor | None]:
        """Return the threads that check and decompress the blocks of a window; they end with it."""
        if self._thread_count < 2:
            return nullcontext()
        return ThreadPoolExecutor(self._thread_count, "seekless-read-decode")

    def _empty(self, count: int, window: _Window) -> Batch:
        dtype = window.x.dtype if self.options.dtype is None else np.dtype(self.options.dtype)
        x = np.empty((count, *window.x.shape[1:]), dtype)
        return x, *(np.empty((count, *values.shape[1:]), values.dtype) for values in window.beside)

    def _gather(self, window: _Window, used: slice, batch: Batch, done: int) -> None:
        rows = window.rows[used]
        x, *beside = (array[done : done + len(rows)] for array in batch)
        field = self.store.header.fields["x"]
        divisor = field.encoding.divisor * field.scale
        # "clip" gathers straight into the output; the default would gather into a copy first.
        if self.options.dtype is None:
            window.x.take(rows, axis=0, out=x, mode="clip")
        elif divisor == 1:
            x[...] = window.x.take(rows, axis=0, mode="clip")
        elif x.dtype.itemsize >= 4:
            np.divide(window.x.take(rows, axis=0, mode="clip"), divisor, out=x, dtype=x.dtype)
        else:  # float16 of a float32 is rounded twice; files give float16 of the value itself
            x[...] = scaled(field.encoding.decode(window.x.take(rows, axis=0, mode="clip")), field.scale, x.dtype)
        for values, kept in zip(beside, window.beside, strict=True):
            values[...] = kept[rows]

    def _finished(self, batch: Batch) -> Batch:
        if not self.options.one_hot:
            return batch
        x, y, *weight = batch
        return (x, one_hot(y, self.store.header.class_count), *weight)

    def _load(self, order: Order, window: int) -> _Window:
        ranges, rows = order.plan(window)
        if self._kept is None:
            with self._decoding() as pool:
                x = read_ranges(self._x, ranges, pool)
            beside = tuple(targets.read(ranges) for targets in self._beside)
            if len(x) == self.sizes.length:  # the same samples each epoch: read them once
                self._kept = x, beside
        else:
            x, beside = self._kept
        return _Window(x, beside, rows)


def batches(
    store: Store | str | PathLike[str],
    batch_size: int = 32,
    *,
    epoch: int = 0,
    **options: Any,
) -> Iterator[Batch]:
    """Yield the batches of one epoch as NumPy arrays; needs no Keras.

    Args:
        store: An open store or its path.
        batch_size: Samples in a batch; the last may be shorter.
        epoch: The epoch; another epoch has another order.
        **options: The fields of `seekless.loader.options.BatchOptions`: split, shuffle, seed, window_bytes, one_hot,
            dtype, shard, drop_remainder, transform.

    Yields:
        (x, y), or (x,) for a store without targets; (x, y, sample_weight) for one that holds weights. x: float32,
        (batch, *sample_shape), pictures as 0 to 1; y: int64, (batch,) for classes.

    Raises:
        OptionError: An option has a value that cannot be used.
        StoreError: The store is damaged.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    try:
        checked = BatchOptions(batch_size, **options)
    except TypeError as error:
        raise OptionError(f"batches: {error}") from None
    yield from BatchMaker(opened, checked).epoch(epoch)

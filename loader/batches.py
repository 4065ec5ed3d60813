"""Batches of a store: windows read ahead, samples gathered in the epoch's order, scaled by one division."""

import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from seekless.errors import OptionError
from seekless.loader.ahead import Ahead
from seekless.loader.arrival import Arrival
from seekless.loader.cursor import Cursor
from seekless.loader.gather import DIRECT_BYTES, Scaling
from seekless.loader.options import BatchOptions
from seekless.loader.order import Order, Sizes, Steps
from seekless.loader.orders import Orders
from seekless.loader.others import OtherInput
from seekless.loader.reading import Reading
from seekless.loader.scale import one_hot
from seekless.loader.slabs import slab_steps
from seekless.loader.targets import Targets
from seekless.loader.transform import Batch, Transform, TransformProcesses
from seekless.loader.windows import Plan, Window, Windows
from seekless.store.blocks import BlockReader
from seekless.store.buffers import Buffers
from seekless.store.inputs import as_x
from seekless.store.store import Store
from seekless.store.store import open as open_store

__all__ = ["BatchMaker", "batches"]

# Stored. On a disk of 120 seeks and 150 MB a second, a read of this size takes six times as long as its seek.
UNIT_BYTES = 6 << 20
# The first window of an epoch is this many times smaller, so that the first batch is there soon: 32 MiB by default.
FIRST_SHARE = 8
# Small samples are gathered ahead in slabs of this size, by another thread than the one that scales them.
SLAB_BYTES = 4 << 20
# One is used, two wait and one is filled.
SLABS = 4


class BatchMaker:
    """Makes the batches of a store by epoch and step; holds no open file and no thread between epochs.

    Args:
        store: The store.
        options: How.
        processes: Other processes that run the transform; 0 runs it here.
        threads: Threads that check and decompress blocks; two at the least.
    """

    def __init__(self, store: Store, options: BatchOptions, processes: int = 0, threads: int = 1) -> None:
        self.store = store
        self.options = options
        header = store.header
        # The largest input is read with all care; the others come beside it, by the same order.
        *others, largest = sorted(header.inputs, key=lambda name: header.fields[name].sample_bytes)
        x = header.fields[largest]
        ranges = store.ranges(options.split)
        if options.one_hot and store.header.target_kind != "class":
            raise OptionError(f"one_hot: found targets that are no classes in {store.path}, expected classes")
        table, length = store.tables[largest], sum(stop - start for start, stop in ranges)
        # "batch" and "full" read a store again for each window, and may find much of it in the page cache.
        once = options.shuffle in ("window", False)
        epoch_bytes = table.stored_bytes * length // max(1, len(store)) if once else 0
        self._reading = Reading(options.reader, table.paths, epoch_bytes)
        self._x = BlockReader(table, verify=options.verify, direct=self._reading.direct)
        self._others = [OtherInput(BlockReader(store.tables[n], verify=options.verify), options.dtype) for n in others]
        window = max(1, options.window_bytes // header.sample_bytes)
        # Each input of a unit costs a seek of its own.
        unit = max(1, round(UNIT_BYTES * self._x.table.ratio * len(header.inputs)) // header.sample_bytes)
        # Where the store lies sorted, or whole groups together, a small window would mix too few places of it.
        first = window // FIRST_SHARE if store.header.shuffled and not store.header.parts else 0
        self.sizes = Sizes.of_part(ranges, self._x.table.first, window, unit, first)
        rank, ranks = options.shard
        self.dealt = Steps(self.sizes.length, options.batch_size, rank, ranks, options.drop_remainder)
        # Targets, and weights beside them, in the order in which Keras takes them.
        names = [name for name in ("y", "sample_weight") if name in store.tables]
        self._beside = [Targets(store, name, self.sizes.line) for name in names] if "y" in names else []
        self._transform = None if options.transform is None else Transform(options.transform, options.seed, rank)
        self._processes = TransformProcesses(self._transform, processes) if self._transform and processes else None
        self._process_count = processes
        self._thread_count = threads
        self._windows = Windows(
            self._x,
            [*self._others, *self._beside],
            self.sizes,
            options.window_bytes * x.sample_bytes // header.sample_bytes,
            options.cache_bytes,
            threads=max(1, threads),
        )
        self._scaling = None if options.dtype is None else Scaling(x, options.dtype)
        self._orders = Orders(self.sizes, options.shuffle or False, options.seed, self.dealt)
        self._forget_memory()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_slab_memory": None, "_batch_memory": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_memory()

    @property
    def reader(self) -> str:
        """How blocks are read, and why, in words."""
        return str(self._reading)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.dealt.steps

    @property
    def stored_arrays(self) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        """The shape of a sample and the dtype of each array of a batch of stored values."""
        fields = self.store.header.fields
        inputs = [(fields[name].sample_shape, fields[name].dtype) for name in self.store.header.inputs]
        beside = [self.store.tables[targets.name].field for targets in self._beside]
        return [*inputs, *((y.sample_shape, y.encoding.logical_dtype) for y in beside)]

    @property
    def described(self) -> str:
        """What the batches of an epoch follow from beside the seed, in words."""
        options, sizes = self.options, self.sizes
        kinds: dict[bool | str, str] = {True: "dropping", False: "keeping", "uneven": "dropping what is uneven of"}
        remainder = f"{kinds[options.drop_remainder]} the remainder"
        # The rank is left out, so that a state that one rank saved is good for all.
        return (
            f"shuffle {options.shuffle or 'none'}, batch {options.batch_size}, samples {sizes.line} "
            f"in {len(sizes.edges) - 1} blocks, window {sizes.window} after {sizes.first}, {options.shard[1]} ranks, "
            f"{remainder}"
        )

    def with_seed(self, seed: int) -> "BatchMaker":
        """Return one that differs by its seed alone."""
        return BatchMaker(self.store, replace(self.options, seed=seed), self._process_count, self._thread_count)

    def order(self, epoch: int) -> Order:
        """Return the order of an epoch."""
        return self._orders.of(epoch)

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
            (x,), (x, y) or (x, y, sample_weight), as the store has them: x (batch, *sample_shape), or a dictionary of
            several inputs by name; y (batch, ...); sample_weight (batch,). The memory of a batch is used again when
            nobody holds it any more, not before.
        """
        last_step = self.steps if last_step is None else last_step
        if first_step >= last_step:
            return
        with closing(self._untransformed(epoch, first_step, last_step)) as batches:
            if self._processes is not None:
                yield from self._processes.map(batches, epoch, first_step)
            elif self._transform is not None:
                for step, batch in enumerate(batches, first_step):
                    yield self._transform(batch, epoch, step)
            else:
                yield from batches

    @property
    def kept_bytes(self) -> int:
        """Bytes of decoded blocks that are kept in memory over the epochs."""
        return self._windows.kept_bytes

    def forget(self) -> None:
        """Free the blocks, and the memory for batches, that are kept over the epochs."""
        self._windows.forget()
        self._forget_memory()

    def _forget_memory(self) -> None:
        self._slab_memory = Buffers(SLABS, SLAB_BYTES)
        values = min(self.options.batch_size, self.sizes.length) * math.prod(self._x.table.field.sample_shape)
        self._batch_memory = Buffers(2, values * np.dtype(self.options.dtype or "u1").itemsize)

    def slabs(self, epoch: int, first_step: int, together: int) -> Generator[tuple[Batch, int], None, None]:
        """Yield the rest of an epoch in slabs of several batches each.

        Args:
            epoch: The epoch.
            first_step: The step to begin at.
            together: Full batches in a slab; batches of other sizes come alone.

        Yields:
            The stored inputs in the order of their names, then the other arrays of `epoch`, of several batches one
            behind the other; and the samples in each of these batches.
        """
        read = [self._x.table.field.name, *(other.name for other in self._others)]
        places = [*(read.index(name) for name in self.store.header.inputs), *range(len(read), len(self.stored_arrays))]
        full = max(first_step, self.dealt.full)
        steps = (*range(first_step, full, together), *range(full, self.steps), self.steps)
        with closing(self._gathered(epoch, steps)) as slabs:
            for step, slab in zip(steps, slabs, strict=False):
                yield tuple(slab[place] for place in places), self.dealt.begin(step + 1) - self.dealt.begin(step)

    def _untransformed(self, epoch: int, first_step: int, last_step: int) -> Generator[Batch, None, None]:
        sample_bytes = self._x.table.field.sample_bytes
        if self._scaling is not None and sample_bytes >= DIRECT_BYTES:
            with closing(self._gathered(epoch, range(first_step, last_step + 1), self._scaling)) as batches:
                yield from map(self._finished, batches)
            return
        together = max(1, SLAB_BYTES // max(1, sample_bytes * self.options.batch_size))
        steps = list(slab_steps(self.order(epoch), self.dealt, first_step, last_step, together))
        begin = self.dealt.begin
        with closing(Ahead(self._gathered(epoch, steps), depth=2)) as slabs:
            for (first, last), slab in zip(itertools.pairwise(steps), slabs, strict=True):
                edges = [begin(step) - begin(first) for step in range(first, last + 1)]
                for rows in itertools.starmap(slice, itertools.pairwise(edges)):
                    yield self._finished(self._scaled(slab, rows))

    def _gathered(
        self, epoch: int, steps: Sequence[int], scaling: Scaling | None = None
    ) -> Generator[Batch, None, None]:
        """Yield the samples between each two of some steps, in the order of the epoch.

        Args:
            epoch: The epoch.
            steps: Ascending; no window is read behind the last of them.
            scaling: How x is scaled; None for stored values.
        """
        if len(steps) < 2:
            return
        order, begin = self.order(epoch), self.dealt.begin
        windows = range(order.window_at(begin(steps[0])), order.window_at(begin(steps[-1]) - 1) + 1)
        arrival = Arrival()
        with closing(Ahead(self._load(order, epoch, windows, arrival))) as loaded:
            memory = self._slab_memory if scaling is None else self._batch_memory
            used = begin(steps[0]) - order.begin(windows[0])
            cursor = Cursor(loaded, windows, used, arrival, memory, scaling)
            for step, end in itertools.pairwise(steps):
                yield cursor.take(begin(end) - begin(step))

    def _load(self, order: Order, epoch: int, windows: range, arrival: Arrival) -> Iterator[Window]:
        memory = self._windows.begin()
        try:
            for number in windows:
                arrival.begin(number, order.begin(number + 1) - order.begin(number))
                yield self._load_one(self._orders.plan(order, epoch, number), memory, arrival)
        finally:
            arrival.end()
        if windows.stop == order.windows:
            self._orders.foresee(epoch + 1)

    def _load_one(self, plan: Plan, memory: Buffers, arrival: Arrival) -> Window:
        window = self._windows.load(plan, memory, arrival.add)
        arrival.whole()
        return window

    def _scaled(self, slab: Batch, rows: slice) -> Batch:
        """Return some rows of stored values as a batch."""
        stored, *beside = (values[rows] for values in slab)
        if self._scaling is None:
            return stored, *beside
        x = self._batch_memory.empty(stored.shape, self._scaling.dtype)
        self._scaling.scale(stored, x)
        return x, *beside

    def _finished(self, batch: Batch) -> Batch:
        x, *beside = batch
        name = self._x.table.field.name
        if name != "x":
            inputs = {name: x}
            for other in self._others:
                inputs[other.name] = other.scaled(beside.pop(0))
            x = as_x(dict(sorted(inputs.items())))
        if self.options.one_hot:
            beside[0] = one_hot(beside[0], self.store.header.class_count)
        return (x, *beside)


def batches(
    store: Store | str | PathLike[str],
    batch_size: int = 32,
    *,
    epoch: int = 0,
    **options: Any,
) -> Iterator[Batch]:
    """Yield the batches of one epoch as NumPy arrays; needs no Keras.

    Args:
        store: An open store, its path, or a URL of it.
        batch_size: Samples in a batch; the last may be shorter.
        epoch: The epoch; another epoch has another order.
        **options: The fields of `seekless.loader.options.BatchOptions`: split, shuffle, seed, window_bytes, one_hot,
            dtype, shard, drop_remainder, transform, reader, verify, cache_bytes.

    Yields:
        (x, y), or (x,) for a store without targets; (x, y, sample_weight) for one that holds weights. x: float32,
        (batch, *sample_shape), pictures as 0 to 1, or a dictionary of several inputs by name; y: int64, (batch,) for
        classes, numbers of the dtype that the source had.

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

"""Batches of a store: windows read ahead, samples gathered in the epoch's order, scaled by one division."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.loader.ahead import Ahead
from seekless.loader.order import EpochOrder, Sizes, epoch_order
from seekless.loader.scale import one_hot, scaled
from seekless.store.store import Split, Store
from seekless.store.store import open as open_store

__all__ = ["WINDOW_BYTES", "Batch", "BatchMaker", "BatchOptions", "batches"]

Batch = tuple[npt.NDArray[Any], ...]

# A constant, not a share of free memory: the order must not depend on the machine.
WINDOW_BYTES = 256 << 20
# On a disk of 120 seeks and 150 MB a second, a read of this size takes six times as long as its seek.
UNIT_BYTES = 6 << 20
# Targets of a part are kept in memory up to this size; larger ones are read window by window.
KEPT_TARGET_BYTES = 64 << 20


def is_float(dtype: str) -> bool:
    """Return whether a text names a float dtype."""
    try:
        return np.dtype(dtype).kind == "f"
    except TypeError:
        return False


@dataclass(frozen=True)
class BatchOptions:
    """How batches are made.

    Attributes:
        batch_size: Samples in a batch; the last of an epoch may be shorter.
        split: "train", "test", a pair of fractions, or None for the whole store.
        shuffle: "window" or False; None for "window", but False where split is "test".
        seed: Draws the order.
        window_bytes: Decoded bytes of x that are mixed at one time.
        one_hot: Give class targets as float32 rows with a single 1.
        dtype: The dtype of x, scaled by one division (pictures come as 0 to 1); None for stored values as they are.
    """

    batch_size: int = 32
    split: Split = None
    shuffle: str | bool | None = None
    seed: int = 0
    window_bytes: int = WINDOW_BYTES
    one_hot: bool = False
    dtype: str | None = "float32"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch_size: found {self.batch_size}, expected 1 or more")
        if self.window_bytes < 1:
            raise OptionError(f"window_bytes: found {self.window_bytes}, expected 1 or more")
        if self.shuffle is None:
            object.__setattr__(self, "shuffle", False if self.split == "test" else "window")
        if self.shuffle not in ("window", False):
            raise OptionError(f"shuffle: found {self.shuffle!r}, expected 'window' or False")
        if not (self.dtype is None or is_float(self.dtype)):
            raise OptionError(f"dtype: found {self.dtype!r}, expected a float dtype, or None for the stored values")


@dataclass(frozen=True)
class _Window:
    """The samples of one window in memory, in the order of the file, and the order in which they are used."""

    x: npt.NDArray[Any]
    y: npt.NDArray[Any] | None
    rows: npt.NDArray[np.int64]


class BatchMaker:
    """Makes the batches of a store by epoch and step; holds no open file and no thread between epochs.

    Args:
        store: The store.
        options: How.
    """

    def __init__(self, store: Store, options: BatchOptions) -> None:
        self.store = store
        self.options = options
        x = store.header.fields["x"]
        start, stop = store.part(options.split)
        if options.one_hot and store.header.target_kind != "class":
            raise OptionError(f"one_hot: found targets that are no classes in {store.path}, expected classes")
        self.sizes = Sizes(
            start,
            stop,
            x.block_length,
            window=max(1, options.window_bytes // x.sample_bytes),
            unit=max(1, UNIT_BYTES // x.sample_bytes),
        )
        self._x = store.reader("x")
        self._y = store.reader("y") if "y" in store.fields else None
        self._targets: npt.NDArray[Any] | None = None
        self._kept: tuple[npt.NDArray[Any], npt.NDArray[Any] | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What was read can be read again; a copy for another process should not carry a window of it.
        return {**self.__dict__, "_targets": None, "_kept": None}

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.sizes.length // self.options.batch_size)

    def order(self, epoch: int) -> EpochOrder:
        """Return the order of an epoch."""
        return epoch_order(self.sizes, self.options.shuffle or False, self.options.seed, epoch)

    def epoch(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from a step on; the next window is read while the current one is used.

        Args:
            epoch: The epoch; (seed, epoch, step) name a batch.
            first_step: The step to begin at.

        Yields:
            (x, y), or (x,) for a store without targets: x (batch, *sample_shape); y (batch, ...). New arrays each time.
        """
        order, size = self.order(epoch), self.options.batch_size
        first = first_step * size
        if first >= self.sizes.length:
            return
        number = order.window_at(first)
        with closing(Ahead(self._load(order, w) for w in range(number, order.windows))) as windows:
            window = next(windows)
            used = first - int(order.edges[number])
            for start in range(first, self.sizes.length, size):
                wanted = min(size, self.sizes.length - start)
                x, y = self._empty(wanted, window)
                done = 0
                while done < wanted:
                    if used == len(window.rows):
                        del window  # before the next but one is read, so that two windows are in memory at most
                        window, used = next(windows), 0
                    count = min(wanted - done, len(window.rows) - used)
                    self._gather(window, slice(used, used + count), x[done : done + count], y, done)
                    done, used = done + count, used + count
                yield (x,) if y is None else (x, self._target(y))

    def _empty(self, count: int, window: _Window) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
        dtype = window.x.dtype if self.options.dtype is None else np.dtype(self.options.dtype)
        x = np.empty((count, *window.x.shape[1:]), dtype)
        return x, None if window.y is None else np.empty((count, *window.y.shape[1:]), window.y.dtype)

    def _gather(self, window: _Window, used: slice, x: npt.NDArray[Any], y: npt.NDArray[Any] | None, done: int) -> None:
        rows = window.rows[used]
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
        if y is not None and window.y is not None:
            y[done : done + len(rows)] = window.y[rows]

    def _target(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not self.options.one_hot:
            return y
        return one_hot(y, self.store.header.class_count)

    def _load(self, order: EpochOrder, window: int) -> _Window:
        if self._kept is None:
            ranges = order.ranges(window)
            x, y = self._x.read(ranges), self._read_targets(ranges)
            if order.windows == 1:  # the same samples each epoch: read them once
                self._kept = x, y
        else:
            x, y = self._kept
        return _Window(x, y, order.permutation(window))

    def _read_targets(self, ranges: list[tuple[int, int]]) -> npt.NDArray[Any] | None:
        if self._y is None:
            return None
        sizes, field = self.sizes, self._y.table.field
        if sizes.length * field.sample_bytes > KEPT_TARGET_BYTES:
            return self._y.read(ranges)
        if self._targets is None:
            self._targets = self._y.read([(sizes.start, sizes.stop)])
        return np.concatenate([self._targets[start - sizes.start : stop - sizes.start] for start, stop in ranges])


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
        **options: The fields of `seekless.loader.batches.BatchOptions`: split, shuffle, seed, window_bytes, one_hot,
            dtype.

    Yields:
        (x, y), or (x,) for a store without targets. x: float32, (batch, *sample_shape), pictures as 0 to 1; y: int64,
        (batch,) for classes.

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

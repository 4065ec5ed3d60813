"""A store as a Keras dataset."""

import os
import threading
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import keras

from seekless.loader.batches import BatchMaker
from seekless.loader.options import WINDOW_BYTES, BatchOptions
from seekless.loader.targets import class_weights
from seekless.loader.transform import Batch
from seekless.store.store import Split, Store
from seekless.store.store import open as open_store

__all__ = ["StoreSequence"]

# Keras reads this many batches at most to learn their shapes before it trains, and throws them away.
LOOK_AHEAD = 2


class StoreSequence(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches of a store for `fit`, `evaluate` and `predict`.

    When shuffled, the index that Keras asks for is not a position in the data: the k-th request of a pass gets the k-th
    batch of the epoch's own order, which reads the disk in long runs, whatever order Keras asks in. (Its default,
    `fit(shuffle=True)`, permutes indices.) Every sample comes once an epoch; the same seed gives the same batches; a
    second `fit` goes on with the next epoch. When not shuffled, index i is batch i.

    Args:
        store: An open store or its path.
        batch_size: Samples in a batch; the last of an epoch may be shorter.
        split: "train" or "test" as the conversion recorded them, a pair of fractions such as (0.0, 0.9), or None for
            the whole store.
        shuffle: "window" mixes samples inside windows of randomly chosen blocks; False gives the store's order. None is
            "window", but False where split is "test".
        seed: Draws the order.
        window_bytes: Decoded bytes of x that are mixed at one time; two windows are in memory.
        one_hot: Give class targets as float32 rows with a single 1.
        dtype: The dtype of x, scaled by one division so that pictures come as 0 to 1; None for stored values.

    Raises:
        StoreNotFoundError: There is no store at the path.
        OptionError: An option has a value that cannot be used.

    Example:
        >>> train = seekless.StoreSequence("data.h5", 64, split=(0.0, 0.9))  # doctest: +SKIP
        >>> model.fit(train, epochs=5)  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 (the options stand in the signature)
        self,
        store: Store | str | PathLike[str],
        batch_size: int = 32,
        *,
        split: Split = None,
        shuffle: str | bool | None = None,
        seed: int = 0,
        window_bytes: int = WINDOW_BYTES,
        one_hot: bool = False,
        dtype: str | None = "float32",
        shard: tuple[int, int] = (0, 1),
        drop_remainder: bool = False,
        transform: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.store = store if isinstance(store, Store) else open_store(store)
        options = BatchOptions(
            batch_size, split, shuffle, seed, window_bytes, one_hot, dtype, shard, drop_remainder, transform
        )
        self._maker = BatchMaker(self.store, options)
        self._epoch = 0  # of the pass that is under way
        self._requests = 0  # answered in this pass
        self._new_pass = False  # Keras has asked how many batches a pass has
        self._stream: Iterator[Batch] | None = None
        self._stream_at = (0, 0)  # epoch and step of the batch that the stream gives next
        self.error: BaseException | None = None  # of the last request; TensorFlow passes on no more than its text
        self._announced = False  # Keras has announced an epoch, and asked for nothing since
        self._trained = False  # the pass under way began in an announced epoch
        self._begin_process()

    def __len__(self) -> int:
        return self._maker.steps

    @property
    def num_batches(self) -> int:
        """Batches in an epoch. Keras reads this when it begins a pass over the data."""
        self._new_pass = True
        return self._maker.steps

    @property
    def samples(self) -> int:
        """Samples of this rank in an epoch."""
        return self._maker.dealt.samples

    def class_weights(self) -> dict[int, float]:
        """Return weights for `fit(class_weight=...)` that make all classes of the part count the same.

        It reads targets alone: samples / (classes * samples of the class), for each class that has samples.

        Raises:
            OptionError: Targets are no classes.
        """
        return class_weights(self.store, self._maker.sizes.start, self._maker.sizes.stop)

    def __getitem__(self, index: int) -> Any:
        """Return a batch: the next of the epoch's order if shuffled, else batch `index`.

        Args:
            index: 0 to len(self) - 1.

        Returns:
            (x, y), or x alone for a store without targets. x: (batch, *sample_shape), float32 unless `dtype` says
            otherwise; y: int64 (batch,) for classes, float32 (batch, classes) if `one_hot`.

        Raises:
            IndexError: The index is no batch's.
            StoreError: The store is damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"found batch {index}, expected 0 to {len(self) - 1}")
        if self._process != os.getpid():
            self._begin_process()
        with self._lock:
            batch = self._batch(*(self._next_place() if self._maker.options.shuffle else (0, index)))
        return batch if len(batch) == 2 else batch[0]

    def on_epoch_begin(self) -> None:
        """Note that Keras announces an epoch."""
        # Its look-ahead, which comes before, reads an epoch of one or two batches whole.
        if self._requests == len(self) <= LOOK_AHEAD and not self._trained:
            self._requests = 0
        self._announced = True

    def on_epoch_end(self) -> None:
        """Note that the epoch is over."""
        self._announced = False

    def _next_place(self) -> tuple[int, int]:
        """Return epoch and step of the next request, and count it.

        Keras' own signs of an epoch mislead (`on_epoch_end` comes before the first epoch, look-aheads are not
        announced), so a pass begins where Keras reads `num_batches`. One that was cut after its first two batches,
        outside of an epoch, was a look-ahead and begins again; any other cut pass is over.
        """
        steps = len(self)
        # TensorFlow's look-ahead comes before an epoch is announced; that of the others after.
        trained = self._trained and keras.backend.backend() == "tensorflow"
        if self._requests == steps or (self._new_pass and (self._requests > LOOK_AHEAD or trained)):
            self._epoch, self._requests = self._epoch + 1, 0
        elif self._new_pass:
            self._requests = 0
        if self._requests == 0:
            self._trained = self._announced
        self._new_pass = self._announced = False
        self._requests += 1
        return self._epoch, self._requests - 1

    def _batch(self, epoch: int, step: int) -> Batch:
        if self._stream is None or self._stream_at != (epoch, step):
            self._stream = self._maker.epoch(epoch, step)
        try:
            batch = next(self._stream)
        except BaseException as error:
            self._stream, self.error = None, error
            raise
        self.error = None
        self._stream_at = (epoch, step + 1)
        if step + 1 == len(self):
            # Ends its thread and frees its window now: TensorFlow keeps every dataset it was given for good.
            self._stream = None
        return batch

    def __getstate__(self) -> dict[str, Any]:
        # A thread that reads ahead and a lock cannot be pickled; a copy opens its own.
        return {**self.__dict__, "_stream": None, "_lock": None, "error": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_process()

    def _begin_process(self) -> None:
        """Begin in a new process, also a fork: the thread that reads ahead did not come along."""
        self._stream = None
        self._lock = threading.Lock()
        self._process = os.getpid()

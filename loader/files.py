"""Loose files as a Keras dataset: every batch opens its files, the slow way that a store replaces."""

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, SourceError
from seekless.loader.options import is_float
from seekless.loader.scale import one_hot, scaled
from seekless.source.open import SourceOptions, open_files, open_source
from seekless.source.permutation import random_positions
from seekless.source.place import place_of
from seekless.source.samples import FileSource
from seekless.source.table import TableSource

__all__ = ["FileSequence"]

# The default of `convert --seed`.
STORE_SEED = 0


class FileSequence(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches straight from small files, by the same decoders that a conversion uses.

    It is what to beat, what to use before converting, and the reference in tests: a store's batches equal its batches.

    Args:
        source: A folder as `convert` takes it, an open source, or a list of paths.
        targets: The target of each path of a list, any array of as many rows; only with a list.
        batch_size: Samples in a batch; the last of an epoch may be shorter.
        split: A pair of fractions, such as (0.0, 0.9), of the source in the random order that `convert --seed 0` gives
            a store of it, so that both hold out the same samples; None for all samples, in the order of their keys.
        shuffle: Draw a new order of samples at the end of each epoch.
        seed: Draws the orders.
        one_hot: Give class targets as float32 rows with a single 1.
        dtype: The dtype of x, scaled by one division so that pictures come as 0 to 1; None for decoded values.
        workers: Threads, or processes, of Keras that read batches side by side.
        use_multiprocessing: Processes instead of threads.
        max_queue_size: Batches that Keras keeps ready where there are several workers.
        **options: The fields of `seekless.source.open.SourceOptions`: labels, size, channels, delimiter and so on.

    Raises:
        SourceError: The files are missing or do not match their targets.
        OptionError: An option has a value that cannot be used.

    Example:
        >>> FileSequence("photos", 64, size=(256, 256), channels=3, one_hot=True)  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 (what Keras' own datasets take, and ours)
        self,
        source: FileSource | str | PathLike[str] | Sequence[str | PathLike[str]],
        batch_size: int = 32,
        *,
        targets: npt.ArrayLike | None = None,
        split: tuple[float, float] | None = None,
        shuffle: bool = True,
        seed: int = 0,
        one_hot: bool = False,
        dtype: str | None = "float32",
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(workers, use_multiprocessing, max_queue_size)
        if batch_size < 1:
            raise OptionError(f"batch_size: found {batch_size}, expected 1 or more")
        if not (dtype is None or is_float(dtype)):
            raise OptionError(f"dtype: found {dtype!r}, expected a float dtype, or None for the decoded values")
        self.error: SourceError | None = None  # the last one; TensorFlow passes on no more than its text
        self.source = _opened(source, targets, options)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.one_hot = one_hot
        self.dtype = dtype
        if one_hot and (self.source.targets is None or self.source.targets.kind != "class"):
            raise OptionError(f"one_hot: found targets that are no classes in {self.source.root}, expected classes")
        self.order = np.arange(len(self.source)) if split is None else _part(self.source, split)
        self._random = np.random.default_rng(seed)
        if shuffle:
            self.order = self._random.permutation(self.order)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    @property
    def samples(self) -> int:
        """Samples in an epoch."""
        return len(self.order)

    def __getitem__(self, index: int) -> Any:
        """Read one batch.

        Args:
            index: 0 to len(self) - 1.

        Returns:
            (x, y), or x alone for a source without targets. x: (batch, *sample_shape), float32 unless `dtype` says
            otherwise; y: int64 (batch,) for classes, float32 (batch, classes) if `one_hot`.

        Raises:
            IndexError: The index is no batch's.
            SourceError: A file cannot be read, is no sample, or has another shape than the others of the batch.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"found batch {index}, expected 0 to {len(self) - 1}")
        try:
            return self._batch(index)
        except SourceError as error:
            self.error = error
            raise

    def _batch(self, index: int) -> Any:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        samples = self.source.read_many(chosen.tolist())
        x = samples if self.dtype is None else scaled(samples, self.source.scale_for(samples.dtype), self.dtype)
        targets = self.source.targets
        if targets is None:
            return x
        y = targets.values[chosen]
        if self.one_hot:
            return x, one_hot(y, targets.class_count)
        return x, y

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self.shuffle:
            self.order = self._random.permutation(self.order)


def _part(source: FileSource, split: tuple[float, float]) -> npt.NDArray[np.int64]:
    begin, end = split
    if not 0 <= begin <= end <= 1:
        raise OptionError(f"split: found {split!r}, expected two fractions such as (0.0, 0.9)")
    order = np.argsort(random_positions(source.keys, STORE_SEED))
    return order[round(len(order) * begin) : round(len(order) * end)]


def _opened(source: Any, targets: npt.ArrayLike | None, options: dict[str, Any]) -> FileSource:
    if isinstance(source, FileSource):
        return source
    try:
        checked = SourceOptions(**options)
    except TypeError as error:
        raise OptionError(f"FileSequence: {error}") from None
    if isinstance(source, str | PathLike):
        if targets is not None:
            raise OptionError("targets: found together with a folder, expected them with a list of paths")
        opened = open_source(place_of(source), checked)
        if isinstance(opened, TableSource):
            raise OptionError("rows: found a table, expected a folder of files; convert the table to a store")
        return opened
    return open_files([Path(path) for path in source], targets, checked)

"""Loose files: the ordinary PyDataset of the articles, and all of them read into memory."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rivals.way import Source, Way, as_floats

__all__ = ["Directory", "Files", "Memory"]


class Files(Way):
    """A PyDataset whose every batch reads its files by np.loadtxt or Pillow."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def load(self) -> None:
        from rivals.fitting import fit

        _ = fit, __import__("PIL.Image")

    def open(self, source: Source, target: Path, batch: int) -> None:
        self._dataset = dataset(source, batch, self.workers)

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        from rivals.fitting import fit

        return fit(see, self._dataset)


def dataset(source: Source, batch: int, workers: int) -> Any:
    """Return the dataset."""
    import keras

    class FilesDataset(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__(workers=workers)
            self.order = np.random.default_rng(0).permutation(len(source.files))

        def __len__(self) -> int:
            return math.ceil(len(self.order) / batch)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = self.order[index * batch : (index + 1) * batch]
            x = source.stacked([source.files[number] for number in chosen])
            return as_floats(x), source.labels[chosen]

        def on_epoch_end(self) -> None:
            np.random.default_rng().shuffle(self.order)

    return FilesDataset()


class Memory(Way):
    """All files read into one float32 array, then fit(x, y)."""

    def load(self) -> None:
        from rivals.fitting import fit

        _ = fit, __import__("PIL.Image")

    def open(self, source: Source, target: Path, batch: int) -> None:
        parts = [(as_floats(x), y) for x, y in source.pieces()]
        self._x = np.concatenate([x for x, _ in parts])
        self._y = np.concatenate([y for _, y in parts])
        self._batch = batch

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        from rivals.fitting import fit

        return fit(see, self._x, self._y, batch_size=self._batch)


class Directory(Way):
    """Keras' image_dataset_from_directory, scaled and prefetched as its guide says."""

    def load(self) -> None:
        from rivals.fitting import fit

        _ = fit

    def open(self, source: Source, target: Path, batch: int) -> None:
        import keras
        import tensorflow as tf

        height, width, channels = self.shape
        found = keras.utils.image_dataset_from_directory(
            source.folder,
            color_mode="grayscale" if channels == 1 else "rgb",
            batch_size=batch,
            image_size=(height, width),
            seed=0,
            verbose=False,
        )
        scaled = found.map(lambda x, y: (x / 255, y), num_parallel_calls=tf.data.AUTOTUNE)
        self._dataset = scaled.prefetch(tf.data.AUTOTUNE)

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        from rivals.fitting import fit

        return fit(see, self._dataset)

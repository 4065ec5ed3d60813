"""FFCV: a .beton file of arrays, in quasi-random order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rivals.way import Batch, Iterated, Source, as_floats

__all__ = ["FFCV"]


class Indexed:
    """A dataset of (x, y), as its writer takes it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source.files)

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        return self.source.stacked([self.source.files[number]])[0], int(self.source.labels[number])


class FFCV(Iterated):
    """DatasetWriter, then Loader(order=OrderOption.QUASI_RANDOM)."""

    def load(self) -> None:
        _ = __import__("ffcv.loader"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        from ffcv.fields import IntField, NDArrayField
        from ffcv.writer import DatasetWriter

        first = source.stacked(source.files[:1])
        fields: dict[str, Any] = {"x": NDArrayField(first.dtype, first.shape[1:]), "y": IntField()}
        DatasetWriter(str(target / "data.beton"), fields, num_workers=2).from_indexed_dataset(Indexed(source))

    def open(self, source: Source, target: Path, batch: int) -> None:
        from ffcv.loader import Loader, OrderOption

        self._loader = Loader(
            str(target / "data.beton"), batch_size=batch, num_workers=2, order=OrderOption.QUASI_RANDOM
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        for x, y in self._loader:
            yield as_floats(np.asarray(x)), np.asarray(y).ravel()

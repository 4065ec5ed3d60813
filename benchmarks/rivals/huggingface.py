"""Hugging Face datasets: an Arrow file, shuffled by its indices."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rivals.way import Batch, Iterated, Source, as_floats

__all__ = ["Datasets"]


class Datasets(Iterated):
    """`load_from_disk(...).with_format("numpy").shuffle().iter(batch_size=64)`."""

    def load(self) -> None:
        _ = __import__("datasets"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import datasets

        shape = source.stacked(source.files[:1]).shape[1:]
        kind = {2: datasets.Array2D, 3: datasets.Array3D}[len(shape)]
        features = datasets.Features(
            {"x": kind(shape, "float32" if source.kind == "csv" else "uint8"), "y": datasets.Value("int64")}
        )

        def samples() -> Iterator[dict[str, Any]]:
            for x, y in source.pieces():
                for one, label in zip(x, y.tolist(), strict=True):
                    yield {"x": one, "y": label}

        with tempfile.TemporaryDirectory(dir=target) as cache:
            made = datasets.Dataset.from_generator(samples, features=features, cache_dir=cache)
            made.save_to_disk(str(target / "data"))

    def open(self, source: Source, target: Path, batch: int) -> None:
        import datasets

        self._dataset, self._batch = datasets.load_from_disk(str(target / "data")).with_format("numpy"), batch

    def batches(self, epoch: int) -> Iterator[Batch]:
        for found in self._dataset.shuffle(seed=epoch).iter(batch_size=self._batch):
            yield as_floats(found["x"]), found["y"]

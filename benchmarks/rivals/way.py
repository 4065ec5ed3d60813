"""What every way to feed samples does: pack a source once, open what was packed, give epochs of batches.

Needs NumPy and Pillow alone, so that each rival can run where nothing but itself is installed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Batch", "Source", "Way", "as_floats"]

Batch = tuple[Any, Any]


@dataclass(frozen=True)
class Source:
    """A folder of small files: train/*.csv beside target.csv, or PNG files in a folder a class."""

    folder: Path

    @property
    def kind(self) -> str:
        """Csv or png."""
        return "csv" if (self.folder / "target.csv").exists() else "png"

    @cached_property
    def files(self) -> list[Path]:
        """All samples' files, by name: where folders are classes, class by class."""
        if self.kind == "csv":
            return sorted((self.folder / "train").glob("*.csv"))
        return sorted(self.folder.glob("*/*.png"))

    @cached_property
    def labels(self) -> np.ndarray:
        """Their classes, int64."""
        if self.kind == "csv":
            lines = (line.split(",") for line in (self.folder / "target.csv").read_text().split())
            by_name = {name: int(label) for name, label in lines}
            return np.array([by_name[file.stem] for file in self.files])
        names = sorted({file.parent.name for file in self.files})
        return np.array([names.index(file.parent.name) for file in self.files])

    def read(self, file: Path) -> np.ndarray:
        """Return one sample as people read it: np.loadtxt gives float64, Pillow uint8 with channels last."""
        if self.kind == "csv":
            return np.loadtxt(file)
        from PIL import Image

        with Image.open(file) as picture:
            pixels = np.asarray(picture)
        return pixels if pixels.ndim == 3 else pixels[..., None]

    def stacked(self, files: list[Path]) -> np.ndarray:
        """Return samples as one array as it is usually kept: float32, pictures uint8."""
        samples = np.stack([self.read(file) for file in files])
        return samples.astype(np.float32) if self.kind == "csv" else samples

    def pieces(self, most: int = 1000) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield all samples in order, and their labels, some at a time."""
        for start in range(0, len(self.files), most):
            part = slice(start, start + most)
            yield self.stacked(self.files[part]), self.labels[part]


class Way(ABC):
    """One way to feed samples.

    Attributes:
        shape: Of a sample; whoever reads a data set knows it, so it is not read from the files while a clock runs.
        dtype: Of a sample as it is usually kept: float32, or uint8 for pictures.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def packed_as(cls) -> str:
        """Return the name of the folder of what is packed; ways of the same name share it."""
        return cls.__name__.lower()

    @property
    def packs(self) -> bool:
        """Whether it packs, and does not read the source itself."""
        return type(self).pack is not Way.pack

    def load(self) -> None:  # noqa: B027 - most have nothing to import
        """Import what is needed, so that it is not timed."""

    def pack(self, source: Source, target: Path) -> None:  # noqa: B027 - some read the source itself
        """Write what is read later; nothing where the source itself is read."""

    @abstractmethod
    def open(self, source: Source, target: Path, batch: int) -> None:
        """Open what was packed."""

    @abstractmethod
    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        """Go through an epoch; show each batch where asked to; return its samples."""


class Iterated(Way):
    """A way whose batches are asked for one after the other."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch: x float32 with values 0 to 1, and classes."""

    def run(self, epoch: int, see: Callable[[Any, Any], None] | None = None) -> int:
        samples = 0
        for x, y in self.batches(epoch):
            samples += len(y)
            if see is not None:
                see(x, y)
        return samples


def as_floats(x: np.ndarray) -> np.ndarray:
    """Return samples as a model takes them, pictures scaled to 0 to 1."""
    return np.divide(x, np.float32(255), dtype=np.float32) if x.dtype.kind in "iu" else x

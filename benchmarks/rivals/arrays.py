"""One large array in a file: plain h5py, and a memory map of an .npy file; each by slices and by fancy indexing."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rivals.way import Batch, Iterated, Source, as_floats

__all__ = ["HDF5", "MemoryMap"]


class _Array(Iterated):
    """Batches of an array in a file, in the order of the source.

    Args:
        shuffle: "slices" takes slices of a batch each in random order; "fancy" any samples by their indices.
    """

    def __init__(self, shuffle: str) -> None:
        self.shuffle = shuffle

    def _begin(self, labels: np.ndarray, batch: int) -> None:
        self._labels, self._batch = labels, batch

    @abstractmethod
    def _take(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return some samples."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        random, count, batch = np.random.default_rng(epoch), len(self._labels), self._batch
        if self.shuffle == "slices":
            for start in random.permutation(range(0, count, batch)).tolist():
                part = slice(start, start + batch)
                yield as_floats(self._take(part)), self._labels[part]
            return
        order = random.permutation(count)
        for start in range(0, count, batch):
            rows = np.sort(order[start : start + batch])  # h5py takes no others
            yield as_floats(self._take(rows)), self._labels[rows]


class HDF5(_Array):
    """`f["x"][rows]` of a dataset as create_dataset makes it: in one piece, not compressed."""

    def load(self) -> None:
        _ = __import__("h5py"), __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        import h5py

        with h5py.File(target / "x.h5", "w") as file:
            start = 0
            for x, _ in source.pieces():
                if not start:
                    file.create_dataset("x", (len(source.files), *x.shape[1:]), x.dtype)
                file["x"][start : start + len(x)] = x
                start += len(x)
            file["y"] = source.labels

    def open(self, source: Source, target: Path, batch: int) -> None:
        import h5py

        self._file = h5py.File(target / "x.h5")
        self._begin(self._file["y"][:], batch)

    def _take(self, rows: slice | np.ndarray) -> np.ndarray:
        return self._file["x"][rows]  # type: ignore[no-any-return]


class MemoryMap(_Array):
    """np.load(..., mmap_mode="r")[rows]."""

    def load(self) -> None:
        _ = __import__("PIL.Image")

    def pack(self, source: Source, target: Path) -> None:
        from numpy.lib.format import open_memmap

        start = 0
        for x, _ in source.pieces():
            if not start:
                whole = open_memmap(target / "x.npy", "w+", x.dtype, (len(source.files), *x.shape[1:]))
            whole[start : start + len(x)] = x
            start += len(x)
        whole.flush()
        np.save(target / "y.npy", source.labels)

    def open(self, source: Source, target: Path, batch: int) -> None:
        self._x = np.load(target / "x.npy", mmap_mode="r")
        self._begin(np.load(target / "y.npy"), batch)

    def _take(self, rows: slice | np.ndarray) -> np.ndarray:
        return np.array(self._x[rows])  # a batch in memory, not pages to be read later

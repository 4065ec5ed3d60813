"""Fixtures for tests of code that reads stores: small real sources, and stores made of them.

pytest finds this module by itself where seekless is installed (entry point `pytest11`), so a test has the fixtures by
name alone. Nothing heavy is imported until one is used, and nothing else changes: no hook, no option, no autouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["TinySource", "tiny_csv", "tiny_png", "tiny_sharded_store", "tiny_store"]

COUNT = 130  # with at least 64 blocks a store: blocks of 3, and a last one that is short
SIDE = 6
CLASSES = 10


@dataclass(frozen=True)
class TinySource:
    """A folder of small files, and what is in them: 130 pictures of 6 x 6, of 10 classes.

    Attributes:
        root: The folder to convert.
        images: uint8, (130, 6, 6), by file number; random, but the last is all zeros.
        labels: int64, (130,), by file number: 0 to 9, each at least once.
    """

    root: Path
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def number(self, key: str) -> int:
        """Return the number of the file that a key names: 7 for "train/00007.csv"."""
        return int(Path(key).stem)


def _pictures() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    import numpy as np

    random = np.random.default_rng(7)
    images = random.integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
    images[-1] = 0
    return images, random.integers(0, CLASSES, COUNT)


@pytest.fixture
def tiny_csv(tmp_path: Path) -> TinySource:
    """A folder of CSV files and their targets: `tmp_path/data/train/00000.csv` and on, `tmp_path/data/target.csv`.

    Values are k / 255 as `numpy.savetxt` writes them, a row of the picture a line; `target.csv` has a line
    `00007,3` a file, in mixed order. In the same test, `tiny_png` holds the same pictures, and `tiny_store` is the
    store of this folder.
    """
    import numpy as np

    images, labels = _pictures()
    root = tmp_path / "data"
    (root / "train").mkdir(parents=True)
    for number, image in enumerate(images):
        np.savetxt(root / "train" / f"{number:05d}.csv", image / 255)
    mixed = np.random.default_rng(8).permutation(COUNT)
    (root / "target.csv").write_text("".join(f"{number:05d},{labels[number]}\n" for number in mixed))
    return TinySource(root, images, labels)


@pytest.fixture
def tiny_png(tmp_path: Path) -> TinySource:
    """A folder of 8-bit grayscale PNG files, a folder a class: `tmp_path/png/3/00007.png`."""
    from PIL import Image

    images, labels = _pictures()
    root = tmp_path / "png"
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / str(label) / f"{number:05d}.png")
    return TinySource(root, images, labels)


@pytest.fixture
def tiny_store(tiny_csv: TinySource) -> Path:
    """A store of one HDF5 file, `tmp_path/data.h5`, made of `tiny_csv` in random order; no parts are recorded.

    Its 44 blocks of x hold 3 samples each, the last one 1: short enough for tests at the edges of blocks.
    """
    import seekless

    path = tiny_csv.root.parent / "data.h5"
    seekless.pack(tiny_csv.root, path, workers=0, progress=False)
    return path


@pytest.fixture
def tiny_sharded_store(tiny_csv: TinySource) -> Path:
    """A store of `tiny_csv` in three or more shards: `tmp_path/sharded.h5` and `tmp_path/sharded-shards/*.h5`.

    It holds the same samples in the same order as `tiny_store`.
    """
    import seekless

    path = tiny_csv.root.parent / "sharded.h5"
    seekless.pack(tiny_csv.root, path, shard_bytes=1500, workers=0, progress=False)  # x alone takes 4,680 bytes
    return path

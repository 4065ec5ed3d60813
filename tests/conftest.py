"""Tiny real inputs, made in `tmp_path`: the layouts a person would have, and a store of several blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import seekless
from seekless.command import run
from seekless.convert.cli import convert as convert_command

SIDE = 6
COUNT = 130  # with at least 64 blocks a store: blocks of 3, and a last one that is short
CLASSES = 10


@dataclass(frozen=True)
class TinySource:
    """A folder of small files, and what is in them.

    Attributes:
        root: The folder to convert.
        images: uint8, (COUNT, SIDE, SIDE), by file number; the last is all zeros.
        labels: int64, (COUNT,), by file number.
    """

    root: Path
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def number(self, key: str) -> int:
        """Return the number of the file that a key names."""
        return int(Path(key).stem)


def _pictures() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    random = np.random.default_rng(7)
    images = random.integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
    images[-1] = 0
    return images, random.integers(0, CLASSES, COUNT)


@pytest.fixture
def tiny_csv(tmp_path: Path) -> TinySource:
    """The article's layout: data/train/*.csv as numpy.savetxt writes them, and data/target.csv, in mixed order."""
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
    """The same pictures as 8-bit grayscale PNG files, a folder per class: png/0/00007.png."""
    images, labels = _pictures()
    root = tmp_path / "png"
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / str(label) / f"{number:05d}.png")
    return TinySource(root, images, labels)


@pytest.fixture
def tiny_store(tiny_csv: TinySource) -> Path:
    """The store of `tiny_csv`, of several blocks."""
    path = tiny_csv.root.parent / "data.h5"
    seekless.pack(tiny_csv.root, path, progress=False)
    return path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Return a function that writes files by name below tmp_path/data, and gives that folder."""

    def make(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "data"

    return make


@pytest.fixture
def convert(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the `convert` command, and gives (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            run(convert_command, [str(argument) for argument in arguments], name="convert")
        return stop.value.code, *capsys.readouterr()

    return call

"""Folders of small files to convert, made once and kept where they are."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = [
    "by_class",
    "csv_files",
    "digit_pngs",
    "first_files",
    "in_order",
    "photo_pngs",
    "photographs",
    "tiny_files",
    "warm",
]

HERE = Path(__file__).resolve().parent
SIDE = 256
CLASSES = 10
GRAIN = 2.0  # of a synthetic photograph: makes PNG files of about 110 kB, as photographs of this size are

Pixels = npt.NDArray[np.uint8]


def _made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder unless it is there from an earlier run."""
    if not folder.exists():
        half = folder.with_name(f"{folder.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        make(half)
        half.rename(folder)
    return folder


def csv_files(work: Path, count: int, data: Path | None) -> Path:
    """Return a folder of train/*.csv, 28 x 28 pixels as numpy.savetxt writes them, and target.csv.

    Args:
        work: Where it is made.
        count: Files.
        data: A folder of that layout whose files are copied, again and again up to the count; None to draw digits.
    """

    def draw(folder: Path) -> None:
        _draw_digits(folder, count)

    def copy(folder: Path) -> None:
        assert data is not None
        (folder / "train").mkdir(parents=True)
        labels = dict(line.split(",") for line in (data / "target.csv").read_text().split())
        files = sorted((data / "train").glob("*.csv"))
        lines = []
        for number in range(count):
            file = files[number % len(files)]
            shutil.copyfile(file, folder / "train" / f"{number:05d}.csv")
            lines.append(f"{number:05d},{labels[file.stem]}\n")
        (folder / "target.csv").write_text("".join(lines))

    return _made(work / f"csv-{count}", draw if data is None else copy)


def digit_pngs(work: Path, count: int) -> Path:
    """Return a folder of 28 x 28 gray PNG files, a folder a class."""
    return _made(work / f"png-{count}", lambda folder: _draw_digits(folder, count, "--png")) / "png"


def _draw_digits(folder: Path, count: int, *options: str) -> None:
    maker = HERE.parent / "data" / "make_digits.py"
    command = [sys.executable, maker, folder, "--count", str(count), *options]
    subprocess.run(command, check=True, capture_output=True)


def photo_pngs(work: Path, count: int) -> tuple[Path, str]:
    """Return a folder of 256 x 256 RGB PNG files, a folder a class, and what they show.

    Where more of them have been made, they are links to the first of those, which are the same pictures.
    """
    name, _ = _pictures(1)
    more = [folder for folder in work.glob("photo-*") if folder.name.removeprefix("photo-").isdecimal()]
    more = [folder for folder in more if int(folder.name.removeprefix("photo-")) > count]

    def make(folder: Path) -> None:
        if more:
            _link_first(more[0], count, folder)
            return
        for label in range(CLASSES):
            (folder / str(label)).mkdir(parents=True)
        parts = [(folder, range(start, min(start + 100, count))) for start in range(0, count, 100)]
        with ProcessPoolExecutor(2) as executor:
            list(executor.map(_crop, *zip(*parts, strict=True)))

    return _made(work / f"photo-{count}", make), name


def photographs(count: int, together: int = 100) -> tuple[str, Iterator[tuple[Pixels, npt.NDArray[np.int64]]]]:
    """Return what photographs show, and batches of them, uint8 (n, 256, 256, 3), with their classes."""

    def batches() -> Iterator[tuple[Pixels, npt.NDArray[np.int64]]]:
        for start in range(0, count, together):
            numbers = range(start, min(start + together, count))
            yield np.stack(list(_crops(numbers))), np.array(numbers) % CLASSES

    return _pictures(1)[0], batches()


def _crop(folder: Path, numbers: range) -> None:
    for number, crop in zip(numbers, _crops(numbers), strict=True):
        Image.fromarray(crop).save(folder / str(number % CLASSES) / f"{number:05d}.png")


def _crops(numbers: range) -> Iterator[Pixels]:
    random = np.random.default_rng(numbers.start)
    _, pictures = _pictures(numbers.start)
    for _ in numbers:
        picture = pictures[random.integers(len(pictures))]
        top, left = (int(random.integers(size - SIDE + 1)) for size in picture.shape[:2])
        crop = picture[top : top + SIDE, left : left + SIDE]
        yield np.ascontiguousarray(crop[:, ::-1] if random.integers(2) else crop)


def _pictures(seed: int) -> tuple[str, list[Pixels]]:
    """Return pictures to cut from, each (height, width, 3), and what they are."""
    found: dict[str, list[Pixels]] = {}
    with contextlib.suppress(ImportError):
        from sklearn.datasets import load_sample_images

        found["scikit-learn"] = list(load_sample_images().images)
    with contextlib.suppress(ImportError):
        from skimage import data

        found["scikit-image"] = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    if not found:
        return "synthetic: noise as smooth as photographs are, with grain", list(_smooth_noise(seed, 3))
    pictures = [picture for part in found.values() for picture in part]
    return f"crops of the photographs that {' and '.join(found)} ship", pictures


def _smooth_noise(seed: int, count: int, side: int = 512) -> Iterator[Pixels]:
    """Yield colored noise whose strength falls with the frequency, as in photographs of nature."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    for _ in range(count):
        light, *tints = (
            np.fft.irfft2(np.fft.rfft2(random.normal(size=(side, side))) / frequency**1.3) for _ in range(4)
        )
        scale = light.std()
        planes = [(light + 0.3 * tint) / scale * 50 + 120 + random.normal(0, GRAIN, light.shape) for tint in tints]
        yield np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def tiny_files(work: Path, count: int) -> Path:
    """Return a folder of train/*.csv, a few numbers each, and target.csv."""

    def make(folder: Path) -> None:
        (folder / "train").mkdir(parents=True)
        for number in range(count):
            (folder / "train" / f"{number:07d}.csv").write_text(f"{number % 251} {number % 7} 3 4\n")
        (folder / "target.csv").write_text("".join(f"{number:07d},{number % CLASSES}\n" for number in range(count)))

    return _made(work / f"tiny-{count}", make)


def by_class(folder: Path) -> Path:
    """Return a copy of a folder of csv_files whose names are sorted by class: a source as badly mixed as can be.

    They are written in a random order of their names, as files come that were not unpacked all at once.
    """

    def make(copy: Path) -> None:
        (copy / "train").mkdir(parents=True)
        lines = [line.split(",") for line in (folder / "target.csv").read_text().split()]
        lines.sort(key=lambda line: (int(line[1]), line[0]))
        for number in np.random.default_rng(0).permutation(len(lines)).tolist():
            name, _ = lines[number]
            shutil.copyfile(folder / "train" / f"{name}.csv", copy / "train" / f"{number:07d}.csv")
        (copy / "target.csv").write_text("".join(f"{n:07d},{label}\n" for n, (_, label) in enumerate(lines)))

    return _made(folder.with_name(f"{folder.name}-by-class"), make)


def first_files(folder: Path, count: int) -> Path:
    """Return a folder of links to the first files, by number, of a folder of photo_pngs."""
    return _made(folder.with_name(f"{folder.name}-first-{count}"), lambda part: _link_first(folder, count, part))


def _link_first(folder: Path, count: int, part: Path) -> None:
    for file in sorted(folder.glob("*/*.png"), key=lambda file: int(file.stem))[:count]:
        (part / file.parent.name).mkdir(parents=True, exist_ok=True)
        os.link(file, part / file.parent.name / file.name)


def in_order(folder: Path) -> list[Path]:
    """Return the sample files of a folder in the order in which a conversion reads them."""
    from seekless.source.open import SourceOptions, open_source

    source = open_source(folder, SourceOptions(), [])
    return [folder / key for run in source.runs() for key in run.keys]


def warm(folder: Path) -> int:
    """Bring all files of a folder into the page cache; return their bytes."""
    return sum(len(file.read_bytes()) for file in folder.rglob("*") if file.is_file())

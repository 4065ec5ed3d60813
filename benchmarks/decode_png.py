"""Decoding small PNG files, against just opening and reading the same files; one core, page cache hot.

python benchmarks/decode_png.py [--count 4000] [--repeats 15] [--large] [--json FILE]
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from machine import report
from PIL import Image, ImageDraw, ImageFilter

from seekless.source.image import ImageDecoder
from seekless.source.read import read_file

BASE = "open, read"


def make_files(folder: Path, count: int, large: bool) -> list[str]:
    """Write strokes of a pen as Pillow writes them: 28x28 gray, or 256x256 RGB on a grainy ground."""
    random = np.random.default_rng(0)
    side, mode = (256, "RGB") if large else (28, "L")
    paths = [str(folder / f"{number:05d}.png") for number in range(count)]
    for path in paths:
        ground = random.integers(0, 24 if large else 1, (side, side, 3), np.uint8)
        picture = Image.fromarray(ground).convert(mode)
        points = [tuple(point) for point in random.integers(side // 7, side - side // 7, (4, 2)).tolist()]
        ImageDraw.Draw(picture).line(points, fill="white", width=max(2, side // 12), joint="curve")
        picture.filter(ImageFilter.GaussianBlur(0.7)).save(path)
    return paths


def open_and_read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def plain_pillow(path: str) -> object:
    with Image.open(path) as picture:
        return np.asarray(picture)


def time_in_turn(cases: dict[str, Callable[[str], object]], paths: list[str], repeats: int) -> dict[str, float]:
    """Run every case over all files, in turn, `repeats` times; return the median microseconds a file of each."""
    took: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            for path in paths:
                case(path)
            if repeat:  # the first turn only warms the cache
                took[name].append((time.perf_counter() - start) / len(paths) * 1e6)
    return {name: statistics.median(times) for name, times in took.items()}


@click.command()
@click.option("--count", default=4000, show_default=True, help="Files; with --large a twentieth of them.")
@click.option("--repeats", default=15, show_default=True, help="Turns; medians are shown.")
@click.option("--large", is_flag=True, help="256x256 RGB instead of 28x28 gray.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(count: int, repeats: int, large: bool, to: Path | None) -> None:
    """Time the ways to decode in turn, on files made in a temporary folder."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    decoder = ImageDecoder()
    cases: dict[str, Callable[[str], object]] = {
        BASE: open_and_read,
        "open, read as seekless": read_file,
        "Pillow: np.asarray(Image.open(path))": plain_pillow,
        "seekless: ImageDecoder": lambda path: decoder(read_file(path)),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), max(1, count // 20) if large else count, large)
        for path in paths:
            np.testing.assert_array_equal(decoder(read_file(path)).squeeze(), plain_pillow(path))
        medians = time_in_turn(cases, paths, repeats)
        size = round(sum(map(os.path.getsize, paths)) / len(paths))
    rows = [
        {"way": name, "us a file": took, "times open, read": took / medians[BASE]} for name, took in medians.items()
    ]
    what = "256x256 RGB" if large else "28x28 gray"
    state = f"{len(paths):,} files of {size:,} bytes, page cache hot, one core, median of {repeats} turns, values equal"
    report(f"Decoding PNG, {what}", state, rows, to)


if __name__ == "__main__":
    main()

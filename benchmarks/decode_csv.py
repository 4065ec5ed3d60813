"""Reading and decoding small CSV files, against just reading them: the article's layout, 28 x 28 pixels of "%.18e".

    python benchmarks/decode_csv.py [--count 2000] [--repeats 15] [--files FOLDER] [--json FILE]

One process on one core, the files in the page cache. Each repeat reads all files once in every way, so that whatever
else the machine does meets all ways alike; ratios are medians of the ratios within a repeat. The files are random
pictures of 256 levels, mostly black, as numpy.savetxt(path, image / 255.0) writes them; "any numbers" are as many files
of random floats in the same layout, of which no two are alike.
"""

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import report

from seekless.source.csv import CSVDecoder
from seekless.source.read import read_file

SIDE = 28
INK = 0.2  # of the pixels; about as much of an MNIST digit is not black


def write_files(folder: Path, count: int, levels: bool) -> list[str]:
    """Write files of the article's layout, of 256 levels or of any numbers, and return their paths."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        image = random.random((SIDE, SIDE))
        if levels:
            image = np.where(image < INK, random.integers(1, 256, (SIDE, SIDE)), 0) / 255.0
        np.savetxt(folder / f"{number:05d}.csv", image)
    return sorted(map(str, folder.iterdir()))


def open_and_read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def ways() -> dict[str, Callable[[str], object]]:
    """Return what is measured: each takes a path."""
    decoder = CSVDecoder()
    return {
        "open, read": open_and_read,
        "open, read, as seekless does": read_file,
        "np.loadtxt": lambda path: np.loadtxt(io.BytesIO(open_and_read(path))),
        "np.fromstring": lambda path: np.fromstring(open_and_read(path), sep=" ").reshape(SIDE, -1),
        "seekless": lambda path: decoder(read_file(path)),
    }


def measure(name: str, paths: list[str], repeats: int) -> list[dict[str, Any]]:
    """Read all files in every way, `repeats` times in turn; return a row for each way."""
    functions = ways()
    times: dict[str, list[float]] = {way: [] for way in functions}
    for repeat in range(repeats + 1):  # the first fills caches and does not count
        for way, function in functions.items():
            start = time.perf_counter()
            for path in paths:
                function(path)
            if repeat:
                times[way].append((time.perf_counter() - start) / len(paths) * 1e6)
    base = times["open, read"]
    return [
        {
            "files": name,
            "way": way,
            "us/file": statistics.median(took),
            "least": min(took),
            "times the read": statistics.median(t / b for t, b in zip(took, base, strict=True)),
        }
        for way, took in times.items()
    ]


@click.command()
@click.option("--count", type=click.IntRange(min=1), default=2000, show_default=True, help="How many files to make.")
@click.option("--repeats", type=click.IntRange(min=1), default=15, show_default=True, help="How often to read all.")
@click.option(
    "--files", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Use the .csv files of this folder."
)
@click.option("--json", "to", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(count: int, repeats: int, files: Path | None, to: Path | None) -> None:
    """Measure what decoding small CSV files costs beside reading them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as work:
        if files is None:
            folders = {
                "256 levels": write_files(Path(work, "levels"), count, True),
                "any numbers": write_files(Path(work, "any"), count, False),
            }
        else:
            folders = {files.name: sorted(map(str, files.glob("*.csv")))}
        rows = [row for name, paths in folders.items() for row in measure(name, paths, repeats)]
    number = len(next(iter(folders.values())))
    state = f"page cache hot, one core, {number:,} files read {repeats} times in turn; medians"
    report("Reading and decoding small CSV files", state, rows, to)


if __name__ == "__main__":
    main()

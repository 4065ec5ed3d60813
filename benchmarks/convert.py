"""Whole conversions against reading the same files in one process and writing nothing.

    python benchmarks/convert.py [--only csv,png,photo,disk] [--csv 42000] [--png 60000] [--photo 6000] [--repeats 5]
                                 [--data FOLDER] [--work FOLDER] [--json FILE]

- csv: files of 28 x 28 pixels as numpy.savetxt writes them, against np.loadtxt (of --data with repeats, else drawn).
- png: 28 x 28 gray, against Pillow. photo: 256 x 256 RGB, against Pillow. Both to NumPy arrays.
- disk: files of csv on the emulated spinning disk of benchmarks/disk/disk.sh (needs root), cold, against `cat` of them
  in the order in which a conversion reads them.

A conversion is timed as a whole command, from the start of Python to the store on the disk. What it is compared with is
timed without the start of Python and its imports; np.loadtxt and Pillow take a part of the files (--share), evenly
chosen from the order in which the conversion reads them, and their seconds are divided by that share. Both take turns;
the ratio is the median of those of the turns.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from emulated import Disk
from machine import report
from processes import pin, timed
from sources import csv_files, digit_pngs, in_order, photo_pngs, warm

KINDS = ("csv", "png", "photo", "disk")
# How many times as fast as its rival a conversion should be; the disk's: at most 1.1 times as long.
GOALS = {"csv": 2.5, "png": 1.6, "photo": 1.7, "disk": 1 / 1.1}


@dataclass(frozen=True)
class Race:
    """A conversion and what it is compared with.

    Attributes:
        kind: Which of KINDS.
        rival: What it is compared with, in words.
        source: The folder to convert.
        files: Files in it.
        size: Bytes of them.
        time_rival: Runs the rival; returns its seconds, and what it said.
        prefix: What to write before the command of the conversion.
    """

    kind: str
    rival: str
    source: Path
    files: int
    size: int
    time_rival: Callable[[], tuple[float, str]]
    prefix: tuple[str, ...] = ()


def decode(how: str, listing: Path) -> None:
    """Decode the files of a listing in this process, one after the other; say on stderr how many seconds that took."""
    paths = listing.read_text().split("\n")
    if how == "loadtxt":
        one: Callable[[str], Any] = np.loadtxt
    else:
        from PIL import Image

        def one(path: str) -> Any:
            with Image.open(path) as picture:
                return np.asarray(picture)

    one(paths[0])
    start = time.perf_counter()
    for path in paths:
        one(path)
    print(time.perf_counter() - start, file=sys.stderr)


def loose(kind: str, rival: str, how: str, source: Path, work: Path, share: float) -> Race:
    """Return the race against a decoder, on a part of the files."""
    files = in_order(source)
    step = max(1, round(1 / share))
    some = files[::step]
    listing = work / f"{kind}.txt"
    listing.write_text("\n".join(map(str, some)))

    def time_rival() -> tuple[float, str]:
        _, seconds = timed([sys.executable, __file__, "--decode", how, listing])
        return float(seconds) * len(files) / len(some), ""

    return Race(kind, rival, source, len(files), warm(source), time_rival)


def on_disk(disk: Disk, source: Path, work: Path) -> Race:
    """Return the race against `cat` on the emulated disk, for which the files are copied there."""
    there = Path(shutil.copytree(source, disk.mount / "data"))
    files = in_order(there)
    listing = work / "disk.txt"
    listing.write_text("\0".join(map(str, files)))
    command = [*disk.cold, "sh", "-c", 'xargs -0 cat < "$0" > /dev/null', listing]
    return Race(
        "disk",
        "cat, same order",
        there,
        len(files),
        warm(source),
        lambda: timed(command),
        tuple(disk.cold),
    )


def run(race: Race, work: Path, repeats: int, notes: list[str]) -> dict[str, Any]:
    """Time a conversion and its rival in turn; return the line of the table, and add to the notes."""
    kind = "csv" if race.kind in ("csv", "disk") else "png"
    store = work / "store.h5"
    command = [
        *race.prefix,
        sys.executable,
        "-m",
        "seekless",
        "convert",
        f"{kind}-to-h5",
        race.source,
        store,
        "--quiet",
    ]
    ours, theirs, said = [], [], {}
    for repeat in range(repeats):
        for conversion in (True, False) if repeat % 2 else (False, True):
            if conversion:
                seconds, said["convert"] = timed(command)
                ours.append(seconds)
                store.unlink()
            else:
                seconds, said[race.rival] = race.time_rival()
                theirs.append(seconds)
    if race.kind == "disk":  # what was read does not depend on what else the machine does
        notes += [f"{name}: {text.splitlines()[-1]}" for name, text in said.items()]
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    print(".", end="", file=sys.stderr, flush=True)
    return {
        "what": race.kind,
        "files": race.files,
        "MB": race.size / 1e6,
        "rival": race.rival,
        "rival s": statistics.median(theirs),
        "convert s": statistics.median(ours),
        "times as fast": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "goal": GOALS[race.kind],
    }


@click.command()
@click.option("--decode", "how", type=click.Choice(["loadtxt", "pillow"]), hidden=True)
@click.argument("listing", required=False, type=click.Path(path_type=Path))
@click.option("--only", default="csv,png,photo", show_default=True, help="Which of csv, png, photo, disk.")
@click.option("--csv", "csv", default=42_000, show_default=True, help="CSV files.")
@click.option("--png", default=60_000, show_default=True, help="PNG files of 28 x 28.")
@click.option("--photo", default=6_000, show_default=True, help="PNG files of 256 x 256 x 3.")
@click.option("--disk", default=4_000, show_default=True, help="CSV files on the emulated disk.")
@click.option("--share", default=0.25, show_default=True, help="Of the files, for np.loadtxt and Pillow.")
@click.option("--repeats", default=5, show_default=True, help="Turns; medians are shown.")
@click.option("--cores", default=2, show_default=True, help="Cores that everything runs on.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files and stores here, and keep the files.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    how: str | None,
    listing: Path | None,
    only: str,
    share: float,
    repeats: int,
    cores: int,
    data: Path | None,
    work: Path | None,
    to: Path | None,
    **counts: int,
) -> None:
    """Race conversions against one process that decodes and writes nothing."""
    if how is not None and listing is not None:
        decode(how, listing)
        return
    kinds = only.split(",")
    if unknown := set(kinds) - set(KINDS):
        raise click.BadParameter(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(KINDS)}")
    cores = pin(cores)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        rows, notes = race_all(kinds, counts, Path(folder), work or Path(folder), data, share, repeats)
    state = [
        f"page cache hot, {cores} cores, median of {repeats} in turn; rivals on {share:.0%} of the files, scaled up"
    ]
    report("Whole conversions against one process that writes nothing", "; ".join([*state, *notes]), rows, to)


def race_all(
    kinds: list[str], counts: dict[str, int], work: Path, made: Path, data: Path | None, share: float, repeats: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Run the races; return the lines of the table, and what must be said with them."""
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if "csv" in kinds:
        source = csv_files(made, counts["csv"], data)
        rows.append(run(loose("csv", "np.loadtxt", "loadtxt", source, work, share), work, repeats, notes))
    if "png" in kinds:
        source = digit_pngs(made, counts["png"])
        rows.append(run(loose("png", "Pillow", "pillow", source, work, share), work, repeats, notes))
    if "photo" in kinds:
        source, what = photo_pngs(made, counts["photo"])
        rows.append(run(loose("photo", "Pillow", "pillow", source, work, share), work, repeats, notes))
        notes.append(f"photo: {what}")
    if "disk" in kinds:
        source = csv_files(made, counts["disk"], data)
        with Disk.up(work, 2 << 30) as disk:
            rows.append(run(on_disk(disk, source, work), work, repeats, notes))
        notes.append("disk: 120 reads/s, 150 MB/s, 128 KiB read-ahead, all caches dropped each time, whole commands")
    return rows, notes


if __name__ == "__main__":
    main()

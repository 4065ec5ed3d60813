"""One epoch of batches from loose CSV files against one from the store made of them.

    python benchmarks/epoch.py [--data FOLDER] [--count 10000] [--repeats 3] [--disk] [--json FILE]

Each measurement is a process of its own: from opening the folder or the store to the last batch of 64, samples as
float32 with their targets, no model. `--disk` adds the emulated spinning disk of benchmarks/disk/disk.sh (needs root),
its page cache dropped before each measurement.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from machine import report

HERE = Path(__file__).resolve().parent
DISK = HERE / "disk" / "disk.sh"
BATCH_SIZE = 64


def measure(what: str, path: str) -> None:
    """Read one epoch in this process, after all imports, and print its seconds and samples."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import seekless

    kind = seekless.FileSequence if what == "files" else seekless.StoreSequence
    start = time.perf_counter()
    sequence = kind(path, BATCH_SIZE)
    samples = sum(len(x) for x, _ in sequence)
    print(time.perf_counter() - start, samples)


def run_measure(what: str, path: Path, *prefix: str) -> tuple[float, int]:
    """Measure in a new process; return seconds and samples."""
    command = [*prefix, sys.executable, __file__, "--measure", what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, samples = done.stdout.split()
    return float(seconds), int(samples)


def compare(state: str, paths: dict[str, Path], repeats: int, *prefix: str) -> list[dict[str, Any]]:
    """Measure files and store in turn; return a row for each with its median."""
    seconds: dict[str, list[float]] = {what: [] for what in paths}
    samples = dict.fromkeys(paths, 0)
    for _ in range(repeats):
        for what, path in paths.items():
            took, samples[what] = run_measure(what, path, *prefix)
            seconds[what].append(took)
    base = statistics.median(seconds["files"])
    return [
        {
            "cache": state,
            "from": {"files": "loose files", "store": "the store"}[what],
            "samples": samples[what],
            "seconds": statistics.median(times),
            "least": min(times),
            "most": max(times),
            "samples/s": round(samples[what] / statistics.median(times)),
            "times as fast": base / statistics.median(times),
        }
        for what, times in seconds.items()
    ]


def prepare(data: Path | None, count: int, work: Path) -> dict[str, Path]:
    """Make the digits unless they are given, and convert them."""
    if data is None:
        data = work / "data"
        maker = HERE.parent / "data" / "make_digits.py"
        subprocess.run([sys.executable, maker, data, "--count", str(count)], check=True)
    import seekless

    store = work / "data.h5"
    print(seekless.pack(data, store, progress=False))
    return {"files": data, "store": store}


@click.command()
@click.option("--measure", "what", type=click.Choice(["files", "store"]), hidden=True)
@click.argument("path", required=False)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--count", default=10_000, show_default=True, help="Digits to make where no --data is given.")
@click.option("--repeats", default=3, show_default=True, help="Measurements of each, in turn.")
@click.option("--disk", is_flag=True, help="Also cold, on the emulated spinning disk.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    what: str | None, path: str | None, data: Path | None, count: int, repeats: int, disk: bool, to: Path | None
) -> None:
    """Compare an epoch from loose files with one from the store."""
    if what is not None and path is not None:
        measure(what, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = prepare(data, count, Path(folder))
        compare("warm", paths, 1)  # what is read once is in the page cache
        rows = compare("warm", paths, repeats)
        state = f"warm: page cache; median of {repeats} in turn"
        if disk:
            rows += on_disk(paths, repeats)
            state += (
                "; cold: emulated spinning disk, 120 reads/s, 150 MB/s, 128 KiB read-ahead, cache dropped each time"
            )
        report(f"One epoch of batches of {BATCH_SIZE}, float32 with targets, no model", state, rows, to)


def on_disk(paths: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    """Copy files and store onto the emulated disk, and measure them cold."""
    mount = Path(subprocess.run([DISK, "up"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        shutil.copytree(paths["files"], mount / "data")
        shutil.copy(paths["store"], mount / "data.h5")
        there = {"files": mount / "data", "store": mount / "data.h5"}
        return compare("cold", there, repeats, str(DISK), "cold")
    finally:
        subprocess.run([DISK, "down"], check=True)


if __name__ == "__main__":
    main()

"""The loader: warm against memory, cold against dd, its memory, its waits, and Keras' fit against arrays.

    python benchmarks/loader.py [--only warm,first,memory,fit,cold] [--digits 60000] [--photo 6000] [--repeats 7]
                                [--data FOLDER] [--work FOLDER] [--json FILE]

- warm: epochs of batches of 256, float32 with targets, as a share of the floor: NumPy scaling consecutive slices of an
  array in memory into one buffer that is used again. Digits of 28 x 28, and noise of 256 x 256 x 3. In turn, page cache
  hot, from the second epoch on.
- first: from `import` to the first batch.
- memory: the most anonymous and shared memory of an epoch of the large samples, by window.
- fit: an epoch of `fit` from the store against one of `fit(x, y)` from arrays, on Keras' backend (KERAS_BACKEND).
- cold: a first epoch on the emulated spinning disk of benchmarks/disk/disk.sh against reading as many raw, uncompressed
  bytes from end to end in pieces of 1 MiB, as dd does (needs root): noise, ten times as many digits (below 300 MB that
  disk is bursty) and photographs with the default codec; the longest wait between two batches; `fit` with all defaults
  against `fit(shuffle=False)`.

Each measurement is a process of its own, and is timed without the start of Python and its imports.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from accuracy import digits as drawn_digits
from emulated import Disk
from machine import report
from processes import told
from sources import SIDE, photographs

import seekless

HERE = Path(__file__).resolve().parent
PARTS = ("warm", "first", "memory", "fit", "cold")
DRAWN = 5_000  # digits that are drawn; more of them are these, moved by a few pixels
TOGETHER = 500  # samples written at a time


def ask(what: str, *prefix: str, **options: Any) -> dict[str, Any]:
    """Measure in a new process."""
    return told([*prefix, sys.executable, HERE / "loading.py", what, json.dumps(options)])


def digits(data: Path | None, count: int, work: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield digits, uint8 (n, 28, 28), and their classes."""
    with tempfile.TemporaryDirectory(dir=work) as folder:  # or what is left there would be in the way of the next
        x, y = drawn_digits(data, min(count, DRAWN), Path(folder))
    x = np.rint(x * 255 if x.max() <= 1 else x).astype(np.uint8).reshape(-1, 28, 28)
    random = np.random.default_rng(0)
    for start in range(0, count, TOGETHER):
        chosen = np.arange(start, min(start + TOGETHER, count)) % len(x)
        moves = random.integers(-3, 4, (len(chosen), 2)) if start >= len(x) else np.zeros((len(chosen), 2), int)
        yield np.stack([np.roll(x[i], move, (0, 1)) for i, move in zip(chosen, moves, strict=True)]), y[chosen]


def noise(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield samples that no codec makes smaller."""
    random = np.random.default_rng(0)
    for start in range(0, count, TOGETHER):
        n = min(TOGETHER, count - start)
        yield random.integers(0, 256, (n, SIDE, SIDE, 3), np.uint8), np.arange(n) % 10


def row(what: str, of: str, value: float, unit: str, goal: str) -> dict[str, Any]:
    """Return a line of the table."""
    return {"what": what, "of": of, "value": value, "unit": unit, "goal": goal}


def measure_warm(stores: dict[str, Path], repeats: int) -> list[dict[str, Any]]:
    """Compare with the floor, with all defaults and where nothing is kept."""
    rows = []
    for name, goal in (("digits", ">= 0.77"), ("noise", ">= 0.95")):
        found = ask("warm", store=str(stores[name]), repeats=repeats)
        rows.append(row("warm", name, found["share"], "of the floor", goal))
    size = stores["digits"].stat().st_size
    found = ask("warm", store=str(stores["digits"]), repeats=repeats, window_bytes=max(1, size // 4), cache_bytes=0)
    rows.append(row("warm, read each epoch", "digits", found["share"], "of the floor", ""))
    return rows


def measure_memory(stores: dict[str, Path]) -> list[dict[str, Any]]:
    """Take the most memory of an epoch of large samples, and what of it was there before."""
    rows = []
    for window, goal in ((256 << 20, "< 1000"), (64 << 20, "< 600")):
        found = ask("epoch", store=str(stores["noise"]), keras=False, window_bytes=window)
        what = f"memory, window of {window >> 20} MiB"
        rows.append(row(what, "noise", found["peak"] / 1e6, "MB", goal))
        rows.append(row(f"{what}, before", "noise", found["before"] / 1e6, "MB", ""))
    return rows


def measure_fit(store: Path, turns: int, epochs: int) -> list[dict[str, Any]]:
    """Compare fit from the store with fit from arrays."""
    rows = []
    for model, batch, goal in (("dense", 64, "<= 1.1"), ("dense", 512, "<= 1.1"), ("lenet-wide", 512, "<= 1.0")):
        few = 1 if model != "dense" else epochs
        found = ask("fit", store=str(store), model=model, batch=batch, epochs=few + 1, turns=turns)
        backend = os.environ.get("KERAS_BACKEND", "as set")
        rows.append(
            row(f"fit, {model}, batch {batch}", f"digits, backend {backend}", found["ratio"], "of arrays", goal)
        )
    return rows


def measure_cold(stores: dict[str, Path], repeats: int, work: Path) -> list[dict[str, Any]]:
    """Compare with dd on the emulated disk, in turn."""
    with Disk.up(work, 6 << 30) as disk:
        return [
            line
            for name, goal in (("noise", ">= 0.95"), ("many digits", ">= 3.5"), ("photographs", ">= 1.4"))
            for line in _measure_cold_store(name, stores[name], disk, repeats, goal)
        ]


def _measure_cold_store(name: str, store: Path, disk: Disk, repeats: int, goal: str) -> list[dict[str, Any]]:
    there, raw = disk.mount / store.name, disk.mount / "raw"
    shutil.copy(store, there)
    opened = seekless.open(store)
    size = len(opened) * opened.header.fields["x"].sample_bytes
    with open(raw, "wb") as file:
        for start in range(0, size, 1 << 24):
            file.write(np.random.default_rng(start).bytes(min(1 << 24, size - start)))
    ratios, waits, firsts, fits = [], [], [], []
    for _ in range(repeats):
        found = ask("epoch", *disk.cold, store=str(there))
        ratios.append(ask("dd", *disk.cold, file=str(raw))["seconds"] / found["seconds"])
        waits.append(found["wait"])
        firsts.append(found["first"])
        if name == "many digits":
            times = [ask("cold_fit", *disk.cold, store=str(there), shuffle=kind)["seconds"] for kind in (True, False)]
            fits.append(times[0] / times[1])
    there.unlink()
    raw.unlink()
    found_rows = [
        row("cold", name, statistics.median(ratios), "times dd of raw bytes", goal),
        row("cold, longest wait", name, statistics.median(waits), "s", "< 0.5" if name != "many digits" else ""),
        row("cold, first batch", name, statistics.median(firsts), "s", ""),
    ]
    if fits:
        found_rows.append(row("cold, fit", name, statistics.median(fits), "of fit(shuffle=False)", "<= 1.05"))
    return found_rows


def make_stores(count: int, photos: int, data: Path | None, work: Path, cold: bool) -> tuple[dict[str, Path], str]:
    """Write the stores; return them and what the photographs show."""
    counts = {"digits": count, "many digits": 10 * count, "noise": photos, "photographs": photos}
    made = {name: work / f"{name.replace(' ', '-')}-{wanted}.h5" for name, wanted in counts.items()}
    for name in ("digits", "many digits") if cold else ("digits",):
        if not made[name].exists():
            seekless.write(made[name], digits(data, counts[name], work))
    if not made["noise"].exists():
        seekless.write(made["noise"], noise(photos))
    shown = ""
    if cold:
        shown, pictures = photographs(photos)
        if not made["photographs"].exists():
            seekless.write(made["photographs"], pictures)
    return made, shown


@click.command()
@click.option("--only", default=",".join(PARTS), show_default=True, help="What to measure.")
@click.option("--digits", "count", default=60_000, show_default=True, help="Digits of 28 x 28.")
@click.option("--photo", default=6_000, show_default=True, help="Samples of 256 x 256 x 3.")
@click.option("--repeats", default=7, show_default=True, help="Measurements of each, in turn.")
@click.option("--epochs", default=4, show_default=True, help="Epochs of a fit of the dense layer.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--work", type=click.Path(path_type=Path), help="Make stores here, and keep them.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    only: str,
    count: int,
    photo: int,
    repeats: int,
    epochs: int,
    data: Path | None,
    work: Path | None,
    to: Path | None,
) -> None:
    """Measure the loader."""
    parts = only.split(",")
    notes = ["batches of 256, float32 with targets, shuffle window"]
    if "cold" in parts and (reason := Disk.why_not()):
        parts.remove("cold")
        notes.append(f"nothing cold: the emulated disk {reason}")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        stores, shown = make_stores(count, photo, data, work or Path(folder), "cold" in parts)
        rows = measure_warm(stores, repeats) if "warm" in parts else []
        if "first" in parts:
            times = [ask("first", store=str(stores["digits"]))["seconds"] for _ in range(repeats)]
            rows.append(row("first batch", "digits", 1000 * statistics.median(times), "ms", "< 100"))
        if "memory" in parts:
            rows += measure_memory(stores)
        if "fit" in parts:
            rows += measure_fit(stores["digits"], max(1, repeats // 2), epochs)
        if "cold" in parts:
            rows += measure_cold(stores, max(1, repeats // 3), Path(folder))
            notes.append(f"photographs are {shown}")
    report("The loader", "; ".join(notes), rows, to)


if __name__ == "__main__":
    main()

"""Data larger than memory: every way that packs its samples, and arrays in memory, under a limit on memory.

    python benchmarks/large.py [--gb 1.0] [--limit-mb 700] [--ways WAYS] [--work FOLDER] [--json FILE]

As growth.py measures it, at one size, with the reads that the disk's own counter tells.
"""

import tempfile
from pathlib import Path
from typing import Any

import click
from growth import measure
from machine import report
from processes import why_no_group
from race import BATCH
from rivals.table import TITLES, made
from sources import SIDE, photo_pngs

WAYS = "store-batches,store-fit,h5py-slices,h5py-fancy,memmap-slices,memmap-fancy,tfrecord,memory"


@click.command()
@click.option("--gb", default=1.0, show_default=True, help="GB of pixels.")
@click.option("--limit-mb", default=700, show_default=True, help="MB of memory for a measurement.")
@click.option("--ways", default=WAYS, show_default=True, help="Short names, as in rivals/table.py.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep the photographs.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(gb: float, limit_mb: int, ways: str, work: Path | None, to: Path | None) -> None:
    """Measure an epoch of data that does not fit."""
    if reason := why_no_group():
        state = f"not measured: {reason}"
        report("Data larger than memory", state, [{"way": "none", "reason": reason}], to)
        return
    count = max(BATCH, round(gb * 1e9 / (SIDE * SIDE * 3)))
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=work) as folder:
        source, shown = photo_pngs(work or Path(folder), count)
        for way in ways.split(","):
            target = Path(folder) / type(made(way)).packed_as()
            rows.append({"way": TITLES[way], **measure(way, source, target, limit_mb * 1_000_000)})
    own = next((row["seconds"] for row in rows if row["way"] == TITLES["store-batches"]), None)
    for row in rows:
        row["times the store"] = row["seconds"] / own if row["seconds"] and own else None
    title = f"Data larger than memory: {count:,} photographs, {gb:.2g} GB of pixels, {limit_mb:,} MB of memory"
    report(title, f"{shown}; page cache dropped before each, and part of the limit; this disk; one run each", rows, to)


if __name__ == "__main__":
    main()

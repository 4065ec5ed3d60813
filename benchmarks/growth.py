"""How an epoch grows with the data, in memory that does not: the store, loose files, and arrays in memory.

    python benchmarks/growth.py [--sizes 0.05,0.1,0.2,0.4] [--limit-mb 1024] [--ways store-batches,files-4,memory]
                                [--work FOLDER] [--json FILE]

Photographs of 256 x 256 x 3 as PNG files. A size is that of the pixels, in GB. Each measurement is a new process in a
cgroup with a limit on its memory, page cache included (needs root; without, the table says so and nothing is limited),
the cache dropped before: from opening to the last batch of 64, after imports. Memory is anonymous and shared memory at
the most, with what Python and libraries take. A way that is killed for want of memory stops there.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from child import Child, EndedError
from machine import report
from processes import memory_group, why_no_group
from race import BATCH
from rivals.table import TITLES, made
from sources import SIDE, first_files, photo_pngs

WAYS = "store-batches,files-4,memory"


@contextlib.contextmanager
def limited(limit: int) -> Iterator[list[str]]:
    """Yield what to write before a command so that its memory is limited, where that can be."""
    if why_no_group() is None:
        with memory_group(limit) as prefix:
            yield prefix
    else:
        yield []


def pack(way: str, source: Path, target: Path) -> None:
    """Pack a source, with all the memory there is."""
    child = Child(way, BATCH)
    try:
        child.ask("pack", source=str(source), target=str(target))
    finally:
        child.close()


def measure(way: str, source: Path, target: Path, limit: int) -> dict[str, Any]:
    """Pack a source unless it is, and measure an epoch in a new process; say why there is none."""
    found: dict[str, Any] = {"seconds": None, "samples/s": None, "memory MB": None, "ended": "whole"}
    try:
        if not target.exists():
            pack(way, source, target)
    except EndedError as error:
        return {**found, "ended": str(error)}
    with limited(limit) as prefix:
        child = None
        try:
            child = Child(way, BATCH, prefix)
            with child.watched() as memory:
                told = child.ask(
                    "epochs", source=str(source), target=str(target), count=1, cold=os.geteuid() == 0, see=False
                )
            found["seconds"] = told["seconds"][0]
            found["samples/s"] = told["samples"] / told["seconds"][0]
            found["memory MB"] = memory["most"] / 1e6
        except EndedError as error:
            found["ended"] = str(error)
        finally:
            if child is not None:
                child.close()
    return found


@click.command()
@click.option("--sizes", default="0.05,0.1,0.2,0.4", show_default=True, help="GB of pixels.")
@click.option("--limit-mb", default=1024, show_default=True, help="MB of memory for a measurement.")
@click.option("--ways", default=WAYS, show_default=True, help="Short names, as in rivals/table.py.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep the photographs.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(sizes: str, limit_mb: int, ways: str, work: Path | None, to: Path | None) -> None:
    """Measure an epoch of each way at each size."""
    counts = [max(BATCH, round(float(size) * 1e9 / (SIDE * SIDE * 3))) for size in sizes.split(",")]
    rows: list[dict[str, Any]] = []
    stopped: dict[str, str] = {}
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        photos, shown = photo_pngs(work or Path(folder), max(counts))
        for count in counts:
            source = first_files(photos, count)
            packed = Path(folder) / "packed"
            for way in ways.split(","):
                target = packed / type(made(way)).packed_as()
                if way in stopped:
                    continue
                found = measure(way, source, target, limit_mb * 1_000_000)
                rows.append({"way": TITLES[way], "GB": count * SIDE * SIDE * 3 / 1e9, "files": count, **found})
                if found["ended"] != "whole":
                    stopped[way] = found["ended"]
            shutil.rmtree(packed, ignore_errors=True)
            shutil.rmtree(source)
    state = f"{shown}; page cache dropped before each, this disk; one run each, of at most {limit_mb:,} MB of memory"
    if reason := why_no_group():
        state += f"; NOT limited: {reason}"
    report("An epoch of photographs as they become more", state, rows, to, limit=limit_mb, shown=shown)


if __name__ == "__main__":
    main()

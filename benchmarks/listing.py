"""Seconds and memory to list a folder of very many files.

    python benchmarks/listing.py [--count 1000000] [--json FILE]

Names are in the cache; the first listing of a folder on a cold disk costs its directory blocks beside.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from machine import report

from seekless.source.listing import list_files


def measure(folder: str) -> None:
    """List a folder in this process; print seconds, files, and bytes of peak memory that the listing added."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    listing = list_files(Path(folder), "", frozenset({".csv"}))
    seconds = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(seconds, len(listing.keys), grown * 1024)


@click.command()
@click.option("--measure", "folder", hidden=True)
@click.option("--count", default=1_000_000, show_default=True, help="Files in the folder.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(folder: str | None, count: int, to: Path | None) -> None:
    """Make a folder of empty files and list it, names warm in the cache, in a process of its own."""
    if folder is not None:
        measure(folder)
        return
    with tempfile.TemporaryDirectory() as made:
        for number in range(count):
            (Path(made) / f"{number:08d}.csv").touch()
        command = [sys.executable, __file__, "--measure", made]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, files, grown = done.stdout.split()
        row = {
            "files": int(files),
            "seconds": float(seconds),
            "peak bytes a file": float(grown) / int(files),
        }
    report("Listing one folder", "names warm in the cache; peak resident memory that the listing added", [row], to)


if __name__ == "__main__":
    main()

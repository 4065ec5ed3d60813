"""How a conversion grows with the number of files.

    python benchmarks/many_files.py [--counts 1000,3000,10000,30000] [--repeats 1] [--work FOLDER] [--json FILE]

CSV files of a few bytes, so that what is measured is what each file costs beside its bytes; whole commands, from the
start of Python to the store on the disk, page cache hot.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from machine import report
from processes import timed
from sources import tiny_files, warm


@click.command()
@click.option("--counts", default="1000,3000,10000,30000", show_default=True, help="Files.")
@click.option("--repeats", default=1, show_default=True, help="Conversions of each; medians are shown.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep them.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(counts: str, repeats: int, work: Path | None, to: Path | None) -> None:
    """Time conversions of more and more files."""
    rows: list[dict[str, Any]] = []
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        store = Path(folder) / "store.h5"
        for count in map(int, counts.split(",")):
            source = tiny_files(work or Path(folder), count)
            warm(source)
            took = []
            for _ in range(repeats):
                took.append(
                    timed([sys.executable, "-m", "seekless", "convert", "csv-to-h5", source, store, "--quiet"])[0]
                )
                store.unlink()
            seconds = statistics.median(took)
            rows.append({"files": count, "seconds": seconds, "files/s": count / seconds})
    report("Conversions of more and more files", f"page cache hot, median of {repeats}, whole commands", rows, to)


if __name__ == "__main__":
    main()

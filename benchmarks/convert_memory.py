"""The memory of whole conversions, all processes together.

    python benchmarks/convert_memory.py [--photo 3000] [--workers 2] [--million] [--work FOLDER] [--json FILE]

- 256 x 256 RGB PNG files with --memory for all of them, and with an eighth: the proportional set size of all processes
  together, looked at every 20 ms, against --memory + 150 MiB + 60 MiB a worker.
- The eighth once more in a cgroup that has just that much memory, the page cache included (needs root).
- --million: 1,000,000 files of a few bytes; the peak memory of the first process, against 600 MiB.

Linux only.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from machine import report
from processes import Footprint, footprint, memory_group, why_no_group
from sources import SIDE, photo_pngs, tiny_files, warm

MIB = 1 << 20
BASE, A_WORKER = 150 * MIB, 60 * MIB
PARENT = 600 * MIB


def convert(kind: str, source: Path, work: Path, memory: int, workers: int, *prefix: str) -> Footprint:
    """Convert once; return what it took."""
    store = work / "store.h5"
    size = ["--memory", str(memory), "--workers", str(workers)]
    command = [*prefix, sys.executable, "-m", "seekless", "convert", f"{kind}-to-h5", source, store, "--quiet", *size]
    took = footprint(command)
    if took.code:
        print(f"exit code {took.code}: {took.said}", file=sys.stderr)
    store.unlink(missing_ok=True)
    return took


def row(what: str, files: int, memory: int, workers: int, took: Footprint, peak: int, limit: int) -> dict[str, Any]:
    """Return a line of the table."""
    return {
        "what": what,
        "files": files,
        "--memory MiB": memory / MIB,
        "workers": workers,
        "peak MiB": peak / MIB,
        "limit MiB": limit / MIB,
        "first process MiB": took.parent / MIB,
        "seconds": took.seconds,
        "exit code": took.code,
    }


def measure_photos(source: Path, files: int, workers: int, work: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Convert with all the memory, with an eighth, and with an eighth in a group; return lines and notes."""
    data = files * SIDE * SIDE * 3
    rows, notes = [], []
    for what, memory in (("all in memory", 4 * data), ("8 times --memory", max(data // 8, MIB))):
        took = convert("png", source, work, memory, workers)
        limit = memory + BASE + workers * A_WORKER
        rows.append(row(what, files, memory, workers, took, took.tree, limit))
    reason = why_no_group()
    if reason is None:
        with memory_group(limit) as prefix:
            took = convert("png", source, work, memory, workers, *prefix)
        rows.append(row("the same, no more given", files, memory, workers, took, took.tree, limit))
    else:
        notes.append(f"no run in a cgroup: {reason}")
    return rows, notes


@click.command()
@click.option("--photo", default=3_000, show_default=True, help="PNG files of 256 x 256 x 3.")
@click.option("--workers", default=2, show_default=True, help="Worker processes.")
@click.option("--million", is_flag=True, help="Also very many files.")
@click.option("--tiny", default=1_000_000, show_default=True, help="How many those are.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files and stores here, and keep the files.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(photo: int, workers: int, million: bool, tiny: int, work: Path | None, to: Path | None) -> None:
    """Measure the memory of conversions."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise click.ClickException("found no /proc/self/smaps_rollup, expected Linux 4.14 or newer")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        source, _ = photo_pngs(work or Path(folder), photo)
        warm(source)
        rows, notes = measure_photos(source, photo, workers, Path(folder))
        if million:
            source = tiny_files(work or Path(folder), tiny)
            took = convert("csv", source, Path(folder), 1 << 30, workers)
            rows.append(row("tiny files, first process", tiny, 1 << 30, workers, took, took.parent, PARENT))
    state = "page cache hot; proportional set size of all processes together, looked at every 20 ms"
    report("Memory of whole conversions", "; ".join([state, *notes]), rows, to)


if __name__ == "__main__":
    main()

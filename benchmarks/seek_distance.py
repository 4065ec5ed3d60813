"""How far a disk's head moves to read small files, in the order of a conversion and in others.

    python benchmarks/seek_distance.py [--count 20000] [--data FOLDER] [--work FOLDER] [--json FILE]

The distance is that between the end of one piece of a file and the start of the next piece that is read, in bytes on
the disk, added up over all files; Linux tells where the pieces lie (FIEMAP). Where a file system does not tell, the
table says so and nothing else.

The files are CSV files, written in a random order of their names: "at once", as an archive is unpacked; and "in
rounds", every second file of a round removed before the next, so that free places and numbers are between others, as on
a disk in use. `--work $(benchmarks/disk/disk.sh up)` makes them on an empty disk (needs root).
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from extents import extents
from machine import report
from sources import in_order

ROUNDS = 4
FILE_BYTES = 19_600  # of 28 x 28 numbers as numpy.savetxt writes them


def distance(pieces: dict[Path, list[tuple[int, int]]], order: list[Path]) -> tuple[int, int]:
    """Return the bytes that the head jumps over in an order of files, and the number of jumps."""
    run = np.array([piece for path in order for piece in pieces[path]], np.int64)
    jumps = np.abs(run[1:, 0] - run[:-1].sum(axis=1))
    return int(jumps.sum()), int(np.count_nonzero(jumps))


def write_files(folder: Path, count: int, rounds: int) -> Path:
    """Write CSV files in a random order of their names; of each of several rounds every second file is removed."""
    (folder / "train").mkdir(parents=True)
    random = np.random.default_rng(0)
    row = " ".join(["0.5"] * 4).ljust(FILE_BYTES - 1) + "\n"
    numbers = random.permutation(count).tolist()
    for part in np.array_split(np.arange(count), rounds):
        passing = []
        for place in part.tolist():
            (folder / "train" / f"{numbers[place]:06d}.csv").write_text(row)
            if rounds > 1:
                passing.append(folder / f"passing-{place}")
                passing[-1].write_text(row)
        os.sync()  # places are given out when data is written
        for path in passing:
            path.unlink()
    (folder / "target.csv").write_text("".join(f"{number:06d},0\n" for number in range(count)))
    return folder


def orders(folder: Path) -> dict[str, list[Path]]:
    """Return the orders to compare, that of a conversion first."""
    converted = in_order(folder)
    kept = set(converted)
    listed = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    shuffled = np.random.default_rng(0).permutation(len(converted)).tolist()
    return {
        "inode order, as seekless reads": converted,
        "as the folder lists them": [path for path in listed if path in kept],
        "by name": sorted(converted),
        "random": [converted[number] for number in shuffled],
    }


def measure(written: str, folder: Path) -> list[dict[str, Any]]:
    """Return a line for each order, or one that says why there is none."""
    all_orders = orders(folder)
    files = next(iter(all_orders.values()))
    try:
        pieces = {path: [piece[1:] for piece in extents(path)] for path in files}
    except OSError as error:
        return [
            {"written": written, "order": "none", "reason": f"the file system does not tell where files lie: {error}"}
        ]
    all_orders["by place: the least there can be"] = sorted(files, key=lambda path: pieces[path])
    found = {name: distance(pieces, order) for name, order in all_orders.items()}
    base = max(1, next(iter(found.values()))[0])
    return [
        {
            "written": written,
            "order": name,
            "files": len(files),
            "pieces": sum(map(len, pieces.values())),
            "jumps": jumps,
            "GB jumped over": total / 1e9,
            "MB a file": total / len(files) / 1e6,
            "times as far": total / base,
        }
        for name, (total, jumps) in found.items()
    ]


@click.command()
@click.option("--count", default=20_000, show_default=True, help="Files to make where no --data is given.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder to convert, of your own.")
@click.option("--work", type=click.Path(path_type=Path, exists=True), help="Make the files here: says on which disk.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(count: int, data: Path | None, work: Path | None, to: Path | None) -> None:
    """Add up the jumps between files in different orders."""
    with tempfile.TemporaryDirectory(dir=work) as made:
        if data is None:
            folders = {
                "at once": write_files(Path(made, "once"), count, 1),
                "in rounds": write_files(Path(made, "rounds"), count, ROUNDS),
            }
        else:
            folders = {data.name: data}
        rows = [row for written, folder in folders.items() for row in measure(written, folder)]
    state = "distances by FIEMAP, from the end of a piece to the start of the next; no file is read"
    report("Jumps of a disk's head between small files", state, rows, to)


if __name__ == "__main__":
    main()

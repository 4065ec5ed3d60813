"""What an epoch costs a real disk's head, which the emulated disk does not model: distances of seeks, and rotation.

    python benchmarks/disk/seeks.py [--count 5000] [--kind csv|png|photo] [--here] [--work FOLDER] [--json FILE]

Files are made, and packed by several ways, on the empty emulated disk (needs root), or --here in the work folder. Linux
tells where each byte lies (FIEMAP). Each way's reads, in its order, are then followed by a head:

    jump of a share d of the disk, 0 < d <= 1:   seek(d) = t1 + (-10 t1 + 15 ta - 5 tf) / 3 * sqrt(d)
                                                            + (7 t1 - 15 ta + 8 tf) / 3 * d
    then half a turn, then the bytes; a short jump forward is not dearer than reading what lies between.

The curve is that of E. K. Lee and R. H. Katz, "An analytic performance model of disk arrays" (SIGMETRICS 1993): the
square root is the head that speeds up and slows down, the rest the head at full speed, and three published times fix
it: to the next track (t1), on average (ta), across the disk (tf). Those here are of a 7,200 rpm disk, the Hitachi
Travelstar 7K320 (OEM specification 4.4.2: 1, 12 and 20 ms, half a turn 4.17 ms, 320 GB). Desktop disks seek in 8.5 ms
on average: --average-ms 8.5 --track-ms 0.8 --full-ms 16.

Our order is that of the reads that the store really asks for; loose files are in the order of a PyDataset, h5py and
np.memmap take the same rows, in whole pages of 4,096 bytes; TFRecord is read from end to end. Directories and inodes
are not counted, which only loose files need in any number.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emulated import Disk
from extents import Extent, extents, placed
from machine import report
from rivals.arrays import HDF5
from rivals.floors import Pass
from rivals.store import Store
from rivals.tfrecord import TFRecord
from rivals.way import Source
from sources import by_class, csv_files, digit_pngs, photo_pngs

PAGE = 4096
BATCH = 64
RPM = 7200
Read = tuple[Path, int, int]  # file, offset, bytes


@dataclass(frozen=True)
class Head:
    """A disk's head.

    Attributes:
        track: Seconds to the next track.
        average: Seconds of a seek on average.
        full: Seconds across the disk.
        half_turn: Seconds of half a turn.
        rate: Bytes a second.
        capacity: Bytes.
    """

    track: float
    average: float
    full: float
    half_turn: float
    rate: float
    capacity: float

    def seek(self, share: np.ndarray) -> np.ndarray:
        """Return the seconds of jumps, each a share of the disk, more than 0."""
        root = (-10 * self.track + 15 * self.average - 5 * self.full) / 3
        line = (7 * self.track - 15 * self.average + 8 * self.full) / 3
        return np.asarray(self.track + root * np.sqrt(share) + line * share)

    def follow(self, parts: np.ndarray) -> tuple[float, int, float]:
        """Return the seconds, the jumps, and the bytes jumped over of reads (n, 2): offset on the disk, bytes."""
        jumps = parts[1:, 0] - parts[:-1].sum(axis=1)
        away = jumps[jumps != 0]
        distance = np.abs(away)
        cost = self.seek(np.minimum(1.0, distance / self.capacity)) + self.half_turn
        cost = np.where(away > 0, np.minimum(cost, distance / self.rate), cost)
        first = self.average + self.half_turn
        return float(first + cost.sum() + parts[:, 1].sum() / self.rate), len(away), float(distance.sum())

    def scattered(self, reads: int, size: int) -> float:
        """Return the seconds of reads that lie anywhere on the disk."""
        return reads * (self.average + self.half_turn) + size / self.rate


def asked_for(store: Path) -> list[Read]:
    """Return the reads of an epoch of a store, as it asks the system for them."""
    from seekless import batches
    from seekless.loader.options import BatchOptions

    reads: list[Read] = []
    real = os.preadv

    def noted(descriptor: int, buffers: Any, offset: int, *flags: int) -> int:
        count = real(descriptor, buffers, offset, *flags)
        reads.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")), offset, count))
        return count

    options = {"reader": "pread"} if "reader" in BatchOptions.__dataclass_fields__ else {}
    os.preadv = noted  # type: ignore[assignment]
    try:
        for _ in batches(store, BATCH, **options):
            pass
    finally:
        os.preadv = real
    if not reads:
        raise SystemExit(f"{store}: found no read by preadv; the way that stores are read has changed")
    return reads


def whole(files: Iterable[Path]) -> list[Read]:
    return [(file, 0, file.stat().st_size) for file in files]


def rows_of(target: Path, count: int, fancy: bool) -> Iterator[Read]:
    """Yield the reads of batches of a dataset in one piece, by slices in random order or by fancy indices."""
    import h5py

    with h5py.File(target / "x.h5") as file:
        start, size = file["x"].id.get_offset(), file["x"].dtype.itemsize * int(np.prod(file["x"].shape[1:]))
    random = np.random.default_rng(0)
    if fancy:
        order = random.permutation(count)
        chosen = [np.sort(order[first : first + BATCH]) for first in range(0, count, BATCH)]
        runs = [(row, row + 1) for rows in chosen for row in rows.tolist()]
    else:
        runs = [(first, min(first + BATCH, count)) for first in random.permutation(range(0, count, BATCH)).tolist()]
    for first, last in runs:
        begin, end = start + first * size, start + last * size
        begin -= begin % PAGE
        yield target / "x.h5", begin, end + -end % PAGE - begin


def orders(source: Source, work: Path) -> dict[str, list[Read]]:
    """Pack the samples by several ways; return the reads of an epoch of each."""
    # Not by the numbers in whose order the files were written.
    random = np.random.default_rng([len(source.files), 1])
    shuffled = [source.files[number] for number in random.permutation(len(source.files)).tolist()]
    for way in (Store(), HDF5("slices"), TFRecord(), Pass()):
        (work / way.packed_as()).mkdir()
        way.pack(source, work / way.packed_as())
    os.sync()
    count = len(source.files)
    return {
        "loose files, random order": whole(shuffled),
        "loose files, by name": whole(source.files),
        "loose files, inode order": whole(sorted(source.files, key=lambda file: file.stat().st_ino)),
        "h5py or np.memmap, slices": list(rows_of(work / "hdf5", count, False)),
        "h5py or np.memmap, fancy": list(rows_of(work / "hdf5", count, True)),
        "TFRecord": whole([work / "tfrecord" / "data.tfrecord"]),
        "the store": asked_for(work / "store" / "data.h5"),
        "floor: dd of the bytes": whole([work / "pass" / "x.npy"]),
    }


def measure(all_orders: dict[str, list[Read]], head: Head) -> list[dict[str, Any]]:
    """Return a line for each order, or one that says why there is none."""
    pieces: dict[Path, list[Extent]] = {}
    try:
        for path in {path for reads in all_orders.values() for path, _, _ in reads}:
            pieces[path] = extents(path)
    except OSError as error:
        return [{"order": "none", "reason": f"the file system does not tell where files lie: {error}"}]
    rows = []
    for name, reads in all_orders.items():
        parts = np.array([part for path, *span in reads for part in placed(pieces[path], *span)], np.int64)
        seconds, jumps, over = head.follow(parts)
        row = {"order": name, "jumps": jumps, "GB jumped over": over / 1e9, "MB read": parts[:, 1].sum() / 1e6}
        scattered = head.scattered(len(reads), parts[:, 1].sum()) if name.startswith("loose") else seconds
        rows.append({**row, "seconds": seconds, "files all over": scattered})
    own = next(row for row in rows if row["order"] == "the store")["seconds"]
    return [{**row, "times the store": row["seconds"] / own} for row in rows]


@click.command()
@click.option("--kind", type=click.Choice(["csv", "png", "photo"]), default="csv", show_default=True)
@click.option("--count", default=5_000, show_default=True, help="Files.")
@click.option("--here", is_flag=True, help="Make them in the work folder instead of on an empty disk.")
@click.option("--track-ms", default=1.0, show_default=True)
@click.option("--average-ms", default=12.0, show_default=True)
@click.option("--full-ms", default=20.0, show_default=True)
@click.option("--rate", default=150.0, show_default=True, help="MB a second, that of the emulated disk.")
@click.option("--capacity", default=320.0, show_default=True, help="GB.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    kind: str,
    count: int,
    here: bool,
    track_ms: float,
    average_ms: float,
    full_ms: float,
    rate: float,
    capacity: float,
    work: Path | None,
    to: Path | None,
) -> None:
    """Follow a disk's head through an epoch of each way."""
    head = Head(track_ms / 1e3, average_ms / 1e3, full_ms / 1e3, 30 / RPM, rate * 1e6, capacity * 1e9)
    reason = None if here else Disk.why_not()
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder, Disk.maybe(not (here or reason), Path(folder), 2**32) as disk:
        place = Path(folder) if disk is None else disk.mount
        if kind == "csv":
            source = by_class(csv_files(place, count, None))
        else:
            source = digit_pngs(place, count) if kind == "png" else photo_pngs(place, count)[0]
        (place / "packed").mkdir()
        rows = measure(orders(Source(source), place / "packed"), head)
    where = (
        f"in the work folder{f', as the empty disk {reason}' if reason else ''}" if disk is None else "an empty disk"
    )
    state = (
        f"no clock: places by FIEMAP, {where}; seeks of {track_ms:g}, {average_ms:g} and {full_ms:g} ms, {RPM:,} rpm, "
        f"{capacity:,.0f} GB, {rate:g} MB/s; directories and inodes not counted"
    )
    report(f"A disk's head through an epoch of {count:,} {kind} files", state, rows, to, kind=kind, count=count)


if __name__ == "__main__":
    main()

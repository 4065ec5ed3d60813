"""Seconds and memory to open very big stores, against reading the same bytes of metadata plainly.

    python benchmarks/opening.py [--samples 1400000] [--chunks 50000] [--repeats 5] [--disk] [--json FILE]

An NPY store of photographs, 256 x 256 x 3, all zeros, which take no room on a file system with sparse files, and an
HDF5 store whose blocks are one page each. Each measurement is a process of its own, after all imports. `--disk` adds
the emulated spinning disk of benchmarks/disk/disk.sh (needs root), its page cache dropped before each measurement.
Memory is told on Linux alone.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
from machine import report

import seekless
from seekless.store import npy
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Field, Header, label_block_length, sample_block_length

HERE = Path(__file__).resolve().parent
DISK = HERE / "disk" / "disk.sh"
PAGE = 4096
WAYS = ("plain reads", "h5py.File", "seekless.open")


def make_npy(folder: Path, length: int) -> None:
    """Write an NPY store of zeros in files with holes."""
    shapes: Mapping[str, tuple[tuple[int, ...], str]] = {
        "x": ((256, 256, 3), "u1"),
        "y": ((), "<i8"),
        "key": ((), "S24"),
    }
    fields, checks = {}, {}
    folder.mkdir()
    for name, (shape, dtype) in shapes.items():
        encoding = Encoding(np.dtype(dtype), np.dtype(dtype))
        size = int(np.prod(shape)) * encoding.dtype.itemsize
        block_length = sample_block_length(size, length) if name == "x" else label_block_length(size, length)
        fields[name] = Field(name, shape, encoding, block_length)
        sizes = npy.block_sizes(fields[name], length).tolist()
        check_of = {size: zlib.crc32(bytes(size)) for size in set(sizes)}
        checks[name] = [check_of[size] for size in sizes]
        head = npy.array_head(fields[name], length)
        (folder / f"{name}.npy").write_bytes(head)
        os.truncate(folder / f"{name}.npy", len(head) + sum(sizes))
    header = Header(length, fields, shuffled=True, seed=0, created_by="benchmarks/opening.py")
    (folder / npy.DESCRIPTION).write_bytes(npy.describe(header, checks))


def make_hdf5(path: Path, chunks: int) -> None:
    """Write an HDF5 store of one page a block: 64 samples of 64 bytes."""
    field = Field("x", (64,), Encoding(np.dtype("u1"), np.dtype("u1")), PAGE // 64)
    header = Header(chunks * PAGE // 64, {"x": field}, shuffled=True, seed=0, created_by="benchmarks/opening.py")
    with HDF5Writer(path, header) as writer:
        for number in range(chunks):
            writer.append("x", bytes([number % 256]) * PAGE)


def fronts(path: Path) -> dict[str, int]:
    """Return for each file of a store how many bytes at its front are no blocks."""
    if path.is_dir():
        described = path / npy.DESCRIPTION
        return {**{str(file): PAGE for file in path.glob("*.npy")}, str(described): described.stat().st_size}
    return {str(path): int(seekless.open(path).tables["x"].offset.min())}


def read_plainly(sizes: Mapping[str, int]) -> None:
    """Read the fronts of files, 128 KiB a call: HDF5's has holes, between which the kernel would cut longer reads."""
    for file, size in sizes.items():
        with open(file, "rb", buffering=0) as raw:
            left = size
            while left > 0:
                left -= len(raw.read(min(left, 128 << 10)))


def most_memory(*, anew: bool = False) -> int:
    """Return the most resident memory of this process in bytes, since the last call with `anew`; 0 if not on Linux.

    What `getrusage` tells begins with the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))


def measure(way: str, path: str, sizes: str) -> None:
    """Open a store in one of the ways in this process; print seconds, and bytes of peak memory that it added."""
    openers: dict[str, Callable[[], Any]] = {
        "plain reads": partial(read_plainly, json.loads(sizes)),
        "h5py.File": lambda: h5py.File(path, "r").close(),
        "seekless.open": partial(seekless.open, path),
    }
    before = most_memory(anew=True)
    start = time.perf_counter()
    openers[way]()
    seconds = time.perf_counter() - start
    print(seconds, most_memory() - before)


def compare(cache: str, stores: list[Path], repeats: int, *prefix: str) -> list[dict[str, Any]]:
    """Measure each store in each way, in turn; return a row for each with its median."""
    rows = []
    for path in stores:
        store, front = seekless.open(path), fronts(path)
        ways = [way for way in WAYS if path.is_file() or way != "h5py.File"]
        command = [*prefix, sys.executable, __file__]
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                whole = [*command, "--measure", way, str(path), json.dumps(front)]
                done = subprocess.run(whole, capture_output=True, text=True, check=True)
                seconds, grown = map(float, done.stdout.split())
                found[way].append((seconds, grown))
        blocks = sum(map(len, store.tables.values()))
        for way in ways:
            seconds_of, grown_of = zip(*found[way], strict=True)
            row = {"store": path.name, "samples": len(store), "blocks": blocks, "cache": cache, "by": way}
            row |= {"metadata MB": sum(front.values()) / 1e6, "seconds": statistics.median(seconds_of)}
            row |= {"least": min(seconds_of), "most": max(seconds_of)}
            row["peak bytes a block"] = round(statistics.median(grown_of) / blocks)
            rows.append(row)
    return rows


def make_stores(folder: Path, samples: int, chunks: int) -> list[Path]:
    """Write both stores."""
    stores = [folder / "photographs.npy.d", folder / "chunks.h5"]
    make_npy(stores[0], samples)
    make_hdf5(stores[1], chunks)
    return stores


def on_disk(samples: int, chunks: int, repeats: int) -> list[dict[str, Any]]:
    """Make the stores on the emulated disk, and open them cold."""
    mount = Path(subprocess.run([DISK, "up"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        return compare("cold", make_stores(mount, samples, chunks), repeats, str(DISK), "cold")
    finally:
        subprocess.run([DISK, "down"], check=True)


@click.command()
@click.option("--measure", "way", type=click.Choice(WAYS), hidden=True)
@click.argument("inside", nargs=-1)
@click.option("--samples", default=1_400_000, show_default=True, help="Samples of the NPY store, 196,608 bytes each.")
@click.option("--chunks", default=50_000, show_default=True, help="Blocks of the HDF5 store.")
@click.option("--repeats", default=5, show_default=True, help="Measurements of each, in turn.")
@click.option("--disk", is_flag=True, help="Also cold, on the emulated spinning disk.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    way: str | None, inside: tuple[str, ...], samples: int, chunks: int, repeats: int, disk: bool, to: Path | None
) -> None:
    """Open both stores, and read their metadata plainly."""
    if way is not None:
        measure(way, *inside)
        return
    with tempfile.TemporaryDirectory() as folder:
        stores = make_stores(Path(folder), samples, chunks)
        compare("warm", stores, 1)  # what is read once is in the page cache
        rows = compare("warm", stores, repeats)
    state = f"warm: page cache; median of {repeats} in turn; peak resident memory that opening added"
    if disk:
        rows += on_disk(samples, chunks, repeats)
        state += "; cold: emulated spinning disk, 120 reads/s, 150 MB/s, 128 KiB read-ahead, cache dropped each time"
    report("Opening very big stores", state, rows, to)


if __name__ == "__main__":
    main()

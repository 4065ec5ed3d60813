"""Seconds of an epoch from a store that is reached by URL, each request of which waits, against a local copy.

    python benchmarks/remote_store.py [--mb 512] [--delay 50] [--repeats 3] [--work FOLDER] [--json FILE]

The store is of values that no codec makes smaller, 64 x 64 x 3, in blocks of 1 MiB or by --block-kb. The server is
benchmarks/slow_server.py, on this machine: its connections are as fast as memory, so that nothing but the wait for each
request is measured. Each measurement is a process of its own, after all imports, and holds the opening. Beside seekless
stand what one would write without it: a request for each block, one after the other, and h5py on fsspec's file object.
Memory is told on Linux alone.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
from machine import report
from opening import most_memory

import seekless

HERE = Path(__file__).resolve().parent
BATCH = 256
SHAPE = (64, 64, 3)
LOCAL = ("local, page cache hot", "local, page cache cold")
REMOTE = ("by URL, seekless", "by URL, a request a block", "by URL, h5py on fsspec")


def make_store(path: Path, size: int, block_bytes: int) -> None:
    """Write a store of noise."""
    random, sample = np.random.default_rng(0), int(np.prod(SHAPE))
    length = max(BATCH, size // sample)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, length, 1024):
            count = min(1024, length - start)
            yield random.integers(0, 256, (count, *SHAPE), dtype=np.uint8), np.arange(start, start + count) % 10

    seekless.write(path, batches(), compression="none", block_bytes=block_bytes, overwrite=True)


def by_seekless(place: str) -> Iterator[np.ndarray]:
    """Yield the batches of an epoch."""
    for x, _ in seekless.batches(place, BATCH, shuffle="window"):
        yield x


def by_block(place: str) -> Iterator[np.ndarray]:
    """Yield blocks in random order, each asked for when the one before it is used up."""
    import fsspec

    table = seekless.open(place).tables["x"]  # where blocks lie; nobody keeps this himself
    system, path = fsspec.core.url_to_fs(place)
    for block in np.random.default_rng(0).permutation(len(table)).tolist():
        start = int(table.offset[block])
        data = system.cat_file(path, start=start, end=start + int(table.nbytes[block]))
        yield np.frombuffer(data, np.uint8).reshape(-1, *SHAPE) / np.float32(255)


def by_h5py(place: str) -> Iterator[np.ndarray]:
    """Yield chunks in random order."""
    import fsspec

    with fsspec.open(place, "rb") as raw, h5py.File(raw, "r") as file:
        x = file["x"]
        for start in np.random.default_rng(0).permutation(range(0, len(x), x.chunks[0])).tolist():
            yield x[start : start + x.chunks[0]] / np.float32(255)


WAYS = {
    **dict.fromkeys(LOCAL, by_seekless),
    **dict(zip(REMOTE, (by_seekless, by_block, by_h5py), strict=True)),
}


def measure(way: str, place: str) -> None:
    """Go through an epoch in this process; print seconds to the first batch and to the last, and peak bytes."""
    if "://" in place:
        __import__("upath").UPath(place).fs  # noqa: B018 (its imports take half a second)
    samples, first = 0, 0.0
    before = most_memory(anew=True)
    start = time.perf_counter()
    for x in WAYS[way](place):
        samples += len(x)
        first = first or time.perf_counter() - start
    seconds = time.perf_counter() - start
    print(json.dumps([samples, first, seconds, most_memory() - before]))


@contextmanager
def server(folder: Path, delay: float) -> Iterator[str]:
    """Serve a folder; yield its address."""
    command = [sys.executable, HERE / "slow_server.py", folder, str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def requests(address: str) -> int:
    """Return how many requests there were since this was last asked."""
    with urllib.request.urlopen(f"{address}/requests") as answer:
        return int(answer.read())


def forget(path: Path) -> None:
    """Drop a file from the page cache, where the system can."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file, contextlib.suppress(OSError):
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compare(store: Path, delay: float, repeats: int) -> dict[str, list[list[float]]]:
    """Measure all ways in turn; return samples, seconds to the first batch, seconds, bytes, requests of each turn."""
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    with server(store.parent, delay) as address:
        for _ in range(repeats):
            for way, turns in found.items():
                if way == LOCAL[1]:
                    forget(store)
                elif way == LOCAL[0]:
                    store.read_bytes()
                place = f"{address}/{store.name}" if way in REMOTE else str(store)
                command = [sys.executable, __file__, "--measure", way, place]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise click.ClickException(f"{way}: {done.stderr}")
                turns.append([*json.loads(done.stdout), requests(address)])
    return found


def row(way: str, turns: list[list[float]], size: int, least: float) -> dict[str, Any]:
    """Return a line of the table."""
    samples, first, seconds, memory, asked = (statistics.median(column) for column in zip(*turns, strict=True))
    return {
        "way": way,
        "seconds": seconds,
        "times local": seconds / least,
        "MB/s": size / 1e6 / seconds,
        "first batch s": first,
        "requests": round(asked),
        "memory MB": round(memory / 1e6),
        "samples": round(samples),
    }


@click.command()
@click.option("--measure", "way", type=click.Choice(list(WAYS)), hidden=True)
@click.argument("place", required=False)
@click.option("--mb", default=512.0, show_default=True, help="Size of the store.")
@click.option("--block-kb", default=1024, show_default=True, help="Size of its blocks.")
@click.option("--delay", default=50.0, show_default=True, help="Milliseconds that each request waits.")
@click.option("--repeats", default=3, show_default=True, help="Turns of each way.")
@click.option("--work", type=click.Path(path_type=Path), help="Make the store here.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(
    way: str | None,
    place: str | None,
    mb: float,
    block_kb: int,
    delay: float,
    repeats: int,
    work: Path | None,
    to: Path | None,
) -> None:
    """Make the store, and read it in every way."""
    if way is not None and place is not None:
        measure(way, place)
        return
    with tempfile.TemporaryDirectory(dir=work) as folder:
        store = Path(folder) / "data.h5"
        make_store(store, int(mb * 1e6), block_kb << 10)
        table = seekless.open(store).tables["x"]
        found = compare(store, delay, repeats)
    least = statistics.median(turn[2] for turn in found[LOCAL[0]])
    state = (
        f"{table.stored_bytes / 1e6:,.0f} MB in {len(table):,} blocks, {delay:g} ms a request, batches of {BATCH}, "
        f"window 256 MiB; median of {repeats} in turn, opening included; cold: dropped by posix_fadvise"
    )
    title = "An epoch from a store that is reached by URL"
    report(title, state, [row(one, turns, table.stored_bytes, least) for one, turns in found.items()], to, turns=found)


if __name__ == "__main__":
    main()

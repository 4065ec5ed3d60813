"""Train from a store far larger than the memory that the process may use, the page cache included.

    python benchmarks/loader_memory.py [--gib 8] [--limit-mib 1536] [--epochs 2] [--disk] [--work FOLDER] [--json FILE]

A store of noise, which no codec makes smaller, is written; a training reads all of it each epoch, in a cgroup that has
that much memory (needs root). The rate is compared with that of reading the same store from end to end in pieces of
1 MiB, as dd does, in the same group; both begin without anything of it in the page cache. With --disk the store lies on
the emulated spinning disk of benchmarks/disk/disk.sh. Memory is anonymous and shared memory: the page cache counts in
the group, not here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import report
from processes import memory_group, why_no_group
from sources import SIDE

import seekless

HERE = Path(__file__).resolve().parent
DISK = HERE / "disk" / "disk.sh"
GIB, MIB = 1 << 30, 1 << 20
TOGETHER = 256


def noise(size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield samples until they are so many bytes; the same 16 MiB turned about, which is far apart for any codec."""
    random = np.random.default_rng(0).integers(0, 256, 16 * MIB + SIDE * SIDE * 3 * TOGETHER, np.uint8)
    for start in range(0, max(size, 1), SIDE * SIDE * 3 * TOGETHER):
        count = min(TOGETHER, -(-(max(size, 1) - start) // (SIDE * SIDE * 3)))
        begin = start * 7919 % (16 * MIB)
        x = random[begin : begin + count * SIDE * SIDE * 3].reshape(count, SIDE, SIDE, 3)
        yield x ^ np.uint8(start // (SIDE * SIDE * 3 * TOGETHER) % 256), np.arange(count) % 10


def drop_cached(file: Path) -> None:
    """Let nothing of a file be in the page cache."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask(what: str, prefix: list[str], **options: Any) -> dict[str, Any]:
    """Measure in a process of the group."""
    command = [*prefix, sys.executable, str(HERE / "loading.py"), what, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what}: exit code {done.returncode} (-9: killed for want of memory)\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(store: Path, limit: int, epochs: int, prefix: list[str]) -> list[dict[str, Any]]:
    """Train and read in a group; return a line for each epoch."""
    with memory_group(limit) as group:
        drop_cached(store)
        read = ask("dd", [*group, *prefix], file=str(store))
        drop_cached(store)
        found = ask("train", [*group, *prefix], store=str(store), epochs=epochs)
    return [
        {
            "epoch": epoch + 1,
            "seconds": seconds,
            "MB/s": store.stat().st_size / 1e6 / seconds,
            "of dd": read["seconds"] / seconds,
            "peak MiB": found["peaks"][epoch] / MIB,
            "over the imports MiB": (found["peaks"][epoch] - found["before"]) / MIB,
            "bound MiB": (2 * found["window"] + 4 * found["batch"]) / MIB + 250,
        }
        for epoch, seconds in enumerate(found["seconds"])
    ]


@click.command()
@click.option("--gib", default=8.0, show_default=True, help="Size of the store.")
@click.option("--limit-mib", default=1536, show_default=True, help="Memory of the group, the page cache included.")
@click.option("--epochs", default=2, show_default=True)
@click.option("--disk", is_flag=True, help="Also on the emulated spinning disk.")
@click.option("--work", type=click.Path(path_type=Path), help="Make the store here.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(gib: float, limit_mib: int, epochs: int, disk: bool, work: Path | None, to: Path | None) -> None:
    """Train from a large store in little memory."""
    reason = why_no_group()
    with tempfile.TemporaryDirectory(dir=work) as folder:
        store = Path(folder) / "large.h5"
        seekless.write(store, noise(int(gib * GIB)), compression="none", shuffle=False)
        rows: list[dict[str, Any]] = []
        if reason is None:
            rows = [{"on": "this disk", **row} for row in measure(store, limit_mib * MIB, epochs, [])]
        if reason is None and disk:
            mount = Path(
                subprocess.run(
                    [DISK, "up", str(int(gib) + 2)], capture_output=True, text=True, check=True
                ).stdout.strip()
            )
            try:
                there = mount / "large.h5"
                shutil.move(store, there)
                rows += [
                    {"on": "emulated disk", **row}
                    for row in measure(there, limit_mib * MIB, epochs, [str(DISK), "warm"])
                ]
            finally:
                subprocess.run([DISK, "down"], check=True)
    note = f"no run in a cgroup: {reason}" if reason else f"{limit_mib} MiB for the process and its page cache"
    rows = rows or [{"on": "nothing", "why": reason}]
    report(f"Training from a store of {gib:g} GiB", f"dense layer, batch 64, all defaults; {note}", rows, to)


if __name__ == "__main__":
    main()

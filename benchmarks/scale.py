"""Conversions on a Dask cluster of this machine at three sizes, against a model; and what it says of far larger ones.

    python benchmarks/scale.py [--counts 5000,15000,45000] [--workers 2] [--work FOLDER] [--json FILE]

Pictures of 28 x 28, so that what is measured is what a sample costs beside its bytes. The model's constants are drawn
through the first two sizes; the third is foretold by them and then measured. Counts of tasks and files follow from the
code alone. Memory is anonymous memory at the most, above what is there after imports; page cache hot.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click
from machine import report
from scale_model import Case, Costs, plan, seconds
from sources import digit_pngs, warm

MEMORY, SHARD = 64 << 20, 4 << 20
PB, TB, GB, MB = 1e15, 1e12, 1e9, 1e6
# Seconds of a core for a photograph of 256 x 256 x 3 as PNG, all in all, as benchmarks/convert.py has it.
DECODING = 2.4e-3
# A petabyte of pictures on 1,000 machines, and what fits one rack and one machine.
CASES = {
    "1 PB, 10 billion files, 1,000 workers": Case(10**10, 100e3, 143e3, 100e3, 8e9, 1000, 16, 64e9, DECODING),
    "10 TB, 100 million files, 100 workers": Case(10**8, 100e3, 143e3, 100e3, 8e9, 100, 16, 64e9, DECODING),
    "1 TB, 10 million files, 10 workers": Case(10**7, 100e3, 143e3, 100e3, 8e9, 10, 16, 64e9, DECODING),
}
DISK, NETWORK, SEEK = 150e6, 1.25e9, 8e-3


class Watch(threading.Thread):
    """Looks, as long as a block of `with` lasts, at the files beside a store that is being made, and at memory.

    Attributes:
        sheaves: The bytes of each sheaf that was seen.
        journal: Bytes of the journal, at the most.
        client_bytes: Anonymous memory of this process above what it was, at the most.

    Args:
        store: The store's path.
    """

    def __init__(self, store: Path) -> None:
        super().__init__()
        self.sheaves: dict[str, int] = {}
        self.journal = 0
        self.client_bytes = 0
        self._parts = store.with_name(f"{store.name}.parts")
        self._over = threading.Event()
        self._before = anonymous()

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look, fifty times a second."""
        while not self._over.wait(0.02):
            self.client_bytes = max(self.client_bytes, anonymous() - self._before)
            for file in self._parts.glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    self._note(file.name, file.stat().st_size)

    def _note(self, name: str, size: int) -> None:
        if name.startswith("sheaf-"):
            self.sheaves[name] = max(size, self.sheaves.get(name, 0))
        elif name.startswith("journal"):
            self.journal = max(self.journal, size)


@contextlib.contextmanager
def counted_tasks() -> Iterator[Counter[str]]:
    """Count the tasks that clusters are given, by the name of what they do."""
    from seekless.convert.dask_cluster import Cluster

    tasks, real = Counter[str](), Cluster.work

    def work(self: Any, do: Any, wanted: Iterable[Any], *rest: Any, **options: Any) -> Any:
        def each() -> Iterator[Any]:
            for task in wanted:
                tasks[do.__name__] += 1
                yield task

        return real(self, do, each(), *rest, **options)

    with mock.patch.object(Cluster, "work", work):
        yield tasks


def convert(source: Path, store: Path, workers: int, shard: int) -> dict[str, Any]:
    """Convert on a cluster in this process' charge; return what was seen."""
    import distributed

    import seekless

    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        counted_tasks() as tasks,
    ):
        client.wait_for_workers(workers)
        used, spent = cpu_seconds(), sum(client.run(cpu_seconds).values())
        with Watch(store) as watch:
            start = time.perf_counter()
            done = seekless.pack(source, store, dask=client, memory=MEMORY, shard_bytes=shard, progress=False)
            wall = time.perf_counter() - start
        used, spent = cpu_seconds() - used, sum(client.run(cpu_seconds).values()) - spent
    opened = seekless.open(store)
    blocks = int(opened.tables["x"].nbytes.sum())
    return {
        "file bytes": done.bytes_in / done.samples,
        "shards": max(1, len(opened.shards)),
        "shard samples": len(seekless.open(opened.shards[0])) if opened.shards else len(opened),
        "read tasks": tasks["read_runs"],
        "sheaves": len(watch.sheaves),
        "sheaf bytes": sum(watch.sheaves.values()),
        "gather tasks": tasks["make_shard"] + tasks["make_blocks"],
        "metadata bytes": opened.nbytes - blocks,
        "journal bytes": watch.journal,
        "client bytes": watch.client_bytes,
        "client seconds": used,
        "worker seconds": spent,
        "seconds": wall,
    }


def cpu_seconds() -> float:
    """Return the seconds that this process has had of a core."""
    return sum(os.times()[:2])


def anonymous() -> int:
    """Return bytes of anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def line(found: list[dict[str, Any]], counts: list[int], name: str) -> tuple[float, float]:
    """Return where a line through two measurements begins, and what it rises by for a sample."""
    (a, b), (n, m) = (run[name] for run in found[:2]), counts[:2]
    slope = (b - a) / (m - n)
    return a - slope * n, slope


def compared(
    counts: list[int], found: list[dict[str, Any]], alone: dict[str, Any], workers: int
) -> tuple[list[dict[str, Any]], Costs]:
    """Return a line for each figure: what was measured, and what the model says of the last size.

    Args:
        counts: Three numbers of files.
        found: What was measured of each.
        alone: What was measured of the first in one shard.
        workers: Worker processes.
    """
    rows = []
    size, shards = found[-1]["file bytes"], [run["shards"] for run in found]
    # A shard holds whole blocks.
    cut = plan(Case(counts[-1], size, 784, 784, found[-1]["shard samples"] * 784, workers, 1, MEMORY))
    a_shard = (found[0]["metadata bytes"] - alone["metadata bytes"]) / max(1, shards[0] - alone["shards"])
    metadata = (found[1]["metadata bytes"] - a_shard * shards[1]) / counts[1]
    by_plan = {"read tasks": cut.read_tasks, "sheaves": cut.sheaves, "gather tasks": cut.gather_tasks}
    slopes = {}
    for name in [name for name in found[0] if name not in ("file bytes", "shards", "shard samples")]:
        begin, slopes[name] = line(found, counts, name)
        if name == "metadata bytes":
            begin, slopes[name] = a_shard * shards[-1], metadata
        foretold = by_plan.get(name, begin + slopes[name] * counts[-1])
        rows.append(
            {
                "what": name,
                **{f"{count:,} files": run[name] for count, run in zip(counts, found, strict=True)},
                "foretold": foretold,
                "by": "the code" if name in by_plan else "the first two",
                "measured / foretold": found[-1][name] / foretold if foretold else None,
                "a sample": None if name in by_plan else slopes[name],
            }
        )
    costs = [f"{name} {what}" for name, what in (("client", "bytes"), ("client", "seconds"), ("worker", "seconds"))]
    return rows, Costs(*(slopes[name] for name in costs), metadata, a_shard, slopes["journal bytes"])


def foretold(costs: Costs) -> list[dict[str, Any]]:
    """Return a line for each figure of the cases."""
    columns: dict[str, dict[str, float]] = {}
    for name, case in CASES.items():
        cut = plan(case)
        columns[name] = {
            "tasks of the first pass": cut.read_tasks,
            "sheaves": cut.sheaves,
            "tasks of the second pass": cut.gather_tasks,
            "tasks that the scheduler knows at a time": cut.waiting_tasks,
            "reads of the second pass": cut.pieces,
            "bytes of such a read": cut.piece_bytes,
            "sheaves, TB": cut.sheaf_bytes / TB,
            "metadata of the store, GB": (case.samples * costs.metadata_bytes + cut.gather_tasks * costs.shard_bytes)
            / GB,
            "journal, GB": case.samples * costs.journal_bytes / GB,
            "memory of the client, GB": case.samples * costs.client_bytes / GB,
            "memory of the scheduler's tasks, GB": cut.scheduler_bytes / GB,
            "memory of a worker, GB": cut.worker_bytes / GB,
            **{f"{part}, hours": took / 3600 for part, took in seconds(case, costs, DISK, NETWORK, SEEK).items()},
        }
    first = next(iter(columns.values()))
    return [{"what": what, **{name: column[what] for name, column in columns.items()}} for what in first]


@click.command()
@click.option("--counts", default="5000,15000,45000", show_default=True, help="Files, three sizes.")
@click.option("--workers", default=2, show_default=True, help="Worker processes.")
@click.option("--work", type=click.Path(path_type=Path), help="Make files here, and keep them.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--one", nargs=2, type=click.Path(path_type=Path), hidden=True)
@click.option("--shard", default=SHARD, hidden=True)
def main(
    counts: str, workers: int, work: Path | None, to: Path | None, one: tuple[Path, Path] | None, shard: int
) -> None:
    """Compare the model with conversions, and say what it foretells."""
    if one is not None:
        print(json.dumps(convert(*one, workers, shard)))
        return
    sizes = [int(count) for count in counts.split(",")]
    if len(sizes) != 3:
        raise click.BadParameter(f"found {counts}, expected three sizes", param_hint="--counts")
    found = []
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for count, shard_bytes in [*((count, SHARD) for count in sizes), (sizes[0], 1 << 40)]:
            source = digit_pngs(work or Path(folder), count)
            warm(source)
            store = Path(folder) / f"{count}-{shard_bytes}.h5"
            command = [sys.executable, __file__, "--workers", str(workers), "--shard", str(shard_bytes)]
            done = subprocess.run([*command, "--one", source, store], capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    rows, costs = compared(sizes, found[:3], found[3], workers)
    state = f"{workers} worker processes of one thread, --memory {MEMORY >> 20} MiB, shards of {SHARD >> 20} MiB"
    report("Conversions on a cluster of this machine, against the model", f"page cache hot; {state}", rows, None)
    more = foretold(costs)
    rates = (
        f"{DISK / MB:.0f} MB/s and {SEEK * 1e3:.0f} ms a seek of each worker's disk, {NETWORK / GB:.2f} GB/s of network"
    )
    report(
        "What the model foretells",
        f"files of 100 kB, shards of 8 GB, 16 threads and 64 GB a worker; {rates}",
        more,
        None,
    )
    if to is not None:
        report("Scale", f"page cache hot; {state}; {rates}", rows, to, foretold=more, costs=vars(costs))


if __name__ == "__main__":
    main()

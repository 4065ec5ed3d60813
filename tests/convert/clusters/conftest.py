"""Dask clusters: one of processes of this test, and ones that are started by the commands that users give."""

import contextlib
import hashlib
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import seekless


@pytest.fixture(scope="session", autouse=True)
def distributed() -> ModuleType:
    """Dask's package of this name; without it no test here can be run."""
    return pytest.importorskip("distributed")


COUNT = 1000


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Path:
    """1,000 files: of few bytes each, so that a cluster has work for a second or two; some need a larger dtype."""
    root = tmp_path_factory.mktemp("cluster") / "data"
    (root / "train").mkdir(parents=True)
    for n in range(COUNT):
        values = ",".join(str((n * 7 + place) % 61 / (255 if n < 800 else 1)) for place in range(48))
        (root / f"train/{n:04d}.csv").write_text(f"{values}\n")
    (root / "target.csv").write_text("".join(f"{n:04d},{n % 10}\n" for n in range(COUNT)))
    return root


# Enough for several sheaves, partitions and blocks of so few bytes.
SMALL = {"memory": 1 << 20, "block_bytes": 8000, "compression": "zstd"}
WAYS = {"one file": SMALL, "shards": {**SMALL, "shard_bytes": 60_000}}


@pytest.fixture
def ways() -> dict[str, dict[str, object]]:
    return WAYS


@pytest.fixture(scope="session")
def expected(source) -> dict[str, str]:
    """What this machine's own processes make of it, by the names of `WAYS`."""
    sums = {}
    for name, options in WAYS.items():
        path = source.parent / name.replace(" ", "-") / "data.h5"
        path.parent.mkdir()
        seekless.pack(source, path, progress=False, workers=0, **options)
        sums[name] = content(path)
    return sums


def content(path: Path) -> str:
    """One hash over the names and bytes of all files of a store."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir() if path.is_dir() else seekless.open(path).files):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def content_of() -> Callable[[Path], str]:
    return content


@pytest.fixture(scope="module")
def cluster(distributed: ModuleType) -> Iterator[object]:
    """Three worker processes, each of one thread; tests of other folders count the processes that are left."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=":0", memory_limit=0, silence_logs=logging.CRITICAL + 1
    ) as local:
        yield local


class Started:
    """A scheduler and workers, each a command in a process of its own.

    Args:
        folder: For what they write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def start_scheduler(self, host: str = "127.0.0.1") -> None:
        self._file.unlink(missing_ok=True)
        command = ["scheduler", "--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)]
        self.scheduler = self._start(command)
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, ValueError):
                self.address = json.loads(self._file.read_text())["address"]
                return
            assert self.scheduler.poll() is None, self.log()
            assert time.monotonic() < end
            time.sleep(0.02)

    def start_worker(self, *before: str) -> None:
        """Start a worker; `before` are the words that its command begins with."""
        command = ["worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60"]
        self.workers.append(self._start([*command, "--local-directory", str(self._folder)], *before))

    def _start(self, command: list[str], *before: str) -> "subprocess.Popen[bytes]":
        with open(self._folder / "log", "ab") as log:
            process = subprocess.Popen([*before, sys.executable, "-m", "dask", *command], stdout=log, stderr=log)
        self._all.append(process)
        return process

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def stop(self) -> None:
        for process in self._all:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def started(tmp_path_factory) -> Iterator[Started]:
    commands = Started(tmp_path_factory.mktemp("started"))
    yield commands
    commands.stop()


@pytest.fixture
def in_small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 16 files, so that so few of them are many tasks."""
    monkeypatch.setattr("seekless.source.samples.RUN_FILES", 16)


def at(name: str, share: float, act: Callable[[], object]) -> Callable[[seekless.progress.Progress], None]:
    """Return what is called with the progress of a pass, and acts once so much of it is done."""
    done = []

    def follow(progress: seekless.progress.Progress) -> None:
        if not done and progress.name == name and share * progress.total <= progress.done < progress.total:
            done.append(True)
            act()

    follow.done = done
    return follow


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """The function `at`; what it returns is called with all progress, not ten times a second."""
    monkeypatch.setattr("seekless.progress._Calls.every", 0.0)
    return at

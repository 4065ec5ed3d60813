"""Run a command as a process: how long it takes, and how much memory it takes with all its children."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Footprint", "footprint", "memory_group", "pin", "processes_of", "timed", "told", "why_no_group"]

SAMPLE_EVERY = 0.02  # seconds between two looks at the memory of all processes
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Footprint:
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        tree: Bytes of proportional set size that its processes had together at the most, as sampled.
        parent: Bytes of memory that the first of them had at the most.
        code: Its exit code; -9 where the system killed it for want of memory.
        said: What it wrote to stderr.
    """

    seconds: float
    tree: int
    parent: int
    code: int
    said: str


def pin(cores: int) -> int:
    """Keep this process and those it starts to so many cores; return how many it has then."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    own = sorted(os.sched_getaffinity(0))[-cores:]
    os.sched_setaffinity(0, own)
    return len(own)


def timed(command: Command) -> tuple[float, str]:
    """Run a command; return its seconds, from its start to its end, and what it said on stderr.

    Raises:
        SystemExit: It failed; the message is what it said.
    """
    start = time.perf_counter()
    done = _run(command)
    return time.perf_counter() - start, done.stderr


def told(command: Command) -> dict[str, Any]:
    """Run a command; return the JSON in the last line of its stdout.

    Raises:
        SystemExit: It failed; the message is what it said.
    """
    found: dict[str, Any] = json.loads(_run(command).stdout.splitlines()[-1])
    return found


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done


def footprint(command: Command) -> Footprint:
    """Run a command and look at the memory of its processes many times a second; Linux only."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    tree = parent = 0
    while process.poll() is None:
        tree = max(tree, sum(map(_proportional, processes_of(process.pid))))
        parent = max(parent, _kibibytes(process.pid, "status", "VmHWM:"))
        time.sleep(SAMPLE_EVERY)
    seconds = time.perf_counter() - start
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    return Footprint(seconds, tree << 10, parent << 10, process.returncode, said)


def processes_of(root: int) -> list[int]:
    """Return a process and all that it started, and those started."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError):  # it has ended
                fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def _proportional(process: int) -> int:
    return _kibibytes(process, "smaps_rollup", "Pss:")


def _kibibytes(process: int, file: str, label: str) -> int:
    with contextlib.suppress(OSError):  # it has ended
        for line in Path("/proc", str(process), file).read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1])
    return 0


def why_no_group() -> str | None:
    """Return why the memory of processes cannot be limited here; None if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root"
    if not (V1 / "memory.limit_in_bytes").exists() and "memory" not in _controllers():
        return "found no memory controller of cgroups"
    return None


def _controllers() -> str:
    file = V2 / "cgroup.controllers"
    return file.read_text() if file.exists() else ""


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[list[str]]:
    """Make a group of processes whose memory, page cache included, is limited.

    Args:
        limit: Bytes.

    Yields:
        What to write before a command so that it runs in the group.
    """
    old = (V1 / "memory.limit_in_bytes").exists()
    group = (V1 if old else V2) / f"seekless-{os.getpid()}"
    if not old:
        (V2 / "cgroup.subtree_control").write_text("+memory")
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        swap = group / ("memory.memsw.limit_in_bytes" if old else "memory.swap.max")
        if swap.exists():
            swap.write_text(str(limit) if old else "0")
        yield ["sh", "-c", 'echo $$ > "$0"/cgroup.procs; exec "$@"', str(group)]
    finally:
        for _ in range(50):  # the last of its processes may still be ending
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)

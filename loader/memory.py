"""How much memory the page cache may still take: of the machine, and of the control groups that this process is in."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["memory_left"]

MEMINFO = Path("/proc/meminfo")
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def memory_left() -> int | None:
    """Return bytes that files may take in memory, those that are there now among them; None where no system tells.

    Linux says what is available (`MemAvailable` of proc_meminfo(5)). A group that has a limit, as containers have and
    batch systems give, counts the files that its processes read: of version 2 of control groups by `memory.max`
    and `memory.high`, of version 1 by `memory.limit_in_bytes`.
    """
    found = [_of_machine(), *map(_of_group, _groups())]
    known = [left for left in found if left is not None]
    return min(known) if known else None


def _of_machine() -> int | None:
    found = _numbers(MEMINFO).get("MemAvailable:")
    return None if found is None else found << 10


def _groups() -> Iterator[tuple[Path, bool]]:
    """Yield the folders of the groups, from the own one up, and whether each is of version 2."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = GROUPS / "memory" if controllers else GROUPS
        # In a container the path may be that of the host: then the top is the container's own.
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            yield top / group, not controllers


def _of_group(place: tuple[Path, bool]) -> int | None:
    group, new = place
    limits = [_bytes(group / name) for name in (("memory.max", "memory.high") if new else ("memory.limit_in_bytes",))]
    known = [limit for limit in limits if limit is not None]
    used = _bytes(group / ("memory.current" if new else "memory.usage_in_bytes"))
    if not known or used is None:
        return None
    counts = _numbers(group / "memory.stat")
    # What lies in shared memory counts as a file, but cannot make room.
    files, shared = (counts.get(f"total_{name}", counts.get(name, 0)) for name in ("file" if new else "cache", "shmem"))
    return max(0, min(known) - used + files - shared)


def _bytes(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return None if text == "max" else int(text)


def _numbers(path: Path) -> dict[str, int]:
    """Return the number that comes second in each line of a file, by the first word."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1}

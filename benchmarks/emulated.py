"""The emulated spinning disk of disk/disk.sh, with an image of its own for each run."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Disk"]

SCRIPT = Path(__file__).resolve().parent / "disk" / "disk.sh"


class Disk:
    """The disk while it is there.

    Attributes:
        mount: Where it is mounted.
        prefix: What to write before a command that is to find it slow.
        cold: The same, all caches dropped before.
    """

    def __init__(self, root: Path, size: int) -> None:
        self._root = root
        gibibytes = 2 + (size >> 30)
        self.mount = Path(self._run("up", str(gibibytes)).strip())
        self.prefix, self.cold = (["env", f"DISK_ROOT={root}", str(SCRIPT), state] for state in ("warm", "cold"))

    def _run(self, *arguments: str) -> str:
        environment = {**os.environ, "DISK_ROOT": str(self._root)}
        done = subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{SCRIPT.name} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def forget(self) -> None:
        """Mount it anew, so that nothing of what was written to it is in memory; no file of it may be open."""
        self._run("forget")

    def close(self) -> None:
        """Take it away."""
        self._run("down")

    @staticmethod
    def why_not() -> str | None:
        """Return why it cannot be had here; None if it can."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            return "needs root"
        if not Path("/sys/fs/cgroup/blkio/blkio.throttle.read_iops_device").exists():
            return "found no blkio controller of cgroups, version 1"
        missing = [name for name in ("losetup", "mkfs.ext4", "mount") if shutil.which(name) is None]
        return f"found no {', '.join(missing)}" if missing else None

    @classmethod
    @contextlib.contextmanager
    def up(cls, work: Path, size: int) -> Iterator["Disk"]:
        """Yield the disk, for so many bytes at least."""
        disk = cls(work / "disk", size)
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the disk would stay
        try:
            yield disk
        finally:
            disk.close()
            signal.signal(signal.SIGTERM, before)

    @classmethod
    @contextlib.contextmanager
    def maybe(cls, wanted: bool, work: Path, size: int) -> Iterator["Disk | None"]:
        """Yield the disk, for so many bytes at least, or None where it is not wanted."""
        if not wanted:
            yield None
            return
        with cls.up(work, size) as disk:
            yield disk

"""By what blocks are read, and what is known of the disk they lie on.

Blocks are read by plain `pread`, whatever the disk, but for those that are reached by URL; and past the page cache,
"direct", where an epoch is so much larger than memory that nothing would be found there again. A memory map was
measured against `pread` where all of a file was in the page cache, and an epoch took as long or longer; and a file that
is cut short, or a sector that cannot be read, ends the whole process under a map instead of raising an error, though
its size is checked right before (docs/loading.md).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seekless.errors import OptionError
from seekless.loader.memory import memory_left
from seekless.store.direct_blocks import can_read_directly
from seekless.store.disk import disk_of
from seekless.store.objects import IN_FLIGHT_BYTES, REQUEST_BYTES, threads_for
from seekless.urls import is_remote

__all__ = ["READERS", "Reading", "check_reader"]

READERS = ("auto", "pread", "direct")

MOUNTS = Path("/proc/self/mountinfo")
# Of these the files lie on another machine.
NETWORKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "9p")
# Of an epoch so many times as large as the memory that is left, an eighth at most would be found in the page cache: a
# block is found if what was read since it was is less than that memory, and two epochs' orders are independent.
TIMES_MEMORY = 2
# Places of a file that are asked whether they are in the page cache.
PROBES = 64


def check_reader(reader: str) -> None:
    """Refuse what no reader is called.

    Args:
        reader: "auto", "pread" or "direct".

    Raises:
        OptionError: It is none of these.
    """
    if reader == "map":
        raise OptionError(
            "reader: found 'map', expected 'auto', 'pread' or 'direct': a file that is cut short while it is read "
            "would end the process under a memory map, and no store was read faster by one"
        )
    if reader not in READERS:
        raise OptionError(f"reader: found {reader!r}, expected one of {', '.join(READERS)}")


class Reading:
    """By what the blocks of a field are read.

    Attributes:
        direct: Whether past the page cache.

    Args:
        reader: "auto", "pread" or "direct".
        paths: The files; the first tells of their disk.
        nbytes: Stored bytes of an epoch that reads each block once; 0 for another.

    Raises:
        OptionError: The reader cannot read these files.
    """

    def __init__(self, reader: str, paths: Sequence[Path], nbytes: int) -> None:
        self._reader = reader
        self._paths = list(paths)
        self._remote = bool(paths) and is_remote(paths[0])
        self._why = ""
        if reader != "auto" and self._remote:
            raise OptionError(f"reader: found {reader!r} for {paths[0]}, which is reached by URL, expected 'auto'")
        if reader == "direct" and paths and not can_read_directly(paths[0]):
            raise OptionError(
                f"reader: found 'direct' for {paths[0]}, whose file system, or this system, reads through the page "
                "cache alone; expected 'auto' or 'pread'"
            )
        self.direct = reader == "direct" or (reader == "auto" and not self._remote and self._is_lost(nbytes))

    def __str__(self) -> str:
        paths = self._paths
        if self._remote:
            return (
                f"remote: by {disk_of(paths[0]).name}, up to {IN_FLIGHT_BYTES >> 20} MiB asked for at a time, by "
                f"{threads_for(paths[0])} requests of up to {REQUEST_BYTES >> 20} MiB; each block checked each time"
            )
        if self._reader != "auto":
            return f"{self._reader}, as told"
        if not paths:
            return "pread"
        if self.direct:
            return f"direct, past the page cache: {self._why}; {_disk(paths[0])}"
        share = cached_share(paths)
        known = [_disk(paths[0]), *([] if share is None else [f"{share:.0%} in the page cache"])]
        return f"pread: {'; '.join(known)}"

    def _is_lost(self, nbytes: int) -> bool:
        """Return whether next to nothing of an epoch would be in the page cache when it is wanted again."""
        left = memory_left()
        if left is None or nbytes <= TIMES_MEMORY * left or not self._paths:
            return False
        self._why = f"{nbytes / 1e9:,.1f} GB an epoch, {left / 1e9:,.1f} GB of memory left"
        try:  # of another disk than one of this machine nothing is known
            return disk_of(self._paths[0]).spinning is not None and can_read_directly(self._paths[0])
        except OSError:  # told when it is read
            return False


def _disk(path: Path) -> str:
    try:
        kind = file_system(path)
        if kind in NETWORKS or kind.startswith("fuse."):
            return f"a network file system ({kind})"
        disk = disk_of(path)
    except OSError as error:
        return f"what disk this is cannot be told ({error.strerror})"
    if disk.spinning is None:
        return "what disk this is cannot be told"
    return f"{disk.name} says it is a {'spinning' if disk.spinning else 'solid'} disk"


def file_system(path: Path) -> str:
    """Return the kind of the file system that a file lies on, such as ext4; "" where it cannot be told.

    Args:
        path: The file.

    Raises:
        OSError: There is no such file.
    """
    number = os.stat(path).st_dev
    if not hasattr(os, "major"):  # pragma: no cover (Windows)
        return ""
    device = f"{os.major(number)}:{os.minor(number)}"
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:  # not Linux
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[2] == device and "-" in fields:
            return fields[fields.index("-") + 1]
    return ""


def cached_share(paths: Sequence[Path]) -> float | None:
    """Return about how much of some files is in the page cache; None where the system does not tell.

    Args:
        paths: The files.
    """
    if not (hasattr(os, "preadv") and hasattr(os, "RWF_NOWAIT")):
        return None
    found = []
    byte = bytearray(1)
    try:
        for path in dict.fromkeys(paths):
            with open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                for offset in np.linspace(0, max(0, size - 1), max(1, PROBES // len(paths))).astype(int).tolist():
                    try:
                        found.append(os.preadv(file.fileno(), [byte], offset, os.RWF_NOWAIT) > 0)
                    except BlockingIOError:
                        found.append(False)
    except OSError:  # of a file system that cannot tell, or a file that went away
        return None
    return sum(found) / len(found)

"""Where a cluster does the work of a conversion: what each of its processes has to see there, and whether it does."""

import pickle
import socket
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from seekless.errors import ConvertError
from seekless.source.place import stamp_of

__all__ = ["PACKAGES", "Site", "Task", "Working", "is_busy", "look", "plan_in", "versions_here"]

# What the bytes of a store depend on.
PACKAGES = ("seekless", "numpy", "h5py", "pillow", "blosc2", "lz4", "zstandard")

_busy: dict[str, int] = {}  # tasks that this process is doing, by the sign of their run


@dataclass(frozen=True)
class Site:
    """Where a run does its work, which each task looks at before it begins.

    Attributes:
        folder: The folder of passing files, which all workers see.
        sign: A file in it that is there as long as the run goes on.
        witness: A file of the source; None where there is none.
        stamp: What tells it from another one.
        versions: Of each package that counts, the version that the others have.
        topic: Where tasks say how far they are.
        every: Seconds between two such words.
    """

    folder: Path
    sign: str
    witness: Any = None
    stamp: int = 0
    versions: tuple[tuple[str, str | None], ...] = ()
    topic: str = ""
    every: float = 0.5

    def complaint(self, *, reading: bool = True) -> str | None:
        """Return why this process cannot do its part, or None.

        Args:
            reading: Whether its part is to read the source.
        """
        for (name, wanted), (_, found) in zip(self.versions, versions_here(), strict=False):
            if found != wanted:
                return f"{name} {found or 'not installed'}, expected {wanted}, as another one may write other bytes"
        if not (self.folder / self.sign).exists():
            return f"no {self.folder / self.sign}, expected a folder that all workers see at the same path"
        if reading and self.witness is not None and stamp_of(self.witness) != self.stamp:
            return f"no {self.witness}, or another one, expected a source that all workers see at the same path"
        return None

    def check(self, *, reading: bool = True) -> None:
        """Refuse to begin a task that cannot be done here.

        Raises:
            ConvertError: This process sees other files, or has other packages.
        """
        complaint = self.complaint(reading=reading)
        if complaint is not None:
            raise ConvertError(f"--dask: found on {socket.gethostname()} {complaint}")

    def goes_on(self) -> None:
        """Stop where the run has ended: nobody waits for an answer any more.

        Raises:
            ConvertError: It has.
        """
        if not (self.folder / self.sign).exists():
            raise ConvertError(f"{self.folder / self.sign}: found it gone, expected it while the run goes on")


@lru_cache
def versions_here() -> tuple[tuple[str, str | None], ...]:
    """Return the version of each package that the bytes of a store depend on; None for one that is not installed."""
    return tuple((name, next((one.version for one in distributions(name=name)), None)) for name in PACKAGES)


def look(site: Site, folders: tuple[Path, ...]) -> str | None:
    """Return why a worker cannot do its part, or None.

    Args:
        site: Where it is to work.
        folders: Where it will have to write.
    """
    complaint = site.complaint()
    for folder in folders if complaint is None else ():
        probe = folder / f".{uuid.uuid4().hex}"
        try:
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            return f"that nothing can be written to {folder} ({error.strerror}), expected to"
    return complaint


def is_busy(sign: str) -> bool:
    """Return whether this process still does tasks of a run."""
    return bool(_busy.get(sign))


class Working:
    """A task at work: says now and then how far it is.

    Args:
        site: Where.
        doing: What all tasks of the pass do, in a word.
        number: The task's.
    """

    def __init__(self, site: Site, doing: str, number: int) -> None:
        self._site = site
        self._what = [doing, number]
        self._done = [0, 0]
        self._at = time.monotonic()

    def __enter__(self) -> "Working":
        _busy[self._site.sign] = _busy.get(self._site.sign, 0) + 1
        return self

    def __exit__(self, *error: object) -> None:
        _busy[self._site.sign] -= 1

    def add(self, samples: int, nbytes: int) -> None:
        """Count what was done."""
        self._done[0] += samples
        self._done[1] += nbytes
        now = time.monotonic()
        if now - self._at >= self._site.every:
            from distributed import get_worker

            get_worker().log_event(self._site.topic, [*self._what, *self._done])
            self._at = now


@dataclass(frozen=True)
class Task:
    """A part of the work.

    Attributes:
        number: The task's.
        plan: The name of the file that says what all tasks of the pass share.
    """

    number: int
    plan: str


@lru_cache(maxsize=2)
def plan_in(file: Path) -> Any:
    """Return what all tasks of a pass share.

    Args:
        file: Where it is.
    """
    with open(file, "rb") as plan:
        return pickle.load(plan)

"""One process at a time trains in the folder of a run."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seekless.errors import TrainError

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows: two processes in one folder are not told apart)
    fcntl = None  # type: ignore[assignment]

__all__ = ["in_use"]

LOCK = "in-use.lock"


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder. A process that is killed leaves it free.

    Args:
        folder: The run's folder.

    Raises:
        TrainError: Another process trains there.
    """
    if fcntl is None:  # pragma: no cover
        yield
        return
    path = folder / LOCK
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise TrainError(
                f"{folder}: found it in use by {owner}, expected a run that nobody trains; wait for its end, or end it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)

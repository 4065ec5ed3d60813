"""A store appears whole or not at all: it is written beside its place and renamed once it is safe on the disk."""

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from seekless.convert.commit import is_placed, put_in_place, remove_last, tidy
from seekless.convert.journal import NAME, Journal, Past
from seekless.errors import ConvertError, OptionError, StoreExistsError
from seekless.store.kinds import looks_like_a_store

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows: two runs on one target are not told apart)
    fcntl = None  # type: ignore[assignment]

__all__ = ["Target", "saved_samples", "writing"]


@dataclass
class Target:
    """Where a conversion writes until its store is complete.

    Attributes:
        path: The store to be.
        partial: The store's file, or folder, in the making.
        parts: A folder for the partition files of the shuffle, and for what else is of use to a run that goes on.
        keep: Leave both where the run ends with an error, for a run that goes on.
        past: What a stopped run has done that is to be gone on with.
        removed: What was left by a run that was stopped, and is removed now.
    """

    path: Path
    partial: Path
    parts: Path
    keep: bool = False
    past: Past | None = None
    removed: tuple[str, ...] = ()

    def forget(self) -> None:
        """Remove all passing files."""
        tidy(self.partial, self.path)
        remove_last(self.parts, NAME)  # as long as it is there, a run can go on


@contextlib.contextmanager
def writing(
    path: Path, *, overwrite: bool, resume: bool = False, temp: str | PathLike[str] | None = None
) -> Iterator[Target]:
    """Write a store beside its place; put it there when the context is left without an error.

    Everything in the making has a name that begins with the store's. After an error nothing of it is left, unless the
    target says to keep it.

    Args:
        path: The store to be.
        overwrite: Replace a store that is there; it stays readable until the new one takes its place.
        resume: Keep what a stopped run has done, if there is anything: the target's `past`.
        temp: The folder for partition files; None for that of the store.

    Yields:
        The paths to write to.

    Raises:
        StoreExistsError: Something is there and `overwrite` is false.
        ConvertError: The folder does not exist, or another conversion is writing this store, or a stopped run has saved
            work that would be lost.
    """
    if not path.parent.is_dir():
        raise ConvertError(f"{path}: found no folder {path.parent}, expected one to write to; make it first")
    target = Target(path, path.with_name(f"{path.name}.partial"), _parts(path, temp))
    if not resume:
        _check_free(path, overwrite=overwrite)
    with _locked(path.with_name(f"{path.name}.lock"), path):
        _begin(target, overwrite=overwrite, resume=resume)
        try:
            yield target
            if not is_placed(target.partial, path):  # as by a run that was stopped right after
                _check_free(path, overwrite=overwrite)
                put_in_place(target.partial, path)
        except BaseException:
            if not target.keep:
                target.forget()
            raise
        target.forget()


def saved_samples(path: str | PathLike[str], temp: str | PathLike[str] | None = None) -> int:
    """Return how many samples a run that was stopped has read and saved; 0 for none that can be gone on with.

    Args:
        path: The store that was to be.
        temp: The folder for partition files; None for that of the store.
    """
    past = Journal(_parts(Path(path), temp)).read()
    return 0 if past is None else past.samples


def _parts(path: Path, temp: str | PathLike[str] | None) -> Path:
    if temp is None:
        return path.with_name(f"{path.name}.parts")
    if not Path(temp).is_dir():
        raise OptionError(f"--temp: found no folder {temp}, expected one for passing files; make it first")
    # Stores of one name in several folders may share it.
    return Path(temp) / f"{path.name}.{zlib.crc32(str(path.resolve()).encode()):08x}.parts"


def _begin(target: Target, *, overwrite: bool, resume: bool) -> None:
    """Take what a stopped run has done, or remove it, but do not throw away saved work unless told to."""
    past = Journal(target.parts).read()
    if resume and past is not None:
        target.past, target.keep = past, True
        if past.done is None:
            _check_free(target.path, overwrite=overwrite)
        return
    _check_free(target.path, overwrite=overwrite)
    if past is not None and not past.refused and not overwrite:
        raise ConvertError(
            f"{target.path}: found the work of a run that was stopped, {past.samples:,} samples read and saved; go on "
            "with it by --resume, or start over by --overwrite"
        )
    left = (target.partial, target.parts)
    target.removed = tuple(file.name for file in left if os.path.lexists(file))
    target.forget()


def _check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse what is there, unless it is a store that is to be replaced: never a file or folder of the user's own."""
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise StoreExistsError(f"{path}: found something there; name another store, or replace it by --overwrite")
    if not looks_like_a_store(path):
        raise StoreExistsError(
            f"{path}: found something there that is no store, expected a store to replace; remove it yourself, or name "
            "another"
        )


@contextlib.contextmanager
def _locked(lock: Path, path: Path) -> Iterator[None]:
    if fcntl is None:  # pragma: no cover
        yield
        return
    descriptor = _lock(lock, path)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(lock: Path, path: Path) -> int:
    while True:
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise ConvertError(
                f"{path}: found that nothing can be written to {path.parent} ({error.strerror}), expected to; name a "
                "store in another folder"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, lock):
                return descriptor
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
            os.close(descriptor)
            raise ConvertError(
                f"{path}: found another conversion (process {owner}) writing this store; wait for it, or name another"
            ) from None
        os.close(descriptor)  # its owner removed the file between our opening and locking it


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False

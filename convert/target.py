"""A store appears whole or not at all: it is written beside its place and renamed once it is safe on the disk."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekless.convert.commit import put_in_place, remove, tidy
from seekless.errors import ConvertError, StoreExistsError
from seekless.store.kinds import looks_like_a_store

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows: two runs on one target are not told apart)
    fcntl = None  # type: ignore[assignment]

__all__ = ["Target", "writing"]


@dataclass(frozen=True)
class Target:
    """Where a conversion writes until its store is complete.

    Attributes:
        partial: The store's file, or folder, in the making.
        parts: A folder for the partition files of the shuffle.
    """

    partial: Path
    parts: Path


@contextlib.contextmanager
def writing(path: Path, *, overwrite: bool) -> Iterator[Target]:
    """Write a store beside its place; put it there when the context is left without an error.

    Everything in the making has a name that begins with the store's. After an error nothing of it is left.

    Args:
        path: The store to be.
        overwrite: Replace a store that is there; it stays readable until the new one takes its place.

    Yields:
        The paths to write to.

    Raises:
        StoreExistsError: Something is there and `overwrite` is false.
        ConvertError: The folder does not exist, or another conversion is writing this store.
    """
    if not path.parent.is_dir():
        raise ConvertError(f"{path}: found no folder {path.parent}, expected one to write to; make it first")
    _check_free(path, overwrite=overwrite)
    target = Target(path.with_name(f"{path.name}.partial"), path.with_name(f"{path.name}.parts"))
    with _locked(path.with_name(f"{path.name}.lock"), path):
        remove(target.parts)
        tidy(target.partial, path)
        try:
            _check_free(path, overwrite=overwrite)
            yield target
            _check_free(path, overwrite=overwrite)
            put_in_place(target.partial, path)
        finally:
            remove(target.partial, target.parts)


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

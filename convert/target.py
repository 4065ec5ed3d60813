"""A store appears whole or not at all: it is written beside its place and renamed once it is safe on the disk."""

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from seekless.convert.commit import is_placed, put_in_place, remove, remove_last, tidy
from seekless.convert.journal import NAME, START_OVER, Journal, Past
from seekless.convert.server import undisturbed
from seekless.errors import BusyError, ConvertError, OptionError, ResumeError, StoreExistsError
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
        keep: Leave all of it where the run ends with an error, for a run that goes on.
        past: What a stopped run has done that is to be gone on with.
        removed: What was left by a run that was stopped, and is removed now.
        elsewhere: Folders that stopped runs with another --temp may have left; removed with the rest.
    """

    path: Path
    partial: Path
    parts: Path
    keep: bool = False
    past: Past | None = None
    removed: tuple[str, ...] = ()
    elsewhere: tuple[Path, ...] = ()

    def start(self) -> None:
        """Remove what stopped runs left, once it is known that this one has something to begin with."""
        left = (self.partial, self.parts, *self.elsewhere)
        self.removed += tuple(file.name for file in left if os.path.lexists(file))
        self.renew()

    def renew(self) -> None:
        """Begin anew, with no passing files."""
        self.forget()
        self.keep = False
        pointer = _beside(self.path)
        if self.parts != pointer:
            pointer.write_bytes(os.fsencode(self.parts.parent.resolve()))

    def forget(self) -> None:
        """Remove all passing files, of a store that is not there yet: first what says that a run can go on."""
        for folder in (self.parts, *self.elsewhere):
            if folder.is_dir():
                (folder / NAME).unlink(missing_ok=True)
        self.finish()

    def finish(self) -> None:
        """Remove all passing files, of a store that is in its place."""
        tidy(self.partial, self.path)
        for folder in (self.parts, *self.elsewhere):
            remove_last(folder, NAME)  # as long as it is there, a run can go on
        if _beside(self.path).is_file():
            remove(_beside(self.path))


@contextlib.contextmanager
def writing(
    path: Path,
    *,
    overwrite: bool,
    resume: bool = False,
    temp: str | PathLike[str] | None = None,
    append: bool = False,
) -> Iterator[Target]:
    """Write a store beside its place; put it there when the context is left without an error.

    Everything in the making has a name that begins with the store's. After an error nothing of it is left, unless the
    target says to keep it.

    Args:
        path: The store to be.
        overwrite: Replace a store that is there; it stays readable until the new one takes its place.
        resume: Keep what a stopped run has done, if there is anything: the target's `past`.
        temp: The folder for partition files; None for that of the store.
        append: The new store is the one that is there, and more: that is no reason to stop.

    Yields:
        The paths to write to.

    Raises:
        StoreExistsError: Something is there and `overwrite` is false.
        ConvertError: The folder does not exist.
        BusyError: Another conversion is writing this store.
        ResumeError: A stopped run has saved work that would be lost.
    """
    if not path.parent.is_dir():
        raise ConvertError(f"{path}: found no folder {path.parent}, expected one to write to; make it first")
    target = Target(path, path.with_name(f"{path.name}.partial"), _places(path, temp)[0])
    replace = overwrite or append
    if not resume:
        _check_free(path, overwrite=replace)
    with _locked(path.with_name(f"{path.name}.lock"), path):
        _begin(target, _places(path, temp), overwrite=overwrite, resume=resume, append=append)
        try:
            yield target
            if not is_placed(target.partial, path):  # as by a run that was stopped right after
                _check_free(path, overwrite=replace)
                put_in_place(target.partial, path)
        except BaseException:
            if not target.keep:
                target.forget()
            raise
        target.finish()


def saved_samples(path: str | PathLike[str], temp: str | PathLike[str] | None = None) -> int:
    """Return how many samples a run that was stopped has read and saved; 0 for none that can be gone on with.

    Args:
        path: The store that was to be.
        temp: The folder for partition files; None for that of the store.
    """
    return max((past.samples for folder in _places(Path(path), temp) if (past := Journal(folder).read())), default=0)


def _places(path: Path, temp: str | PathLike[str] | None) -> tuple[Path, ...]:
    """Return the folder for partition files, and those that a stopped run may have had them in: beside, or elsewhere.

    Raises:
        OptionError: There is no folder of this name.
    """
    if temp is not None and not Path(temp).is_dir():
        raise OptionError(f"--temp: found no folder {temp}, expected one for passing files; make it first")
    beside = _beside(path)
    places = [beside] if temp is None else [_in_folder(path, Path(temp)), beside]
    if beside.is_file():
        named = _in_folder(path, Path(os.fsdecode(beside.read_bytes())))
        if not any(place.exists() and named.exists() and place.samefile(named) for place in places):
            places.append(named)
    return tuple(places)


def _beside(path: Path) -> Path:
    """Return the folder for partition files beside a store; with --temp, a file that names that folder."""
    return path.with_name(f"{path.name}.parts")


def _in_folder(path: Path, temp: Path) -> Path:
    # Stores of one name in several folders may share it.
    return temp / f"{path.name}.{zlib.crc32(os.fsencode(path.resolve())):08x}.parts"


def _begin(target: Target, places: tuple[Path, ...], *, overwrite: bool, resume: bool, append: bool) -> None:
    """Take what a stopped run has done, or remove it, but do not throw away saved work unless told to."""
    pasts = [(place, past) for place in places if (past := Journal(place).read())]
    placed = is_placed(target.partial, target.path)
    # Someone removed the store; or it has grown, and what it has grown to is what there is to go on with.
    over = placed and (append or not os.path.lexists(target.path))
    pasts = [(place, past) for place, past in pasts if past.done is None or not over]
    target.elsewhere = tuple(place for place in places if place != target.parts)
    if resume and pasts:
        target.parts, target.past = pasts[0]
        target.elsewhere = tuple(place for place in places if place != target.parts)
        target.keep = True
        if target.past.done is None:
            _check_free(target.path, overwrite=overwrite or append)
        return
    _check_free(target.path, overwrite=overwrite or append)
    for _, past in pasts:
        if not past.refused and not overwrite:
            raise ResumeError(
                f"{target.path}: found the work of a run that was stopped, {past.samples:,} samples read and saved; go "
                f"on with it by --resume, or {START_OVER}"
            )
    target.keep = bool(pasts)
    if not pasts:
        target.start()


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
    descriptor = None
    try:
        with undisturbed():  # Ctrl-C between making the file and knowing of it would leave it
            descriptor = _lock(lock, path)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        if descriptor is not None:
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
            raise BusyError(
                f"{path}: found another conversion (process {owner}) writing this store; wait for it, or name another"
            ) from None
        os.close(descriptor)  # its owner removed the file between our opening and locking it


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False

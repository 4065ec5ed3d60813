"""Put a store that is complete in its place, so that a reader finds the old one or the new one at any moment.

    one file           a rename
    a folder           the old one is renamed to NAME.replaced, the new one to its place
    shards and index   the shards are moved beside those of the old store, whose names differ; the rename of the index
                       is the moment; then the old shards are removed. NAME.replaced lists them meanwhile.

A run that is killed on the way is tidied by the next one: `tidy`.
"""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from seekless.errors import ConvertError
from seekless.store.kinds import HDF5_SUFFIX
from seekless.store.shards import listed_shards

__all__ = ["INDEX", "is_placed", "put_in_place", "remove", "remove_last", "tidy"]

# In a folder of shards in the making, the file that is to bear the store's name.
INDEX = f"index{HDF5_SUFFIX}"


def put_in_place(partial: Path, path: Path) -> None:
    """Give a complete store its name, and remove what it replaces.

    Args:
        partial: The store's file or folder in the making.
        path: Its place.

    Raises:
        ConvertError: The place of its shards is taken.
        OSError: The disk refuses.
    """
    aside = _aside(path)
    if path.suffix == HDF5_SUFFIX:
        old = _shards_at(path)
        if old:
            aside.write_text(json.dumps(sorted(old)), encoding="utf-8")
        os.replace(_move_shards(partial, path) if partial.is_dir() else partial, path)
        _sync_folder(path.parent)
        _finish(path)
    elif os.path.lexists(path):
        os.replace(path, aside)  # no rename replaces a folder that holds files
        try:
            os.replace(partial, path)
        finally:
            _finish(path)
    else:
        os.replace(partial, path)
        _finish(path)  # of a run that was killed between the two renames
    _sync_folder(path.parent)


def is_placed(partial: Path, path: Path) -> bool:
    """Return whether a store that was complete is in its place already.

    Args:
        partial: The store's file or folder in the making; complete, or gone.
        path: Its place.
    """
    with_shards = path.suffix == HDF5_SUFFIX and partial.is_dir()
    return not os.path.lexists(partial / INDEX if with_shards else partial)


def tidy(partial: Path, path: Path) -> None:
    """Put back, or remove, what a run left that was killed: whichever store was in its place last stays there.

    Args:
        partial: The file or folder in the making.
        path: The store.
    """
    index = partial / INDEX
    if index.is_file():
        # Its shards may have been moved already.
        _remove_shards(path, _shards_at(index))
    remove(partial)
    _finish(path)


def remove_last(folder: Path, last: str) -> None:
    """Remove a folder, and one of its files after all others.

    Args:
        folder: The folder; it need not exist.
        last: The name of that file.
    """
    if folder.is_dir():
        remove(*(file for file in folder.iterdir() if file.name != last))
        remove(folder)


def remove(*paths: Path) -> None:
    """Remove files and folders, whatever is there."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.replaced")  # .old would be a name for backups of the user's own


def _finish(path: Path) -> None:
    aside = _aside(path)
    if path.suffix == HDF5_SUFFIX:
        if aside.is_file():
            _remove_shards(path, set(json.loads(aside.read_text(encoding="utf-8"))))
            aside.unlink()
    elif os.path.lexists(path):
        remove(aside)
    elif os.path.lexists(aside):
        os.replace(aside, path)


def _move_shards(partial: Path, path: Path) -> Path:
    """Move shards to their folder; return the index that is to be put in place."""
    index = partial / INDEX
    folders = set()
    for name in listed_shards(index):
        place = path.parent / name
        try:
            place.parent.mkdir(exist_ok=True)
        except FileExistsError:
            raise ConvertError(
                f"{place.parent}: found a file of this name, expected a folder for the shards of {path.name}; rename it"
            ) from None
        if (partial / place.name).exists():  # else a run was killed that had moved it
            os.replace(partial / place.name, place)
        folders.add(place.parent)
    for folder in folders:
        _sync_folder(folder)
    return index


def _shards_at(path: Path) -> set[str]:
    """Return the names of the shards of a store; of one that is damaged, none: they are left alone."""
    try:
        return set(listed_shards(path))
    except Exception:  # no file, or flipped bits that make h5py raise ten kinds of errors
        return set()


def _remove_shards(path: Path, names: Iterable[str]) -> None:
    """Remove shards that the store in its place does not name."""
    for name in set(names) - _shards_at(path):
        file = path.parent / name
        file.unlink(missing_ok=True)
        try:
            file.parent.rmdir()
        except OSError:
            continue  # not empty yet, or gone


def _sync_folder(folder: Path) -> None:
    """Make new names themselves survive a power cut."""
    if os.name != "posix":  # pragma: no cover (a folder cannot be opened there)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

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
from collections.abc import Iterable, Iterator
from pathlib import Path

from seekless.errors import ConvertError
from seekless.store.kinds import HDF5_SUFFIX, looks_like_a_store
from seekless.store.links import is_shard_name
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
    if path.suffix == HDF5_SUFFIX:
        _note_shards(path)
        os.replace(_move_shards(partial, path) if partial.is_dir() else partial, path)
        _sync_folder(path.parent)
        _finish(path)
    elif os.path.lexists(path):
        os.replace(path, _aside(path))  # no rename replaces a folder that holds files
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


def _note_shards(path: Path) -> None:
    """Write down the shards of the store that is to be replaced; of a symbolic link, none: its store stays."""
    old = set() if path.is_symlink() else _shards_at(path)
    if not old:
        return
    aside = _aside(path)
    if os.path.lexists(aside):
        noted = _noted_shards(aside)  # by a run that was killed, and is gone on with
        if noted is None:
            raise ConvertError(f"{aside}: found a file of this name, expected none; rename it")
        old |= noted
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(sorted(old), file)
        file.flush()
        os.fsync(file.fileno())


def _noted_shards(aside: Path) -> set[str] | None:
    """Return what `_note_shards` wrote; nothing if it was killed while it did; None for a file that is not its."""
    if not aside.is_file() or aside.is_symlink():
        return None
    data = aside.read_bytes()
    if data and not data.startswith(b'["'[: len(data)]):
        return None
    try:
        return {name for name in json.loads(data) if is_shard_name(name)}
    except ValueError:
        return set()


def _finish(path: Path) -> None:
    aside = _aside(path)
    if path.suffix == HDF5_SUFFIX:
        noted = _noted_shards(aside)
        if noted is not None:
            _remove_shards(path, noted)
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
    """Remove shards that neither the store in its place names nor any other beside it."""
    wanted = {name for name in names if is_shard_name(name)}
    for store in (path, *(_stores_beside(path) if wanted else ())):
        if looks_like_a_store(store):
            # A store that cannot be read may name any of them.
            wanted = wanted - _shards_at(store) if _is_readable(store) else set()
    for name in sorted(wanted):
        file = path.parent / name
        try:
            file.unlink(missing_ok=True)
            file.parent.rmdir()
        except OSError:
            continue  # not empty yet, or gone, or no folder


def _stores_beside(path: Path) -> Iterator[Path]:
    """Yield files that may be stores, made of this one or of one that bore its name by `mv` or `cp`.

    Their names speak of HDF5 or begin like the store's: there may be thousands of others.
    """
    for file in path.parent.iterdir():
        named = ".h5" in file.name or ".hdf" in file.name or file.name.startswith(path.name.removesuffix(HDF5_SUFFIX))
        if named and file != path and file.is_file():
            yield file


def _is_readable(path: Path) -> bool:
    try:
        listed_shards(path)
    except Exception:  # flipped bits make h5py raise ten kinds of errors
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make new names themselves survive a power cut."""
    if os.name != "posix":  # pragma: no cover (a folder cannot be opened there)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

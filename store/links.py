"""What an HDF5 file of a store may refer to outside of itself: an index to its shards, and nothing else to anything.

All of this is checked before anything is read that HDF5 would fetch from another file.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import h5py

from seekless.errors import StoreFormatError
from seekless.store.inputs import INPUTS, LABELS, field_order, is_input
from seekless.store.schema import CHECKS, SHARDS, Shard

__all__ = ["check_links", "check_sources", "is_shard_name", "leads_out", "source_name", "stored_fields"]

# The groups that are looked into; x is one where there are several inputs.
GROUPS = ("x", CHECKS, f"{CHECKS}/x", SHARDS)
# What `convert` names shards; only a file that is called so is ever removed with its store.
SHARD_NAME = re.compile(r"[^/\\]+-shards/[0-9a-f]{16}-[0-9]{5,}\.h5")


def is_shard_name(name: str) -> bool:
    """Return whether `convert` would name a shard so."""
    return SHARD_NAME.fullmatch(name) is not None and ".." not in PurePosixPath(name).parts


def leads_out(name: str) -> bool:
    """Return whether a shard's name may lead out of the folder of its store, on this system or on another."""
    pure = PurePosixPath(name)
    absolute = pure.is_absolute() or bool(PureWindowsPath(name).anchor)
    return absolute or ".." in pure.parts or "\\" in name or not pure.parts


def source_name(name: str) -> str:
    """Return a shard's name as a virtual dataset has it, in which HDF5 takes %b for a number and %% for %."""
    return name.replace("%", "%%")


def check_links(file: h5py.File, path: Path) -> None:
    """Refuse a file any part of which lies elsewhere; that fields may lie in shards is for `check_sources`.

    Args:
        file: The open file.
        path: Where it is.

    Raises:
        StoreFormatError: There is a link, or a dataset whose values are kept in another file.
    """
    for where, name, item in _items(file, path):
        if not isinstance(item, h5py.Dataset):
            continue
        if item.external:
            raise StoreFormatError(f"{path}: found that {name!r} lies in other files, expected it in this one")
        field = _joined(where, name)
        if item.is_virtual and not (field in LABELS or is_input(field)):
            raise StoreFormatError(f"{path}: found that {name!r} is a view of other files, expected it in this one")


def _items(file: h5py.File, path: Path) -> Iterator[tuple[h5py.Group, str, h5py.Group | h5py.Dataset]]:
    """Yield (group, name, object) of all that is read of a file; the groups come before what is in them."""
    groups = [file]
    for group in groups:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise StoreFormatError(
                    f"{path}: found that {name!r} is a link to another place, expected it in the file"
                )
            item = group[name]
            if _joined(group, name) in GROUPS and isinstance(item, h5py.Group):
                groups.append(item)
            yield group, name, item


def _joined(group: h5py.Group, name: str) -> str:
    return f"{group.name}/{name}".strip("/")


def stored_fields(file: h5py.File) -> list[str]:
    """Return the names of a file's fields, in the order in which they lie there.

    Args:
        file: The open file, without links to other places.

    Raises:
        ValueError: There is no x, or an input has a name that none can have.
    """
    several = isinstance(file.get("x"), h5py.Group)
    inputs = [INPUTS + name for name in file["x"]] if several else ["x"]
    return field_order([*inputs, *(name for name in LABELS if name in file)])


def check_sources(file: h5py.File, path: Path, shards: Sequence[Shard]) -> None:
    """Hold that plain HDF5 looks for samples in the listed shards, one behind the other, and nowhere else.

    Args:
        file: The open file.
        path: Where it is.
        shards: Those that it lists; none for a file that holds its own blocks.

    Raises:
        StoreFormatError: A shard's name leads out of the folder, or a field lies elsewhere.
    """
    names = {shard.name for shard in shards}
    for name in sorted(names):
        if leads_out(name):
            raise StoreFormatError(
                f"{path}: found a shard named {name!r}, expected one in the folder of the store; the file was not "
                "written by `convert`"
            )
    sources = {source_name(name) for name in names}
    for field in stored_fields(file):
        if file[field].is_virtual:
            pieces = file[field].virtual_sources()
            odd = next((p.file_name for p in pieces if p.dset_name != field or p.file_name not in sources), None)
            if odd is not None or [_place(piece) for piece in pieces] != list(_expected(shards)):
                raise StoreFormatError(
                    f"{path}: found that {field} lies in {odd or 'other places'!r}, expected it in the shards that the "
                    "file lists, one behind the other"
                )


def _place(piece: Any) -> tuple[str, int, int]:
    """Return (file, first sample, last sample) of one piece of a virtual dataset."""
    low, high = piece.vspace.get_select_bounds()
    return piece.file_name, low[0], high[0]


def _expected(shards: Sequence[Shard]) -> Iterator[tuple[str, int, int]]:
    start = 0
    for shard in shards:
        yield source_name(shard.name), start, start + shard.length - 1
        start += shard.length

"""A store that is spread over several HDF5 files: an index of virtual datasets over shards that are stores themselves.

data.h5                      attributes, class names, `x`, `y`, `key` as virtual datasets, and the list of shards
data-shards/ID-00000.h5      samples 0 to n - 1
data-shards/ID-00001.h5      ...
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from seekless.errors import StoreFormatError
from seekless.store.blocks import BlockTable, joined
from seekless.store.front import opened_ahead
from seekless.store.hdf5 import HDF5File, read_file, read_opened
from seekless.store.inputs import is_input
from seekless.store.portions import check_portions
from seekless.store.schema import Field, Header, Shard, label_block_length
from seekless.urls import is_remote

__all__ = [
    "listed_shards",
    "listing_of",
    "read_hdf5",
    "shard_edges",
    "shard_header",
    "shard_id",
    "shard_of",
    "shards_folder",
]


def read_hdf5(path: Path) -> tuple[Header, dict[str, BlockTable]]:
    """Open a store of one HDF5 file, or of an index and its shards; check it, and close it again.

    Args:
        path: The file, or the index.

    Returns:
        What the store holds, and each field's table of blocks.

    Raises:
        StoreFormatError: The file or a shard is no store, is of another version, is damaged, missing, or lies outside
            the store's folder.
        OSError: A file cannot be read.
    """
    index = read_file(path)
    if not index.shards:
        return index.header, index.tables
    files = _places(path, index.shards)
    with closing(opened_ahead(files)) as raws:
        opened = [
            _read_shard(path, file, index.header, shard, raws) for file, shard in zip(files, index.shards, strict=True)
        ]
    found = sum(shard.length for shard in index.shards)
    if found != index.header.length:
        raise StoreFormatError(f"{path}: found {found} samples in all shards, expected {index.header.length}")
    check_portions(index.header, [shard.length for shard in index.shards], path)
    tables = {name: joined([file.tables[name] for file in opened]) for name in index.header.fields}
    header = replace(index.header, fields={name: table.field for name, table in tables.items()})
    try:
        header.check()
    except ValueError as error:
        raise StoreFormatError(f"{path}: found {error}; convert the source again") from error
    return header, tables


def shard_edges(header: Header, shard_bytes: int) -> list[int]:
    """Return where a store is cut into shards: the first sample of each, and the number of samples.

    Args:
        header: What the whole store holds.
        shard_bytes: The most bytes of all fields in a shard, before they are compressed; a block of x is never cut,
            and less than one, at the end, goes to the last shard.
    """
    step = header.block_length
    sample_bytes = sum(field.sample_bytes for field in header.fields.values())
    length = max(1, shard_bytes // (step * sample_bytes)) * step
    starts = range(0, header.length, length)
    if len(starts) > 1 and header.length - starts[-1] < step:
        starts = starts[:-1]  # no HDF5 dataset is shorter than its blocks
    return [*starts, header.length]


def shard_header(header: Header, length: int) -> Header:
    """Return what one shard says of itself: what its store does, without parts, and with labels in own blocks.

    Args:
        header: What the whole store holds.
        length: Samples in the shard.
    """
    fields = {
        name: field if is_input(name) else replace(field, block_length=label_block_length(field.sample_bytes, length))
        for name, field in header.fields.items()
    }
    return replace(header, length=length, fields=fields, boundaries=(), parts=())


def shards_folder(path: Path) -> str:
    """Return the name of the folder beside a store that holds its shards: data-shards for data.h5."""
    return f"{path.name.removesuffix('.h5')}-shards"


def listed_shards(path: Path) -> tuple[str, ...]:
    """Return the names of the shards that a store's file lists; none for one that holds its own blocks.

    Raises:
        StoreFormatError: The file is no store, or is damaged.
        OSError: The file cannot be read.
    """
    return tuple(shard.name for shard in read_file(path).shards)


def listing_of(path: Path) -> tuple[int, tuple[Shard, ...]]:
    """Return the `_blocks/rest` of a store's own file, and the shards that it lists.

    Raises:
        StoreFormatError: The file is no store, or is damaged.
        OSError: The file cannot be read.
    """
    file = read_file(path)
    return file.rest, file.shards


def shard_of(path: Path, name: str) -> Shard:
    """Describe a finished shard.

    Args:
        path: Where it is now.
        name: The name it is to have in the list of shards.
    """
    file = read_file(path)
    return Shard(name, file.header.length, path.stat().st_size, file.rest)


def shard_id(shards: Sequence[Shard]) -> str:
    """Return 16 digits that tell the shards of one content from those of another.

    Args:
        shards: All of them, in order, under any name.
    """
    text = "".join(f"{shard.length},{shard.size},{shard.rest};" for shard in shards)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _places(path: Path, shards: Sequence[Shard]) -> list[Path]:
    """Return where the shards of an index are, beside it.

    Raises:
        StoreFormatError: One lies elsewhere.
    """
    urls = [shard.name for shard in shards if "://" in shard.name]
    if is_remote(path) and urls:
        raise StoreFormatError(
            f"{path}: found a shard named {urls[0]!r}, expected one in the folder of the store; the file was not "
            "written by `convert`"
        )
    # Where the index itself is reached by a symbolic link, its shards lie beside the file that it leads to.
    folder = path.resolve().parent if not is_remote(path) and path.is_symlink() else path.parent
    return [folder / shard.name for shard in shards]


def _read_shard(path: Path, file: Path, header: Header, shard: Shard, raws: Iterator[BinaryIO]) -> HDF5File:
    # A symbolic link of the name is followed by every program, so it counts where it leads.
    if not is_remote(file) and not file.resolve().is_relative_to(path.resolve().parent):
        raise StoreFormatError(
            f"{file}: found that this shard of {path} lies in {file.resolve().parent}, expected it in the folder of "
            "the store; move the file there"
        )
    try:
        raw = next(raws)
    except FileNotFoundError:
        raise StoreFormatError(
            f"{file}: found no such file, expected a shard of {path}; move or copy {path.name} together with the "
            f"folder {file.parent.name}"
        ) from None
    except IsADirectoryError:
        raise StoreFormatError(f"{file}: found a folder, expected this shard of {path}") from None
    with raw:
        size = raw.seek(0, os.SEEK_END)
        if size != shard.size:
            raise StoreFormatError(f"{file}: found {size} bytes, expected {shard.size} for this shard of {path}")
        opened = read_opened(file, raw)
    if opened.shards or opened.rest != shard.rest or opened.header.length != shard.length:
        raise StoreFormatError(f"{file}: found another store than the shard that {path} was written with")
    for name, field in header.fields.items():
        if name not in opened.tables or not _is_like(opened.tables[name].field, field):
            raise StoreFormatError(f"{file}: found another {name} than {path} tells of, expected that one")
    return opened


def _is_like(own: Field, whole: Field) -> bool:
    """Return whether a shard's field is that of its store, but for the length of blocks and the width of keys."""
    encoding = own.encoding
    if whole.name == "key" and own.dtype.kind == "S" and own.dtype.itemsize <= whole.dtype.itemsize:
        encoding = whole.encoding
    return replace(own, block_length=1, encoding=encoding) == replace(whole, block_length=1)

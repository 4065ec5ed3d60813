"""Open one HDF5 file of a store to its tables of blocks, and check it on the way."""

import json
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np

from seekless.errors import StoreError, StoreFormatError
from seekless.store.blocks import BlockTable
from seekless.store.codecs import CODECS
from seekless.store.encoding import Encoding
from seekless.store.front import Front, opened
from seekless.store.links import check_links, check_sources, stored_fields
from seekless.store.rest import rest_checksum
from seekless.store.schema import ALIGNMENT, CHECKS, FORMAT, FORMAT_VERSION, REST, SHARDS, Field, Header, Shard

__all__ = ["HDF5File", "block_table", "has_our_format", "open_hdf5", "read_file", "read_opened"]

MAGIC = b"\x89HDF\r\n\x1a\n"
REWRITTEN = "was rewritten by another program (h5repack and its like move the blocks); convert the source again"


@dataclass(frozen=True)
class HDF5File:
    """What one file of a store holds.

    Attributes:
        header: What it says of itself.
        tables: Each field's table of blocks; empty for a file whose fields lie in shards.
        shards: The shards; empty for a file that holds its own blocks.
        rest: Its `_blocks/rest`.
    """

    header: Header
    tables: dict[str, BlockTable]
    shards: tuple[Shard, ...]
    rest: int


def read_file(path: Path) -> HDF5File:
    """Open one HDF5 file of a store, check it, and close it again.

    Args:
        path: The file.

    Raises:
        StoreFormatError: The file is no store, is of another version, or is damaged.
        StoreError: It is reached by URL, and cannot be.
        OSError: The file cannot be read.
    """
    with opened(path) as raw:
        return read_opened(path, raw)


def read_opened(path: Path, raw: BinaryIO) -> HDF5File:
    """Read what one HDF5 file of a store holds, and check it; see `read_file`.

    Args:
        path: The file.
        raw: It, open.
    """
    if isinstance(raw, Front) and raw.now.is_folder:
        raise StoreFormatError(f"{path}: found a folder, expected an .h5 file or a folder whose name ends in .npy.d")
    raw.seek(0)
    magic = raw.read(len(MAGIC))
    if magic != MAGIC:
        raise StoreFormatError(f"{path}: found {_describe(magic)}, expected a store, an HDF5 file that `convert` wrote")
    try:
        if isinstance(raw, Front):
            # HDF5 could ask for bytes through Python; where none can be given, it crashes as the process ends.
            header, tables, shards, rest, expected = raw.parse(lambda copy: _read_front(path, copy), _OtherFormatError)
        else:
            header, tables, shards, rest, expected = _read_parts(path, path)
        _check_places(path, tables.values(), raw.seek(0, os.SEEK_END))
    except StoreError:
        raise
    except Exception as error:  # flipped bits make h5py and NumPy raise ten kinds of errors, SyntaxError among them
        raise StoreFormatError(
            f"{path}: found a damaged or truncated file ({error}), expected a whole store"
        ) from error
    found = rest_checksum(path, list(tables.values()), rest, raw)
    if found != expected:
        raise StoreFormatError(
            f"{path}: found checksum {found:08x} of everything outside the blocks, expected {expected:08x}; the file "
            "was damaged, or changed by another program; convert the source again"
        )
    if isinstance(raw, Front):
        tables = {name: replace(table, marks=(raw.now.mark,)) for name, table in tables.items()}
    return HDF5File(header, tables, shards, expected)


class _OtherFormatError(StoreFormatError):
    """The file says that it is something else."""


class _Read(NamedTuple):
    """What a file holds, where its own checksum is, and what that should be."""

    header: Header
    tables: dict[str, BlockTable]
    shards: tuple[Shard, ...]
    rest: int
    expected: int


def _read_parts(path: Path, at: Path) -> _Read:
    """Read a file of a path that lies at another, or there."""
    with open_hdf5(at) as file:
        _check_format(file, path)
        check_links(file, path)
        shards = _read_shards(file)
        check_sources(file, path, shards)
        header = _read_header(file, path, sharded=bool(shards))
        fields = () if shards else header.fields.values()
        tables = {field.name: block_table(file, field, header.length, path) for field in fields}
        return _Read(header, tables, shards, file[REST].id.get_offset(), int(file[REST][()]))


def _read_front(path: Path, copy: Path) -> tuple[_Read, int]:
    """Read the same, and say where the first block begins; a file without blocks is all front."""
    read, size = _read_parts(path, copy), copy.stat().st_size
    _check_places(path, read.tables.values(), size)  # an index that ends in zeros is no error to HDF5
    begins = [int(table.offset.min()) for table in read.tables.values() if len(table)]
    return read, min(begins, default=size)


def open_hdf5(path: Path) -> h5py.File:
    """Open an HDF5 file to read it, without a lock: network disks refuse one, and writers never write in place.

    Raises:
        OSError: The file cannot be read, or is no HDF5 file.
    """
    for locking in (False, None):
        try:
            return h5py.File(path, "r", locking=locking)
        except OSError as error:
            if "flag values don't match" not in str(error):
                raise  # else this process has it open already, by plain h5py, and HDF5 wants the same flags again
    return h5py.File(path, "r", locking=True)


def has_our_format(path: Path) -> bool:
    """Return whether a file is HDF5 and says that it is a store, of whatever version and in whatever state.

    Raises:
        OSError: The file cannot be read, or is no HDF5 file.
    """
    with open_hdf5(path) as file:
        return "format" in file.attrs and _str(file.attrs["format"]) == FORMAT


def _check_format(file: h5py.File, path: Path) -> None:
    attributes = file.attrs
    if "format" not in attributes or _str(attributes["format"]) != FORMAT:
        raise _OtherFormatError(f"{path}: found an HDF5 file of another program, expected a store that `convert` wrote")
    version = int(attributes["format_version"])
    if version != FORMAT_VERSION:
        raise _OtherFormatError(
            f"{path}: found format version {version}, expected {FORMAT_VERSION}; install the seekless that wrote it"
        )


def _read_shards(file: h5py.File) -> tuple[Shard, ...]:
    if SHARDS not in file:
        return ()
    columns = (file[f"{SHARDS}/{name}"][...].tolist() for name in ("name", "length", "size", "rest"))
    return tuple(Shard(name.decode(), *numbers) for name, *numbers in zip(*columns, strict=True))


def _read_header(file: h5py.File, path: Path, *, sharded: bool) -> Header:
    attributes = file.attrs
    length = int(attributes["length"])
    names = stored_fields(file)
    for name in names:
        if file[name].is_virtual != sharded or (file[name].chunks is None and not sharded):
            layout = "of one piece" if file[name].chunks is None else "of blocks"
            raise StoreFormatError(f"{path}: found {name} {layout}, expected it otherwise; the file {REWRITTEN}")
    fields = {name: _read_field(file[name], path) for name in names}
    for field in fields.values():
        if file[field.name].shape[0] != length:
            raise StoreFormatError(
                f"{path}: found {file[field.name].shape[0]} samples in {field.name}, expected {length}"
            )
    class_names = None
    if "class_names" in file:
        class_names = tuple(name.decode() for name in file["class_names"][...])
    target = file["y"].attrs if "y" in file else {}
    header = Header(
        length=length,
        fields=fields,
        shuffled=bool(attributes["shuffled"]),
        seed=int(attributes["seed"]),
        created_by=_str(attributes["created_by"]),
        boundaries=tuple(int(end) for end in attributes.get("boundaries", ())),
        parts=tuple(int(end) for end in attributes.get("parts", ())),
        portions=tuple(int(end) for end in attributes.get("portions", ())),
        target_kind=_str(target.get("target_kind", "")),
        class_count=int(target.get("class_count", 0)),
        class_names=class_names,
        options=json.loads(_str(attributes["options"])),
    )
    header.check()
    return header


def _str(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_field(dataset: h5py.Dataset, path: Path) -> Field:
    attributes, dtype = dataset.attrs, np.dtype(dataset.dtype.str)
    field = Field(
        name=dataset.name.lstrip("/"),
        sample_shape=tuple(dataset.shape[1:]),
        encoding=Encoding(
            dtype, np.dtype(_str(attributes.get("logical_dtype", dtype.str))), int(attributes.get("divisor", 1))
        ),
        block_length=1 if dataset.is_virtual else dataset.chunks[0],
        scale=int(attributes.get("scale", 1)),
        codec=_str(attributes["codec"]),
    )
    field.check()
    if not dataset.is_virtual:
        _check_filters(dataset, field, path)
    return field


def _check_filters(dataset: h5py.Dataset, field: Field, path: Path) -> None:
    """Compare what HDF5 would undo with the codec: else other programs would read other values than this one."""
    if field.codec not in CODECS:
        raise StoreFormatError(
            f"{path}: found the codec {field.codec!r} for {field.name}, expected one of {', '.join(CODECS)}; install "
            "the seekless that wrote it"
        )
    creation = dataset.id.get_create_plist()
    found = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    expected = [] if field.codec == "none" else [CODECS[field.codec].filter_id]
    if found != expected:
        raise StoreFormatError(
            f"{path}: found the HDF5 filters {found} for {field.name}, expected {expected} for the codec "
            f"{field.codec}; the file {REWRITTEN}"
        )


def block_table(file: h5py.File, field: Field, length: int, path: Path) -> BlockTable:
    """Read where a field's blocks lie, in one pass over HDF5's index (asking block by block is quadratic).

    Args:
        file: The open file.
        field: The field.
        length: Samples in the store.
        path: The file's path, for the table.

    Returns:
        The table; blocks that the file lacks have offset -1.
    """
    blocks = field.blocks(length)
    offset, nbytes, masks = (np.full(blocks, value, np.int64) for value in (-1, 0, 0))

    def note(chunk: Any) -> None:
        block = chunk.chunk_offset[0] // field.block_length
        offset[block], nbytes[block], masks[block] = chunk.byte_offset, chunk.size, chunk.filter_mask

    file[field.name].id.chunk_iter(note)
    return BlockTable(
        field=field,
        paths=(path,),
        first=field.edges(length),
        file=np.zeros(blocks, np.int32),
        offset=offset,
        nbytes=nbytes,
        crc=file[f"{CHECKS}/{field.name}"][...],
        coded=(masks == 0) & (field.codec != "none"),
    )


def _check_places(path: Path, tables: Collection[BlockTable], size: int) -> None:
    for table in tables:
        name, whole = table.field.name, table.field.block_bytes
        if len(table.crc) != len(table):
            raise StoreFormatError(f"{path}: found {len(table.crc)} checksums of {name}, expected {len(table)}")
        wrong = np.where(table.coded, (table.nbytes < 1) | (table.nbytes >= whole), table.nbytes != whole)
        for block in np.flatnonzero((table.offset < 0) | wrong)[:1]:
            expected = f"fewer than {whole}, but some" if table.coded[block] else f"{whole}"
            raise StoreFormatError(
                f"{path}: found {table.nbytes[block]} bytes for block {block} of {name}, expected {expected}"
            )
        for block in np.flatnonzero(table.offset + table.nbytes > size)[:1]:
            raise StoreFormatError(
                f"{path}: found a file of {size} bytes, expected {table.offset[block] + table.nbytes[block]} or more "
                f"for block {block} of {name}; the file was cut short"
            )
    # One damaged address is not all of them.
    odd = [table.offset % ALIGNMENT != 0 for table in tables]
    if odd and np.concatenate(odd).mean() > 0.5:
        raise StoreFormatError(
            f"{path}: found blocks that do not begin at multiples of {ALIGNMENT} bytes, expected all to; the file "
            f"{REWRITTEN}"
        )


def _describe(magic: bytes) -> str:
    if not magic:
        return "an empty file"
    return "no HDF5 file (it begins with " + repr(magic) + ")"

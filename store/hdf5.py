"""Open a store of one HDF5 file to its tables of blocks, and check it on the way."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from seekless.errors import StoreFormatError
from seekless.store.blocks import BlockTable
from seekless.store.encoding import Encoding
from seekless.store.rest import rest_checksum
from seekless.store.schema import CHECKS, FORMAT, FORMAT_VERSION, REST, Field, Header

__all__ = ["block_table", "has_our_format", "read_hdf5"]

MAGIC = b"\x89HDF\r\n\x1a\n"


def read_hdf5(path: Path) -> tuple[Header, dict[str, BlockTable]]:
    """Open a store of one HDF5 file, check it, and close it again.

    Args:
        path: The file.

    Returns:
        What the store holds, and each field's table of blocks.

    Raises:
        StoreFormatError: The file is no store, is of another version, or is damaged.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as raw:
        magic = raw.read(len(MAGIC))
    if magic != MAGIC:
        raise StoreFormatError(f"{path}: found {_describe(magic)}, expected a store, an HDF5 file that `convert` wrote")
    try:
        with h5py.File(path, "r", locking=False) as file:
            header = _read_header(file, path)
            tables = {f.name: block_table(file, f, header.length, path) for f in header.fields.values()}
            rest, expected = file[REST].id.get_offset(), int(file[REST][()])
        _check_places(path, tables.values())
    except StoreFormatError:
        raise
    except Exception as error:  # flipped bits make h5py and NumPy raise ten kinds of errors, SyntaxError among them
        raise StoreFormatError(
            f"{path}: found a damaged or truncated file ({error}), expected a whole store"
        ) from error
    with open(path, "rb") as raw:
        found = rest_checksum(raw.fileno(), list(tables.values()), rest)
    if found != expected:
        raise StoreFormatError(
            f"{path}: found checksum {found:08x} of everything outside the blocks, expected {expected:08x}; the file "
            "was damaged, or rewritten by another program; convert the source again"
        )
    return header, tables


def has_our_format(path: Path) -> bool:
    """Return whether a file is HDF5 and says that it is a store, of whatever version and in whatever state.

    Raises:
        OSError: The file cannot be read, or is no HDF5 file.
    """
    with h5py.File(path, "r", locking=False) as file:
        return "format" in file.attrs and _str(file.attrs["format"]) == FORMAT


def _read_header(file: h5py.File, path: Path) -> Header:
    attributes = file.attrs
    if "format" not in attributes or _str(attributes["format"]) != FORMAT:
        raise StoreFormatError(f"{path}: found an HDF5 file of another program, expected a store that `convert` wrote")
    version = int(attributes["format_version"])
    if version != FORMAT_VERSION:
        raise StoreFormatError(
            f"{path}: found format version {version}, expected {FORMAT_VERSION}; install the seekless that wrote it"
        )
    length = int(attributes["length"])
    fields = {name: _read_field(file[name], name) for name in ("x", "y", "key") if name == "x" or name in file}
    for field in fields.values():
        if file[field.name].shape[0] != length:
            raise StoreFormatError(
                f"{path}: found {file[field.name].shape[0]} samples in {field.name}, expected {length}"
            )
    names = None
    if "class_names" in file:
        names = tuple(name.decode() for name in file["class_names"][...])
    target = file["y"].attrs if "y" in file else {}
    return Header(
        length=length,
        fields=fields,
        shuffled=bool(attributes["shuffled"]),
        seed=int(attributes["seed"]),
        created_by=_str(attributes["created_by"]),
        boundaries=tuple(int(end) for end in attributes.get("boundaries", ())),
        target_kind=_str(target.get("target_kind", "")),
        class_count=int(target.get("class_count", 0)),
        class_names=names,
        options=json.loads(_str(attributes["options"])),
    )


def _str(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_field(dataset: h5py.Dataset, name: str) -> Field:
    attributes, dtype = dataset.attrs, np.dtype(dataset.dtype.str)
    return Field(
        name=name,
        sample_shape=tuple(dataset.shape[1:]),
        encoding=Encoding(
            dtype, np.dtype(_str(attributes.get("logical_dtype", dtype.str))), int(attributes.get("divisor", 1))
        ),
        block_length=dataset.chunks[0],
        scale=int(attributes.get("scale", 1)),
        codec=_str(attributes["codec"]),
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
    offset, nbytes = np.full(blocks, -1, np.int64), np.zeros(blocks, np.int64)

    def note(chunk: Any) -> None:
        block = chunk.chunk_offset[0] // field.block_length
        offset[block], nbytes[block] = chunk.byte_offset, chunk.size

    file[field.name].id.chunk_iter(note)
    return BlockTable(field, length, path, offset, nbytes, file[f"{CHECKS}/{field.name}"][...])


def _check_places(path: Path, tables: Iterable[BlockTable]) -> None:
    size = path.stat().st_size
    for table in tables:
        name = table.field.name
        if len(table.crc) != len(table):
            raise StoreFormatError(f"{path}: found {len(table.crc)} checksums of {name}, expected {len(table)}")
        for block in np.flatnonzero((table.offset < 0) | (table.nbytes != table.field.block_bytes))[:1]:
            raise StoreFormatError(
                f"{path}: found {table.nbytes[block]} bytes for block {block} of {name}, expected "
                f"{table.field.block_bytes}"
            )
        for block in np.flatnonzero(table.offset + table.nbytes > size)[:1]:
            raise StoreFormatError(
                f"{path}: found a file of {size} bytes, expected {table.offset[block] + table.nbytes[block]} or more "
                f"for block {block} of {name}; the file was cut short"
            )


def _describe(magic: bytes) -> str:
    if not magic:
        return "an empty file"
    return "no HDF5 file (it begins with " + repr(magic) + ")"

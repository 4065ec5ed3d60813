"""Open a store that is a folder of `.npy` files to its tables of blocks, and check it on the way.

data.npy.d/x.npy, y.npy, key.npy   one plain array each; np.load(..., mmap_mode="r") reads them
data.npy.d/x.NAME.npy              of several inputs, each one
data.npy.d/store.json              what the store says of itself, the block lengths and the blocks' checksums
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seekless.errors import StoreFormatError
from seekless.store.blocks import BlockTable
from seekless.store.encoding import Encoding
from seekless.store.front import Front, opened, opened_ahead
from seekless.store.inputs import LABELS, field_order, is_input
from seekless.store.schema import ALIGNMENT, FORMAT, FORMAT_VERSION, Field, Header
from seekless.urls import is_remote

__all__ = ["DESCRIPTION", "array_head", "array_name", "block_sizes", "describe", "is_own_file", "read_npy"]

DESCRIPTION = "store.json"
SUFFIX = ".npy"
MAGIC = b"\x93NUMPY\x01\x00"


def read_npy(path: Path) -> tuple[Header, dict[str, BlockTable]]:
    """Open a store that is a folder of `.npy` files, check it, and close it again.

    Args:
        path: The folder.

    Returns:
        What the store holds, and each field's table of blocks.

    Raises:
        StoreFormatError: The folder is no store, is of another version, or is damaged.
        OSError: A file cannot be read.
    """
    described = _read_description(path)
    try:
        header = _header(described)
        checks = {name: np.array(described["blocks"][name], np.uint32) for name in header.fields}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StoreFormatError(f"{path / DESCRIPTION}: found a description that lacks or garbles {error}") from error
    files = {name: path / array_name(name) for name in header.fields}
    with closing(opened_ahead(files.values(), ALIGNMENT)) as raws:
        marks = {name: _check_file(file, header.fields[name], header.length, raws) for name, file in files.items()}
    tables = {}
    for name, field in header.fields.items():
        nbytes = block_sizes(field, header.length)
        if len(checks[name]) != len(nbytes):
            raise StoreFormatError(
                f"{path / DESCRIPTION}: found {len(checks[name])} checksums of {name}, expected {len(nbytes)}"
            )
        blocks = len(nbytes)
        tables[name] = BlockTable(
            field=field,
            paths=(files[name],),
            first=field.edges(header.length),
            file=np.zeros(blocks, np.int32),
            offset=len(array_head(field, header.length)) + np.arange(blocks) * field.block_bytes,
            nbytes=nbytes,
            crc=checks[name],
            coded=np.zeros(blocks, bool),
            marks=marks[name],
        )
    return header, tables


def array_name(field: str) -> str:
    """Return the name of a field's file: x.npy, or x.image.npy for x/image."""
    return field.replace("/", ".", 1) + SUFFIX


def is_own_file(name: str) -> bool:
    """Return whether a file of this name may lie in the folder of a store."""
    field = name.removesuffix(SUFFIX)
    own = field in LABELS or is_input(field) or is_input(field.replace(".", "/", 1))
    return name == DESCRIPTION or (own and array_name(field) == name)


def array_head(field: Field, length: int) -> bytes:
    """Return what an `.npy` file of a field begins with: NumPy's format 1.0, padded so that data begins at 4096.

    Args:
        field: The field.
        length: Samples in the store.
    """
    text = f"{{'descr': {field.dtype.str!r}, 'fortran_order': False, 'shape': {(length, *field.sample_shape)!r}, }}"
    room = ALIGNMENT - len(MAGIC) - 2
    return MAGIC + room.to_bytes(2, "little") + text.encode().ljust(room - 1) + b"\n"


def block_sizes(field: Field, length: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64, (blocks,): the bytes of each block; the last is as short as its samples."""
    nbytes = np.full(field.blocks(length), field.block_bytes, np.int64)
    nbytes[-1:] = (length - (len(nbytes) - 1) * field.block_length) * field.sample_bytes
    return nbytes


def describe(header: Header, checks: Mapping[str, list[int]]) -> bytes:
    """Return the text of `store.json`.

    Args:
        header: What the store holds.
        checks: CRC-32 of each block, by field.
    """
    described: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "length": header.length,
        "shuffled": header.shuffled,
        "seed": header.seed,
        "boundaries": list(header.boundaries),
        "parts": list(header.parts),
        "target_kind": header.target_kind,
        "class_count": header.class_count,
        "class_names": None if header.class_names is None else list(header.class_names),
        "options": dict(header.options),
        "created_by": header.created_by,
        "fields": {name: _field_dict(field) for name, field in header.fields.items()},
        "blocks": dict(checks),
    }
    described["checksum"] = _checksum(described)
    return _text(described)


def _field_dict(field: Field) -> dict[str, Any]:
    return {
        "sample_shape": list(field.sample_shape),
        "dtype": field.dtype.str,
        "logical_dtype": field.encoding.logical_dtype.str,
        "divisor": field.encoding.divisor,
        "scale": field.scale,
        "block_length": field.block_length,
        "codec": field.codec,
    }


def _text(described: Mapping[str, Any]) -> bytes:
    return json.dumps(described, sort_keys=True, indent=1).encode() + b"\n"


def _checksum(described: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(described, sort_keys=True, separators=(",", ":")).encode())


def _read_description(path: Path) -> dict[str, Any]:
    file = path / DESCRIPTION
    try:
        with opened(file) as raw:
            text = raw.read()
    except FileNotFoundError:
        if is_remote(path):  # where a folder is there as soon as anything is in it
            raise
        raise StoreFormatError(
            f"{path}: found a folder without {DESCRIPTION}, expected a store, an .h5 file or an .npy.d folder that "
            "`convert` wrote"
        ) from None
    try:
        described = json.loads(text)
        expected = described.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise StoreFormatError(f"{file}: found text that is no description of a store ({error})") from error
    if described.get("format") != FORMAT or described.get("format_version") != FORMAT_VERSION:
        raise StoreFormatError(
            f"{file}: found format {described.get('format')!r} version {described.get('format_version')!r}, expected "
            f"{FORMAT!r} version {FORMAT_VERSION}; install the seekless that wrote it"
        )
    # Text that differs only in what JSON does not mean, such as a changed space, is damage all the same.
    if _checksum(described) != expected or _text({**described, "checksum": expected}) != text:
        raise StoreFormatError(f"{file}: found a checksum that does not fit the text, expected an unchanged file")
    return dict(described)


def _header(described: Mapping[str, Any]) -> Header:
    fields = {}
    for name in field_order(described["fields"]):
        kept = described["fields"][name]
        encoding = Encoding(np.dtype(kept["dtype"]), np.dtype(kept["logical_dtype"]), int(kept["divisor"]))
        shape = tuple(int(size) for size in kept["sample_shape"])
        fields[name] = Field(name, shape, encoding, int(kept["block_length"]), int(kept["scale"]), kept["codec"])
        fields[name].check()
        if fields[name].codec != "none":
            raise ValueError(f"the codec of {name}")
    names = described["class_names"]
    header = Header(
        length=int(described["length"]),
        fields=fields,
        shuffled=bool(described["shuffled"]),
        seed=int(described["seed"]),
        created_by=str(described["created_by"]),
        boundaries=tuple(int(end) for end in described["boundaries"]),
        parts=tuple(int(end) for end in described["parts"]),
        target_kind=str(described["target_kind"]),
        class_count=int(described["class_count"]),
        class_names=None if names is None else tuple(names),
        options=described["options"],
    )
    header.check()
    return header


def _check_file(file: Path, field: Field, length: int, raws: Iterator[BinaryIO]) -> tuple[int, ...]:
    """Compare an array with what its store says of it; return what tells it from another version, of a remote one."""
    try:
        raw = next(raws)
    except FileNotFoundError:
        raise StoreFormatError(f"{file}: found no such file, expected an array of the store") from None
    head = array_head(field, length)
    with raw:
        if raw.read(len(head)) != head:
            raise StoreFormatError(f"{file}: found another array than {DESCRIPTION} tells of, expected that one")
        found, expected = raw.seek(0, os.SEEK_END), len(head) + length * field.sample_bytes
        if found != expected:
            raise StoreFormatError(f"{file}: found {found} bytes, expected {expected}")
        return (raw.now.mark,) if isinstance(raw, Front) else ()

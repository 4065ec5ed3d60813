"""Write the blocks of a store to one HDF5 file.

The file is made so that the same blocks give the same bytes: the oldest file format, no time stamps, metadata in one
place at the front, and blocks appended in order, each at a multiple of 4096 bytes.
"""

import contextlib
import os
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from seekless.errors import StoreError
from seekless.store.blocks import BlockTable
from seekless.store.codecs import Buffer, codec_named
from seekless.store.hdf5 import block_table
from seekless.store.rest import rest_checksum
from seekless.store.schema import ALIGNMENT, CHECKS, FORMAT, FORMAT_VERSION, REST, Field, Header
from seekless.store.writer import StoreWriter

__all__ = [
    "HDF5Writer",
    "create_rest",
    "hdf5_dtype",
    "seal",
    "write_attributes",
    "write_class_names",
    "write_field_attributes",
]

# Stands for a codec's filter until the file is closed. Of the filter's own number HDF5 would ask a plugin, if one is
# loaded, for a name and other parameters: the bytes would depend on what else is installed. Without a name h5repack
# 1.10 writes files that nobody can open.
NO_FILTER = 65535
# x, y and key.
USUAL_FIELDS = 3


class HDF5Writer(StoreWriter):
    """Writes a store of one HDF5 file.

    Args:
        path: The file to make; one that exists is replaced.
        header: What the store holds.
        threads: Threads that compress blocks while others are written; 0 to compress in the caller's.
    """

    def __init__(self, path: Path, header: Header, threads: int = 0) -> None:
        super().__init__(header, threads)
        self._path = path
        self._file = h5py.File(
            path,
            "w",
            libver="earliest",
            meta_block_size=_metadata_bytes(header),
            alignment_threshold=1,  # blocks of a small store are smaller than a page
            alignment_interval=ALIGNMENT,
        )
        try:
            write_attributes(self._file, header)
            _create_fields(self._file, header)
            write_class_names(self._file, header)
            self._file.create_group(CHECKS)
            if "x" not in header.fields:
                self._file.create_group(f"{CHECKS}/x")
            for field in header.fields.values():
                _create_early(self._file, f"{CHECKS}/{field.name}", (field.blocks(header.length),))
            create_rest(self._file)
        except BaseException:
            self._file.close()
            raise

    def _put(self, name: str, number: int, stored: Buffer, *, coded: bool) -> int:
        field = self.header.fields[name]
        first = (number * field.block_length, *(0 for _ in field.sample_shape))
        # The mask has a bit for each filter that was left out for this block.
        dataset = self._file[name].id
        dataset.write_direct_chunk(first, stored, int(field.codec != "none" and not coded))
        offset: int = dataset.get_chunk_info_by_coord(first).byte_offset
        return offset

    def _finish(self, checks: dict[str, npt.NDArray[np.uint32]]) -> None:
        with self._file as file:
            for name, array in checks.items():
                file[f"{CHECKS}/{name}"][...] = array
            rest = file[REST].id.get_offset()
            fields, length = self.header.fields.values(), self.header.length
            tables = [block_table(file, field, length, self._path) for field in fields]
        _name_filters(self._path, fields, int(tables[0].offset[0]))
        seal(self._path, tables, rest)

    def _abandon(self) -> None:
        # Where the disk is full, closing fails too; what counts is the error that came first.
        with contextlib.suppress(RuntimeError, OSError):
            self._file.close()


def _metadata_bytes(header: Header) -> int:
    """Space for all metadata, so that it lies together at the front and opening is one read.

    HDF5's index of blocks takes up to 4 KiB for every 32 blocks, about half of it filled when blocks come in order.
    """
    blocks = sum(field.blocks(header.length) for field in header.fields.values())
    more = max(0, len(header.fields) - USUAL_FIELDS)
    return 64 * 1024 * -(-(32 * 1024 + 8 * 1024 * more + 256 * blocks) // (64 * 1024))


def seal(path: Path, tables: Sequence[BlockTable], rest: int) -> None:
    """Write the checksum of everything outside the blocks into a file that is complete, and bring it to the disk.

    Args:
        path: The file.
        tables: The tables of all fields.
        rest: Where the checksum stands, bytes from the start of the file.
    """
    check = rest_checksum(path, tables, rest)
    with open(path, "r+b") as raw:
        raw.seek(rest)
        raw.write(check.to_bytes(4, "little"))
        raw.flush()
        os.fsync(raw.fileno())


def _text(text: str) -> npt.NDArray[Any]:
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))


def write_attributes(file: h5py.File, header: Header) -> None:
    """Write what a store says of itself."""
    attributes = file.attrs
    attributes["format"] = _text(FORMAT)
    attributes["format_version"] = np.int64(FORMAT_VERSION)
    attributes["length"] = np.int64(header.length)
    attributes["shuffled"] = np.uint8(header.shuffled)
    attributes["seed"] = np.int64(header.seed)
    attributes["options"] = _text(header.options_json)
    attributes["created_by"] = _text(header.created_by)
    if header.boundaries:
        attributes["boundaries"] = np.array(header.boundaries, "<i8")
    if header.parts:
        attributes["parts"] = np.array(header.parts, "<i8")
    if header.portions:
        attributes["portions"] = np.array(header.portions, "<i8")


def hdf5_dtype(field: Field) -> Any:
    """Return the dtype by which HDF5 knows a field's stored values."""
    return h5py.string_dtype("utf-8", field.dtype.itemsize) if field.dtype.kind == "S" else field.dtype


def _create_fields(file: h5py.File, header: Header) -> None:
    for field in header.fields.values():
        dataset = file.create_dataset(
            field.name,
            (header.length, *field.sample_shape),
            hdf5_dtype(field),
            chunks=(field.block_length, *field.sample_shape),
            track_times=False,
            **_filter(field),
        )
        write_field_attributes(dataset, field, header)


def write_field_attributes(dataset: h5py.Dataset, field: Field, header: Header) -> None:
    """Write what a field says of itself."""
    dataset.attrs["codec"] = _text(field.codec)
    if field.dtype.kind != "S":
        dataset.attrs["logical_dtype"] = _text(field.encoding.logical_dtype.str)
        dataset.attrs["divisor"] = np.int64(field.encoding.divisor)
        dataset.attrs["scale"] = np.int64(field.scale)
    if field.name == "y":
        dataset.attrs["target_kind"] = _text(header.target_kind)
        dataset.attrs["class_count"] = np.int64(header.class_count)


def write_class_names(file: h5py.File, header: Header) -> None:
    """Write the names of the classes, if they have any."""
    if header.class_names is not None:
        names = [name.encode() for name in header.class_names]
        dtype = h5py.string_dtype("utf-8", max(map(len, names)))
        file.create_dataset("class_names", data=np.array(names, dtype), track_times=False)


def create_rest(file: h5py.File) -> None:
    """Make the place of the checksum of everything outside the blocks; `seal` fills it."""
    _create_early(file, REST, ())


def _filter(field: Field) -> dict[str, Any]:
    """Say which filter HDF5 is to name; blocks reach the file compressed, so it need not be there."""
    if field.codec == "none":
        return {}
    codec = codec_named(field.codec)
    values = codec.filter_values(field.block_bytes, field.item_bytes)
    if codec.filter_id == h5py.h5z.FILTER_DEFLATE:
        return {"compression": "gzip", "compression_opts": values[0]}
    parameters = (*_name_of(field), *values)
    return {"compression": NO_FILTER, "compression_opts": parameters, "allow_unknown_filter": True}


def _name_of(field: Field) -> tuple[int, int]:
    """Return a filter's name, 8 bytes padded with zeros, as two parameters of a filter."""
    one, other = struct.unpack("<II", field.codec.encode().ljust(8, b"\0"))
    return one, other


def _name_filters(path: Path, fields: Collection[Field], end: int) -> None:
    """Write the numbers and names of filters into a file that was made with `NO_FILTER`.

    Args:
        path: The file, closed.
        fields: All fields.
        end: Where HDF5's own part at the front ends, in bytes.
    """
    for field in fields:
        made = _filter(field)
        if made.get("compression") != NO_FILTER:
            continue
        values = made["compression_opts"]
        # HDF5 keeps number, bytes of the name, flags, number of parameters; then the name, then the parameters.
        head = struct.Struct("<HHHH")
        entry = head.pack(NO_FILTER, 0, 1, len(values)) + struct.pack(f"<{len(values)}I", *values)
        with open(path, "r+b") as raw:
            at = raw.read(end).find(entry)
            if at < 0:
                raise StoreError(f"{path}: found no filter of {field.name}, expected HDF5 to have written one")
            raw.seek(at)
            raw.write(head.pack(codec_named(field.codec).filter_id, 8, 1, len(values) - 2))


def _create_early(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    """Make a dataset whose place is taken now, before the blocks, and filled later."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_U32LE, space, dcpl=creation)

"""Write the blocks of a store to one HDF5 file.

The file is made so that the same blocks give the same bytes: the oldest file format, no time stamps, metadata in one
place at the front, and blocks appended in order, each at a multiple of 4096 bytes.
"""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from seekless.store.hdf5 import block_table
from seekless.store.rest import rest_checksum
from seekless.store.schema import ALIGNMENT, CHECKS, FORMAT, FORMAT_VERSION, REST, Header
from seekless.store.writer import StoreWriter

__all__ = ["HDF5Writer"]


class HDF5Writer(StoreWriter):
    """Writes a store of one HDF5 file.

    Args:
        path: The file to make; one that exists is replaced.
        header: What the store holds.
    """

    def __init__(self, path: Path, header: Header) -> None:
        super().__init__(header)
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
            _write_attributes(self._file, header)
            _create_datasets(self._file, header)
        except BaseException:
            self._file.close()
            raise

    def _put(self, name: str, number: int, stored: memoryview | bytes) -> memoryview | bytes:
        field = self.header.fields[name]
        first = (number * field.block_length, *(0 for _ in field.sample_shape))
        self._file[name].id.write_direct_chunk(first, stored)
        return stored

    def _finish(self, checks: dict[str, npt.NDArray[np.uint32]]) -> None:
        with self._file as file:
            for name, array in checks.items():
                file[f"{CHECKS}/{name}"][...] = array
            rest = file[REST].id.get_offset()
            fields, length = self.header.fields.values(), self.header.length
            tables = [block_table(file, field, length, self._path) for field in fields]
        with open(self._path, "r+b") as raw:
            check = rest_checksum(raw.fileno(), tables, rest)
            raw.seek(rest)
            raw.write(check.to_bytes(4, "little"))
            raw.flush()
            os.fsync(raw.fileno())

    def _abandon(self) -> None:
        self._file.close()


def _metadata_bytes(header: Header) -> int:
    """Space for all metadata, so that it lies together at the front and opening is one read.

    HDF5's index of blocks takes up to 4 KiB for every 32 blocks, about half of it filled when blocks come in order.
    """
    blocks = sum(field.blocks(header.length) for field in header.fields.values())
    return 64 * 1024 * -(-(32 * 1024 + 256 * blocks) // (64 * 1024))


def _text(text: str) -> npt.NDArray[Any]:
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))


def _write_attributes(file: h5py.File, header: Header) -> None:
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


def _create_datasets(file: h5py.File, header: Header) -> None:
    for field in header.fields.values():
        dtype = h5py.string_dtype("utf-8", field.dtype.itemsize) if field.dtype.kind == "S" else field.dtype
        dataset = file.create_dataset(
            field.name,
            (header.length, *field.sample_shape),
            dtype,
            chunks=(field.block_length, *field.sample_shape),
            track_times=False,
        )
        dataset.attrs["codec"] = _text(field.codec)
        if field.dtype.kind != "S":
            dataset.attrs["logical_dtype"] = _text(field.encoding.logical_dtype.str)
            dataset.attrs["divisor"] = np.int64(field.encoding.divisor)
            dataset.attrs["scale"] = np.int64(field.scale)
        if field.name == "y":
            dataset.attrs["target_kind"] = _text(header.target_kind)
            dataset.attrs["class_count"] = np.int64(header.class_count)
    if header.class_names is not None:
        names = [name.encode() for name in header.class_names]
        dtype = h5py.string_dtype("utf-8", max(map(len, names)))
        file.create_dataset("class_names", data=np.array(names, dtype), track_times=False)
    file.create_group(CHECKS)
    for field in header.fields.values():
        _create_early(file, f"{CHECKS}/{field.name}", (field.blocks(header.length),))
    _create_early(file, REST, ())


def _create_early(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    """Make a dataset whose place is taken now, before the blocks, and filled later."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_U32LE, space, dcpl=creation)

"""Write the index of a store that is spread over shards: one HDF5 file through which plain readers see one array."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from seekless.store.hdf5_writer import (
    create_rest,
    hdf5_dtype,
    seal,
    write_attributes,
    write_class_names,
    write_field_attributes,
)
from seekless.store.links import source_name
from seekless.store.schema import CHECKS, REST, SHARDS, Field, Header, Shard

__all__ = ["write_index"]


def write_index(path: Path, header: Header, shards: Sequence[Shard]) -> None:
    """Write the index of a store, and bring it to the disk.

    Args:
        path: The file to make; one that exists is replaced.
        header: What the whole store holds.
        shards: Its shards, in order; their names are relative to the folder that the index will lie in.
    """
    with h5py.File(path, "w", libver="earliest") as file:
        write_attributes(file, header)
        if "x" not in header.fields:
            file.create_group("x")
        for field in header.fields.values():
            _create_virtual(file, field, header, shards)
        write_class_names(file, header)
        names = [shard.name.encode() for shard in shards]
        group = file.create_group(SHARDS)
        for column, values in {
            "name": np.array(names, h5py.string_dtype("utf-8", max(map(len, names)))),
            "length": np.array([shard.length for shard in shards], "<i8"),
            "size": np.array([shard.size for shard in shards], "<i8"),
            "rest": np.array([shard.rest for shard in shards], "<u4"),
        }.items():
            group.create_dataset(column, data=values, track_times=False)
        file.create_group(CHECKS)
        create_rest(file)
        rest = file[REST].id.get_offset()
    seal(path, (), rest)


def _create_virtual(file: h5py.File, field: Field, header: Header, shards: Sequence[Shard]) -> None:
    space = h5py.h5s.create_simple((header.length, *field.sample_shape))
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)  # a time stamp would give other bytes each time
    start, corner = 0, (0,) * len(field.sample_shape)
    for shard in shards:
        part = (shard.length, *field.sample_shape)
        space.select_hyperslab((start, *corner), part)
        creation.set_virtual(space, source_name(shard.name).encode(), field.name.encode(), h5py.h5s.create_simple(part))
        start += shard.length
    space.select_all()
    dtype = h5py.h5t.py_create(np.dtype(hdf5_dtype(field)), logical=True)
    dataset = h5py.Dataset(h5py.h5d.create(file.id, field.name.encode(), dtype, space, dcpl=creation))
    write_field_attributes(dataset, field, header)

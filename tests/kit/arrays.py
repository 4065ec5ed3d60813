"""Writing arrays to a store as they are, in whatever blocks a header says."""

from pathlib import Path

import numpy as np

from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Header


def write_arrays(path: Path, header: Header, values: dict[str, np.ndarray]) -> Path:
    """Write the values of each field, uncompressed, the last block filled up with zeros; return the path."""
    with HDF5Writer(path, header) as writer:
        for name, array in values.items():
            length = header.fields[name].block_length
            for start in range(0, len(array), length):
                part = array[start : start + length]
                whole = np.zeros((length, *part.shape[1:]), part.dtype)
                whole[: len(part)] = part
                writer.append(name, whole.tobytes())
    return path

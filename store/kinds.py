"""The kinds of stores, told apart by name: `.h5` is one HDF5 file, `.npy.d` a folder of `.npy` files."""

from pathlib import Path

from seekless.errors import OptionError
from seekless.store.blocks import BlockTable
from seekless.store.schema import FORMAT, Header
from seekless.store.writer import StoreWriter
from seekless.urls import is_remote

__all__ = ["HDF5_SUFFIX", "NPY_SUFFIX", "create", "looks_like_a_store", "read_store", "suffix_of"]

HDF5_SUFFIX = ".h5"
NPY_SUFFIX = ".npy.d"


def suffix_of(path: Path) -> str:
    """Return the suffix that names a store's kind.

    Args:
        path: Where the store is, or is to be.

    Raises:
        OptionError: The name ends in neither.
    """
    for suffix in (HDF5_SUFFIX, NPY_SUFFIX):
        if path.name.endswith(suffix) and path.name != suffix:
            return suffix
    raise OptionError(f"{path}: found a store named {path.name!r}, expected a name that ends in .h5 or .npy.d")


def create(suffix: str, path: Path, header: Header, threads: int = 0) -> StoreWriter:
    """Begin a store.

    Args:
        suffix: Its kind.
        path: The file or folder to make.
        header: What it will hold.
        threads: Threads that fill and compress blocks while others are written; 0 to do it in the caller's.

    Returns:
        Its writer.
    """
    if suffix == NPY_SUFFIX:
        from seekless.store.npy_writer import NPYWriter

        return NPYWriter(path, header, threads)
    from seekless.store.hdf5_writer import HDF5Writer

    return HDF5Writer(path, header, threads)


def read_store(path: Path) -> tuple[Header, dict[str, BlockTable]]:
    """Open a store of any kind: a folder is NPY, a file HDF5.

    Args:
        path: Where it is.

    Returns:
        What it holds, and each field's table of blocks.

    Raises:
        StoreFormatError: What is there is no store, or is damaged.
        OSError: It cannot be read.
    """
    # What is reached by URL is told by its name alone: there may be no folders there, and each question takes long.
    if path.name.endswith(NPY_SUFFIX) if is_remote(path) else path.is_dir():
        from seekless.store.npy import read_npy

        return read_npy(path)
    from seekless.store.shards import read_hdf5

    return read_hdf5(path)


def looks_like_a_store(path: Path) -> bool:
    """Return whether a file or folder is a store of any version, whole or damaged: what may be replaced as one.

    A file that is damaged where HDF5 keeps its own tables is not known for a store any more.
    """
    try:
        if path.is_dir():
            from seekless.store.npy import DESCRIPTION, is_own_file

            if not all(is_own_file(file.name) for file in path.iterdir()):
                return False  # somebody keeps files of his own in it
            return FORMAT.encode() in (path / DESCRIPTION).read_bytes()
        from seekless.store.hdf5 import has_our_format

        return has_our_format(path)
    except Exception:  # flipped bits make h5py raise ten kinds of errors
        return False

"""All ways by their short names; a module is imported only where its way runs."""

from importlib import import_module
from typing import Any

from rivals.way import Way

__all__ = ["FIT", "FLOORS", "OWN", "PEERS", "TITLES", "made", "ways_for"]

# name: (module, class, arguments, title)
WAYS: dict[str, tuple[str, str, tuple[Any, ...], str]] = {
    "store": ("store", "Store", (), "the store, in a loop"),
    "store-batches": ("store", "Batches", (), "the store, without Keras"),
    "store-fit": ("store", "InFit", (), "the store, in fit"),
    "memory": ("loose", "Memory", (), "arrays in memory, fit(x, y)"),
    "files": ("loose", "Files", (1,), "loose files, PyDataset, 1 worker"),
    "files-4": ("loose", "Files", (4,), "loose files, PyDataset, 4 workers"),
    "directory": ("loose", "Directory", (), "image_dataset_from_directory"),
    "h5py-slices": ("arrays", "HDF5", ("slices",), "h5py, slices in random order"),
    "h5py-fancy": ("arrays", "HDF5", ("fancy",), "h5py, fancy indices"),
    "memmap-slices": ("arrays", "MemoryMap", ("slices",), "np.memmap, slices in random order"),
    "memmap-fancy": ("arrays", "MemoryMap", ("fancy",), "np.memmap, fancy indices"),
    "tfrecord": ("tfrecord", "TFRecord", (), "tf.data over TFRecord, in fit"),
    "pass": ("floors", "Pass", (), "floor: NumPy over memory"),
    "dd": ("floors", "DD", (), "floor: dd of the bytes"),
    "webdataset": ("webdataset", "WebDataset", (), "WebDataset"),
    "mosaicml": ("mosaicml", "Streaming", (), "MosaicML Streaming"),
    "litdata": ("litdata", "LitData", (), "LitData"),
    "huggingface": ("huggingface", "Datasets", (), "Hugging Face datasets"),
    "grain": ("grain", "Grain", (), "Grain over ArrayRecord"),
    "ffcv": ("ffcv", "FFCV", (), "FFCV"),
}
TITLES = {name: row[3] for name, row in WAYS.items()}
PEERS = ("webdataset", "mosaicml", "litdata", "huggingface", "grain", "ffcv")
FLOORS = ("pass", "dd")
# Keras' fit takes time of its own for each batch: these are compared with the store in fit, the others with a loop.
FIT = ("store-fit", "memory", "files", "files-4", "directory", "tfrecord")
OWN = tuple(name for name in WAYS if name not in PEERS)


def made(name: str) -> Way:
    """Return a way by its short name."""
    module, kind, arguments, _ = WAYS[name]
    way: Way = getattr(import_module(f"rivals.{module}"), kind)(*arguments)
    return way


def ways_for(kind: str) -> list[str]:
    """Return the ways, other than peers, that read a kind of source, csv or png."""
    return [name for name in OWN if kind == "png" or name != "directory"]

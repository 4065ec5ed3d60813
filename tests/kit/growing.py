"""Stores that grow: samples that hold their numbers, a first conversion and appends, and what must be there then."""

import hashlib
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 (undoes codecs for plain h5py)
import numpy as np

import seekless
from seekless.convert.run import pack

NAMES = ("cat", "dog")


def value(number: int) -> np.ndarray:
    """The sample of a number: it holds the number itself."""
    return np.array([[number % 200, 1], [2, 3]])


def append(source, store, **options):
    return pack(source, store, append=True, progress=False, workers=0, **options)


def first(source, store, **options):
    return pack(source, store, progress=False, workers=0, **options)


def files(store: Path) -> dict[str, str]:
    """The content of all files of a store."""
    found = {file.relative_to(store.parent).as_posix(): file for file in seekless.open(store).files}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()}


def holds(store: Path, numbers: range, names=NAMES) -> None:
    """Hold that a store has these samples with their targets, for us and for plain h5py."""
    opened = seekless.open(store)
    assert sorted(opened.keys) == sorted(f"train/{n:03d}.csv" for n in numbers)
    for key, (x, y) in zip(opened.keys, (opened[i] for i in range(len(opened))), strict=True):
        number = int(Path(key).stem)
        assert x.tolist() == value(number).tolist()
        assert opened.class_names[y] == names[number % len(names)]
    with h5py.File(store) as file:
        assert [key.decode() for key in file["key"][...].tolist()] == opened.keys
        stored = opened.read("x", 0, len(opened))
        assert np.array_equal(file["x"][...], stored)
        assert np.array_equal(file["y"][...], opened["y"])

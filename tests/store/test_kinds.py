"""Two kinds of stores, told apart by their names, and by what they are."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, StoreFormatError
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.kinds import create, looks_like_a_store, read_store, suffix_of
from seekless.store.npy_writer import NPYWriter


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("data.h5", ".h5"), ("a/b.c.h5", ".h5"), ("data.npy.d", ".npy.d"), ("/x/y.h5.npy.d", ".npy.d")],
)
def test_a_suffix_names_the_kind(name, suffix):
    assert suffix_of(Path(name)) == suffix


@pytest.mark.parametrize("name", ["data", "data.hdf5", "data.H5", ".h5", "a/.npy.d", "data.npy", "data.h5.gz", "d.d"])
def test_other_names_are_refused(name):
    with pytest.raises(OptionError, match=r"found a store named '.*', expected a name that ends in \.h5 or \.npy\.d"):
        suffix_of(Path(name))


@pytest.mark.parametrize(("name", "kind"), [("a.h5", HDF5Writer), ("a.npy.d", NPYWriter)])
def test_each_kind_has_its_writer(made, tmp_path, name, kind):
    header = read_store(made)[0]
    with pytest.raises(ValueError, match="found 0 blocks"), create(suffix_of(Path(name)), tmp_path / name, header) as w:
        assert type(w) is kind


def test_both_are_read_by_what_is_there(made, made_npy, tmp_path):
    plain, folder = made.rename(tmp_path / "plain"), made_npy.rename(tmp_path / "folder")
    assert read_store(plain)[0] == read_store(folder)[0]


@pytest.mark.parametrize("change", ["whole", "damaged", "another version"])
@pytest.mark.parametrize("kind", ["made", "made_npy"])
def test_a_store_is_known_in_any_state(request, kind, change):
    path = request.getfixturevalue(kind)
    if change == "damaged":
        file = path / "x.npy" if path.is_dir() else path
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    elif change == "another version":
        if path.is_dir():
            text = (path / "store.json").read_text()
            (path / "store.json").write_text(text.replace('"format_version": 1', '"format_version": 9'))
        else:
            with h5py.File(path, "r+") as file:
                file.attrs["format_version"] = 9
    if change == "another version":
        with pytest.raises(StoreFormatError, match="version 9"):
            read_store(path)
    assert looks_like_a_store(path)


def test_a_store_cut_short_is_left_to_the_user(made):
    made.write_bytes(made.read_bytes()[:-1])
    assert not looks_like_a_store(made)


def test_a_file_with_any_flipped_bit_is_one_or_is_not(made):
    data = made.read_bytes()
    places = np.flatnonzero(np.frombuffer(data[:150_000], np.uint8))
    known = []
    for at in np.random.default_rng(6).choice(places, 200, False).tolist():
        made.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        known.append(looks_like_a_store(made))
    assert set(known) == {True, False}


def text(path):
    path.write_text("not a store")


def folder(path):
    path.mkdir()
    (path / "photo.jpg").write_bytes(b"a")


def folder_of_another(path):
    path.mkdir()
    (path / "store.json").write_text('{"shop": "round the corner"}')


def of_another_program(path):
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]


@pytest.mark.parametrize("make", [text, folder, folder_of_another, of_another_program, lambda path: None])
def test_what_is_no_store_is_not_taken_for_one(tmp_path, make):
    make(tmp_path / "a.h5")
    assert not looks_like_a_store(tmp_path / "a.h5")


def test_the_bytes_of_a_store(made, made_npy):
    assert seekless.open(made).nbytes == made.stat().st_size == 180344
    sizes = [file.stat().st_size for file in made_npy.iterdir()]
    assert seekless.open(made_npy).nbytes == sum(sizes) > 3 * 4096

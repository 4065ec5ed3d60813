"""What lies outside a store's folder is not read, and not even opened, whatever the store's file says."""

import ctypes
import os
import struct
import sys

import h5py
import numpy as np
import pytest

import seekless
from seekless.errors import StoreFormatError
from seekless.store.hdf5 import read_file
from seekless.store.links import is_shard_name
from seekless.store.rest import rest_checksum

IN_OPEN = 0x20


@pytest.fixture
def opened(tmp_path):
    """Return a function that gives the names of the files in a folder outside that were opened since it was made."""
    outside = tmp_path / "outside"
    outside.mkdir()
    if not sys.platform.startswith("linux"):
        pytest.skip("needs inotify")
    system = ctypes.CDLL(None, use_errno=True)
    watch = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watch >= 0
    assert system.inotify_add_watch(watch, os.fsencode(outside), IN_OPEN) >= 0

    def names():
        found, events = [], b""
        while True:
            try:
                events += os.read(watch, 1 << 16)
            except BlockingIOError:
                break
        while events:
            length = struct.unpack_from("iIII", events)[3]
            found.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return found

    yield names
    os.close(watch)


def secret(tmp_path, shape=(11, 3, 2), dtype="u1", name="x"):
    path = tmp_path / "outside" / "secret.h5"
    with h5py.File(path, "w") as file:
        file[name] = np.zeros(shape, dtype)
    return path


def replace(made, name, make):
    """Put something else in the place of a dataset, and let the checksum fit: the store of somebody who means harm."""
    with h5py.File(made, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        make(file)
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs.update(attributes)


def view(name, of, shape, dtype, within="x"):
    def make(file):
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(of, within, shape)
        file.create_virtual_dataset(name, layout)

    return make


def link(name, to):
    def make(file):
        file[name] = to

    return make


def external(name, of, shape, dtype):
    def make(file):
        file.create_dataset(name, shape, dtype, external=[(str(of), 0, h5py.h5f.UNLIMITED)])

    return make


CASES = {
    "external link": (lambda at: ("x", link("x", h5py.ExternalLink(at, "x"))), "'x' is a link to another place"),
    "soft link": (lambda at: ("x", link("x", h5py.SoftLink("/y"))), "'x' is a link to another place"),
    "link for a group": (lambda at: ("_blocks", link("_blocks", h5py.ExternalLink(at, "/"))), "'_blocks' is a link"),
    "link in a group": (
        lambda at: ("_blocks/x", link("_blocks/x", h5py.ExternalLink(at, "x"))),
        "'x' is a link to another place",
    ),
    "link that nobody needs": (lambda at: ("y", link("more", h5py.ExternalLink(at, "x"))), "'more' is a link"),
    "external storage": (lambda at: ("x", external("x", at, (11, 3, 2), "u1")), "'x' lies in other files"),
    "external keys": (lambda at: ("key", external("key", at, (11,), "S12")), "'key' lies in other files"),
    "external checksums": (lambda at: ("_blocks/x", external("_blocks/x", at, (4,), "u4")), "'x' lies in other files"),
    "external names": (lambda at: ("class_names", external("class_names", at, (4,), "S2")), "'class_names' lies in"),
    "virtual x": (
        lambda at: ("x", view("x", at, (11, 3, 2), "u1")),
        "x lies in '.*secret.h5', expected it in the shards",
    ),
    "virtual y": (lambda at: ("y", view("y", at, (11,), "i8")), "y lies in '.*secret.h5', expected it in the shards"),
    "virtual class names": (
        lambda at: ("class_names", view("class_names", at, (4,), "S2")),
        "'class_names' is a view of other files",
    ),
    "virtual checksums": (
        lambda at: ("_blocks/x", view("_blocks/x", at, (4,), "u4")),
        "'x' is a view of other files",
    ),
    "virtual rest": (lambda at: ("_blocks/rest", view("_blocks/rest", at, (1,), "u4")), "'rest' is a view of other"),
    "virtual in the place of a group": (
        lambda at: ("_blocks", view("_blocks", at, (4,), "u4")),
        "'_blocks' is a view of other files",
    ),
}


@pytest.mark.parametrize(("make", "message"), CASES.values(), ids=CASES)
def test_what_lies_elsewhere_is_refused_and_not_opened(made, tmp_path, opened, make, message):
    at = secret(tmp_path)
    replace(made, *make(str(at)))
    opened()
    with pytest.raises(StoreFormatError, match=rf"made\.h5: found that {message}"):
        seekless.open(made)
    assert opened() == []
    with h5py.File(at) as file:  # the watch does see what is opened
        assert file["x"].shape == (11, 3, 2)
    assert "secret.h5" in opened()


@pytest.mark.parametrize("unlimited", [False, True], ids=["as long as it is", "as long as its source"])
@pytest.mark.parametrize("column", ["name", "length", "size", "rest"])
def test_the_list_of_shards_is_in_the_file(made_sharded, tmp_path, opened, unlimited, column):
    at = secret(tmp_path, (2,), "u4")

    def make(file):
        layout = h5py.VirtualLayout((2,), "u4", maxshape=(None,) if unlimited else None)
        source = h5py.VirtualSource(str(at), "x", (2,), maxshape=(None,) if unlimited else None)
        layout[: h5py.h5s.UNLIMITED if unlimited else 2] = source[: h5py.h5s.UNLIMITED if unlimited else 2]
        file.create_virtual_dataset(f"_shards/{column}", layout)

    replace(made_sharded, f"_shards/{column}", make)
    opened()
    with pytest.raises(StoreFormatError, match=rf"made\.h5: found that '{column}' is a view of other files, expected"):
        seekless.open(made_sharded)
    assert opened() == []


def test_a_field_whose_length_another_file_tells_is_refused_and_that_file_not_opened(made, tmp_path, opened):
    """HDF5 opens the sources of such a dataset as soon as it is asked for its shape."""
    at = secret(tmp_path)

    def make(file):
        layout = h5py.VirtualLayout((11, 3, 2), "u1", maxshape=(None, 3, 2))
        source = h5py.VirtualSource(str(at), "x", (11, 3, 2), maxshape=(None, 3, 2))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("x", layout)

    replace(made, "x", make)
    opened()
    with pytest.raises(StoreFormatError, match=r"made\.h5: found that x lies in '.*secret\.h5', expected it in the"):
        seekless.open(made)
    assert opened() == []


def rename_shard(made_sharded, name):
    """Let the index look for its first shard elsewhere, in its list and in its virtual datasets."""
    with h5py.File(made_sharded, "r+") as file:
        names = [name.encode(), file["_shards/name"][1]]
        del file["_shards/name"]
        file["_shards/name"] = np.array(names, h5py.string_dtype("utf-8", 300))
        for field in ("x", "y", "key"):
            old = file[field]
            attributes, shape, dtype = dict(old.attrs), old.shape, old.dtype
            layout = h5py.VirtualLayout(shape, dtype)
            layout[:6] = h5py.VirtualSource(name, field, (6, *shape[1:]), dtype)
            layout[6:] = h5py.VirtualSource(names[1].decode(), field, (5, *shape[1:]), dtype)
            del file[field]
            file.create_virtual_dataset(field, layout)
            file[field].attrs.update(attributes)
        rest = file["_blocks/rest"].id.get_offset()
    check = rest_checksum(made_sharded, (), rest)
    with open(made_sharded, "r+b") as raw:
        raw.seek(rest)
        raw.write(check.to_bytes(4, "little"))


@pytest.mark.parametrize(
    "name",
    [
        "{outside}/secret.h5",
        "../outside/secret.h5",
        "made-shards/../../outside/secret.h5",
        "made-shards\\a.h5",
        "C:a.h5",
        ".",
    ],
    ids=["absolute", "..", ".. inside", "backslash", "drive", "nothing"],
)
def test_a_shard_that_is_named_outside_is_refused_and_not_opened(made_sharded, tmp_path, opened, name):
    at = secret(tmp_path)
    name = name.format(outside=at.parent)
    (tmp_path / "deep").mkdir()
    rename_shard(made_sharded, name)
    opened()
    with pytest.raises(
        StoreFormatError, match=r"made\.h5: found a shard named '.*', expected one in the folder of the"
    ):
        seekless.open(made_sharded)
    with pytest.raises(StoreFormatError, match="found a shard named"):
        read_file(made_sharded)  # by which also a store that is to be replaced tells its shards
    assert opened() == []


@pytest.mark.parametrize("what", ["shard", "folder"])
def test_a_symbolic_link_that_leads_out_is_refused_and_not_followed(made_sharded, tmp_path, opened, what):
    folder = made_sharded.with_name("made-shards")
    for file in sorted(folder.iterdir()):
        os.replace(file, tmp_path / "outside" / file.name)
        if what == "shard":
            file.symlink_to(tmp_path / "outside" / file.name)
    if what == "folder":
        folder.rmdir()
        folder.symlink_to(tmp_path / "outside")
    inside = tmp_path / "store"
    inside.mkdir()
    os.replace(made_sharded, inside / "made.h5")
    os.replace(folder, inside / "made-shards")
    opened()
    message = (
        r"00000\.h5: found that this shard of .*made\.h5 lies in .*outside, expected it in the folder of the store"
    )
    with pytest.raises(StoreFormatError, match=message):
        seekless.open(inside / "made.h5")
    assert opened() == []


def test_a_symbolic_link_within_the_folder_is_followed(made_sharded, digits):
    folder = made_sharded.with_name("made-shards")
    os.replace(folder, folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")
    assert (seekless.open(made_sharded).read("x", 0, 11) == digits["x"]).all()


def test_a_store_is_found_through_a_symbolic_link_to_it(made_sharded, tmp_path, digits):
    (tmp_path / "links").mkdir()
    path = tmp_path / "links" / "mine.h5"
    path.symlink_to(made_sharded)
    assert (seekless.open(path).read("x", 0, 11) == digits["x"]).all()
    with h5py.File(path) as file:
        assert (file["x"][...] == digits["x"]).all()


@pytest.mark.parametrize("swap", ["places", "lengths", "one left out"])
def test_shards_lie_in_the_order_of_the_list(made_sharded, swap):
    """Plain HDF5 and this reader must see the same samples."""
    with h5py.File(made_sharded, "r+") as file:
        one, other = file["_shards/name"].asstr()[...]
        attributes = dict(file["x"].attrs)
        layout = h5py.VirtualLayout((11, 3, 2), "u1")
        if swap == "places":
            layout[5:] = h5py.VirtualSource(one, "x", (6, 3, 2))
            layout[:5] = h5py.VirtualSource(other, "x", (5, 3, 2))
        elif swap == "lengths":
            layout[:5] = h5py.VirtualSource(one, "x", (6, 3, 2))[:5]
            layout[5:10] = h5py.VirtualSource(other, "x", (5, 3, 2))
        else:
            layout[:6] = h5py.VirtualSource(one, "x", (6, 3, 2))
        del file["x"]
        file.create_virtual_dataset("x", layout)
        file["x"].attrs.update(attributes)
    with pytest.raises(
        StoreFormatError, match=r"made\.h5: found that x lies in .*, expected it in the shards that the"
    ):
        seekless.open(made_sharded)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("data-shards/0123456789abcdef-00000.h5", True),
        ("my data-shards/0123456789abcdef-123456.h5", True),
        ("data-shards/0123456789abcdef-00000.h5.bak", False),
        ("data-shards/photos.h5", False),
        ("0123456789abcdef-00000.h5", False),
        ("../data-shards/0123456789abcdef-00000.h5", False),
        ("/data-shards/0123456789abcdef-00000.h5", False),
        ("a/data-shards/0123456789abcdef-00000.h5", False),
        ("data-shards/../0123456789abcdef-00000.h5", False),
        ("data-shards/0123456789abcdef-00000.h5\n", False),
    ],
)
def test_which_names_are_those_of_shards(name, ours):
    assert is_shard_name(name) == ours

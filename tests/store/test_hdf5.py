"""Opening: a store is read as it was written, and every other file is refused by name, with what was found."""

import os
import shutil

import h5py
import numpy as np
import pytest

from seekless.errors import StoreFormatError
from seekless.store.shards import read_hdf5


def edit(path, change):
    """Change a store as another HDF5 program would."""
    with h5py.File(path, "r+") as file:
        change(file)


def attribute(name, value, of="/"):
    def change(file):
        file[of].attrs[name] = value

    return lambda path: edit(path, change)


def without(*names):
    def change(file):
        for name in names:
            del file[name]

    return lambda path: edit(path, change)


def without_attribute(name, of="/"):
    def change(file):
        del file[of].attrs[name]

    return lambda path: edit(path, change)


def replaced(name, values, chunks=None):
    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values, chunks=chunks).attrs.update(attributes)

    return lambda path: edit(path, change)


def of_another_program(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((3, 2))


def of_another_program_with_a_format(path):
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "keras"


def written(data):
    return lambda path: path.write_bytes(data)


def rewritten(path):
    with h5py.File(path) as old, h5py.File(path.with_name("new.h5"), "w") as new:
        new.attrs.update(old.attrs)
        for name in old:
            old.copy(name, new)
    os.replace(path.with_name("new.h5"), path)


def appended(path):
    with open(path, "ab") as file:
        file.write(bytes(8192))


HOSTILE = {
    "empty": (written(b""), "found an empty file, expected a store"),
    "text": (written(b"a,b\n1,2\n"), r"found no HDF5 file \(it begins with b'a,b\\n1,2\\n'\), expected a store"),
    "a few bytes": (written(b"\x89HDF"), r"found no HDF5 file \(it begins with b'\\x89HDF'\)"),
    "magic alone": (written(b"\x89HDF\r\n\x1a\n"), "found a damaged or truncated file"),
    "magic and noise": (written(b"\x89HDF\r\n\x1a\n" + b"?!" * 999), "found a damaged or truncated file"),
    "another program's": (of_another_program, "found an HDF5 file of another program, expected a store"),
    "another format": (of_another_program_with_a_format, "found an HDF5 file of another program"),
    "version 2": (
        attribute("format_version", 2),
        "found format version 2, expected 1; install the seekless that wrote",
    ),
    "version 0": (attribute("format_version", 0), "found format version 0, expected 1"),
    "version of words": (attribute("format_version", "one"), "found a damaged or truncated file"),
    "no version": (without_attribute("format_version"), "found a damaged or truncated file .*format_version"),
    "no length": (without_attribute("length"), "found a damaged or truncated file .*length"),
    "another length": (attribute("length", 12), "found 11 samples in x, expected 12"),
    "negative length": (attribute("length", -1), "found 11 samples in x, expected -1"),
    "fewer targets": (replaced("y", np.zeros(7), (3,)), "found 7 samples in y, expected 11"),
    "no x": (without("x"), "found a damaged or truncated file .*'x'"),
    "no checksums": (without("_blocks"), "found a damaged or truncated file"),
    "no checksums of x": (without("_blocks/x"), "found a damaged or truncated file"),
    "no checksum of the rest": (without("_blocks/rest"), "found a damaged or truncated file"),
    "too few checksums": (replaced("_blocks/x", np.zeros(3, "u4")), "found 3 checksums of x, expected 4"),
    "one checksum only": (replaced("_blocks/x", np.uint32(3)), "found a damaged or truncated file"),
    "x in one piece": (replaced("x", np.zeros((11, 3, 2))), "found x of one piece, expected it otherwise"),
    "x of other blocks": (replaced("x", np.zeros((11, 3, 2), "u1"), (2, 3, 2)), "found 4 checksums of x, expected 6"),
    "x cut across": (
        replaced("x", np.zeros((11, 3, 2), "u1"), (3, 3, 1)),
        "found 9 bytes for block 0 of x, expected 18",
    ),
    "x as a group": (lambda path: edit(path, lambda file: (file.pop("x"), file.create_group("x"))), "found a damaged"),
    "no codec": (without_attribute("codec", "x"), "found a damaged or truncated file .*codec"),
    "odd dtype": (attribute("logical_dtype", "[", "x"), "found a damaged or truncated file"),
    "options no JSON": (attribute("options", "{"), "found a damaged or truncated file"),
    "other divisor": (attribute("divisor", 254, "x"), "found checksum .* of everything outside the blocks, expected"),
    "one more attribute": (attribute("note", "mine"), "found checksum .* of everything outside the blocks, expected"),
    "no keys": (without("key"), "found checksum .* of everything outside the blocks, expected"),
    "no class names": (without("class_names"), "found checksum .* of everything outside the blocks, expected"),
    "rewritten": (rewritten, "found blocks that do not begin at multiples of 4096 .* rewritten by another program"),
    "something behind": (appended, "found checksum .* of everything outside the blocks, expected"),
}


@pytest.mark.parametrize(("spoil", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_store_is_refused(made, spoil, message):
    spoil(made)
    with pytest.raises(StoreFormatError, match=rf"made\.h5: {message}"):
        read_hdf5(made)


@pytest.mark.parametrize("left", [9, 512, 4096, 20_000, 77_824, 147_456, 151_552, 151_560, 163_840, 176_128, 180_343])
def test_a_truncated_file_is_refused(made, left):
    os.truncate(made, left)
    with pytest.raises(
        StoreFormatError, match=r"made\.h5: found a (damaged or truncated file|file of \d+ bytes, expected)"
    ):
        read_hdf5(made)


def test_a_file_whose_last_blocks_are_cut_off_says_which_block(made):
    """HDF5 itself refuses a file that is shorter than it says, but does not look where the blocks lie."""
    header, tables = read_hdf5(made)
    tables["y"].offset[1] = made.stat().st_size - 47
    from seekless.store.hdf5 import _check_places

    message = (
        r"made\.h5: found a file of 180344 bytes, expected 180345 or more for block 1 of y; the file was cut short"
    )
    with pytest.raises(StoreFormatError, match=message):
        _check_places(made, tables.values(), made.stat().st_size)
    assert header.length == 11


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


@pytest.mark.parametrize("where", ["where something stands", "anywhere"])
def test_every_flipped_bit_outside_the_blocks_is_found(made, where):
    """All 31,000 bits near what is not zero were tried once: none crashed HDF5, none was opened."""
    first = min(int(table.offset.min()) for table in read_hdf5(made)[1].values())
    data = np.fromfile(made, np.uint8, first)
    places = np.flatnonzero(data) if where != "anywhere" else np.arange(first)
    random = np.random.default_rng(3)
    for at, bit in zip(random.choice(places, 200, False).tolist(), random.integers(0, 8, 200).tolist(), strict=True):
        flip(made, at, bit)
        with pytest.raises(StoreFormatError, match=r"made\.h5: found"):
            read_hdf5(made)
        flip(made, at, bit)
    read_hdf5(made)


def test_every_byte_of_the_checksum_of_the_rest_counts(made):
    with h5py.File(made) as file:
        rest = file["_blocks/rest"].id.get_offset()
    for byte in range(4):
        flip(made, rest + byte, 7)
        with pytest.raises(StoreFormatError, match=r"made\.h5: found checksum \w{8} of everything outside the blocks"):
            read_hdf5(made)
        flip(made, rest + byte, 7)


def test_a_damaged_block_does_not_keep_a_store_from_opening(made):
    table = read_hdf5(made)[1]["x"]
    flip(made, int(table.offset[0]), 0)
    assert read_hdf5(made)[1]["x"].crc.tolist() == table.crc.tolist()


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        read_hdf5(tmp_path / "none.h5")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("kind", ["whole", "other divisor", "no checksums", "text"])
def test_no_file_stays_open(made, kind):
    if kind != "whole":
        HOSTILE[kind][0](made)
    before = sorted(os.listdir("/proc/self/fd"))
    try:
        read_hdf5(made)
    except StoreFormatError:
        assert kind != "whole"
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_copy_under_another_name_is_the_same_store(made, tmp_path):
    shutil.copy(made, tmp_path / "copy.h5")
    header, tables = read_hdf5(tmp_path / "copy.h5")
    assert header == read_hdf5(made)[0]
    assert {table.paths for table in tables.values()} == {(tmp_path / "copy.h5",)}


def test_what_the_header_says(made):
    header, tables = read_hdf5(made)
    assert (header.length, header.shuffled, header.seed, header.created_by) == (11, True, 7, "by hand")
    assert header.boundaries == (9, 11)
    assert (header.target_kind, header.class_count, header.class_names) == ("class", 4, ("a", "bc", "é", "d"))
    assert header.options == {"test_fraction": 0.2}
    x = header.fields["x"]
    assert (x.sample_shape, x.block_length, x.scale, x.codec) == ((3, 2), 3, 1, "none")
    assert str(x.encoding) == "uint8 / 255"
    assert x.encoding.logical_dtype == np.float64
    assert [len(table) for table in tables.values()] == [4, 2, 2]
    assert [table.length for table in tables.values()] == [11, 11, 11]


def test_a_file_that_this_process_reads_by_h5py_opens_too(made, digits):
    """HDF5 refuses to open a file twice with and without a lock."""
    for locking in (None, False, True):
        with h5py.File(made, locking=locking) as file:
            assert read_hdf5(made)[0].length == len(file["x"]) == 11

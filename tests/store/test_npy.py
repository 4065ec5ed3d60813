"""A folder of `.npy` files is read as it was written, and every other folder is refused by name."""

import json
import os
import zlib

import numpy as np
import pytest

from seekless.errors import StoreFormatError
from seekless.store.blocks import BlockReader
from seekless.store.encoding import Encoding
from seekless.store.npy import array_head, block_sizes, describe, read_npy
from seekless.store.schema import Field
from seekless.store.shards import read_hdf5


def flip(path, at, bit):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def rewrite(folder, change):
    """Change the description, and give it a checksum that fits."""
    described = json.loads((folder / "store.json").read_text())
    del described["checksum"]
    change(described)
    text = json.dumps(described, sort_keys=True, separators=(",", ":")).encode()
    whole = {**described, "checksum": zlib.crc32(text)}
    (folder / "store.json").write_text(json.dumps(whole, sort_keys=True, indent=1) + "\n")


def described(name, value, *inside):
    def change(content):
        for part in inside:
            content = content[part]
        if value is None:
            del content[name]
        else:
            content[name] = value

    return lambda folder: rewrite(folder, change)


def written(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def truncated(name, left):
    return lambda folder: os.truncate(folder / name, left)


def rewritten_with_spaces(folder):
    content = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps(content, sort_keys=True, indent=2) + "\n")


def with_the_array_of(values):
    return lambda folder: np.save(folder / "x.npy", values)


HOSTILE = {
    "no description": (lambda folder: (folder / "store.json").unlink(), r": found a folder without store\.json"),
    "empty": (written("store.json", b""), r"store\.json: found text that is no description of a store"),
    "not JSON": (written("store.json", b"format: seekless"), r"store\.json: found text that is no description"),
    "a list": (written("store.json", b"[1]"), r"store\.json: found text that is no description"),
    "bytes": (written("store.json", b"\xff\xfe"), r"store\.json: found text that is no description"),
    "another's": (written("store.json", b'{"checksum": 0}'), r"store\.json: found format None version None, expected"),
    "version 2": (described("format_version", 2), r"found format 'seekless' version 2, expected 'seekless' version 1"),
    "another format": (described("format", "zarr"), r"store\.json: found format 'zarr' version 1, expected 'seekless'"),
    "an edited line": (
        lambda folder: (folder / "store.json").write_text((folder / "store.json").read_text().replace(": 7,", ": 8,")),
        r"store\.json: found a checksum that does not fit the text, expected an unchanged file",
    ),
    "other spaces": (rewritten_with_spaces, r"store\.json: found a checksum that does not fit the text"),
    "no length": (described("length", None), r"store\.json: found a description that lacks or garbles 'length'"),
    "length of words": (described("length", "many"), r"store\.json: found a description that lacks or garbles"),
    "no blocks": (described("x", None, "blocks"), r"store\.json: found a description that lacks or garbles 'x'"),
    "odd blocks": (described("x", [-1, 0, 0, 0], "blocks"), r"store\.json: found a description that lacks or garbles"),
    "odd dtype": (described("dtype", "u3", "fields", "x"), r"store\.json: found a description that lacks or garbles"),
    "odd fields": (described("fields", ["x"]), r"store\.json: found a description that lacks or garbles"),
    "few checksums": (described("x", [1, 2], "blocks"), r"store\.json: found 2 checksums of x, expected 4"),
    "no field x": (
        described("x", None, "fields"),
        r"store\.json: found a description that lacks or garbles the fields key, y, expected x",
    ),
    "blocks of nothing": (
        described("block_length", 0, "fields", "x"),
        r"found a description .* garbles the block_length 0 of x",
    ),
    "packed blocks": (described("codec", "zstd", "fields", "y"), r"found a description .* garbles the codec of y"),
    "blocks of all": (described("block_length", 11, "fields", "x"), r"store\.json: found 4 checksums of x, expected 1"),
    "endless": (described("length", 10**15), r"x\.npy: found another array than store\.json tells of"),
    "longer": (described("length", 12), r"x\.npy: found another array than store\.json tells of"),
    "no x": (lambda folder: (folder / "x.npy").unlink(), r"x\.npy: found no such file, expected an array of the store"),
    "x empty": (written("x.npy", b""), r"x\.npy: found another array than store\.json tells of, expected that one"),
    "x of text": (written("x.npy", b"x" * 4162), r"x\.npy: found another array than store\.json tells of"),
    "x of others": (with_the_array_of(np.zeros((11, 3, 2), "u1")), r"x\.npy: found another array than store\.json"),
    "x cut short": (truncated("x.npy", 4096 + 65), r"x\.npy: found 4161 bytes, expected 4162"),
    "key cut short": (truncated("key.npy", 4096), r"key\.npy: found 4096 bytes, expected 4228"),
    "y too long": (
        lambda folder: (folder / "y.npy").write_bytes((folder / "y.npy").read_bytes() + b"\0"),
        r"y\.npy: found 4185 bytes, expected 4184",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_store_is_refused(made_npy, spoil, message):
    spoil(made_npy)
    with pytest.raises(StoreFormatError, match=rf"made\.npy\.d.*{message}"):
        read_npy(made_npy)


def test_a_flipped_bit_of_any_byte_of_the_description_is_found(made_npy):
    data = (made_npy / "store.json").read_bytes()
    for at, bit in enumerate(np.random.default_rng(3).integers(0, 8, len(data)).tolist()):
        (made_npy / "store.json").write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        with pytest.raises(StoreFormatError, match=r"store\.json: found"):
            read_npy(made_npy)
    (made_npy / "store.json").write_bytes(data)
    read_npy(made_npy)


@pytest.mark.parametrize("name", ["x", "y", "key"])
def test_every_flipped_bit_of_an_array_is_found(made_npy, name):
    table, file = read_npy(made_npy)[1][name], made_npy / f"{name}.npy"
    random = np.random.default_rng(4)
    for at, bit in zip(random.choice(4096, 60, False).tolist(), random.integers(0, 8, 60).tolist(), strict=True):
        flip(file, at, bit)
        with pytest.raises(StoreFormatError, match=rf"{name}\.npy: found another array"):
            read_npy(made_npy)
        flip(file, at, bit)
    for at in range(4096, file.stat().st_size):
        flip(file, at, at % 8)
        block = (at - 4096) // table.field.block_bytes
        with pytest.raises(StoreFormatError, match=rf"{name}\.npy: block {block} of {name} is damaged"):
            BlockReader(table).read([(0, 11)])
        flip(file, at, at % 8)
    BlockReader(read_npy(made_npy)[1][name]).read([(0, 11)])


def test_it_says_what_the_hdf5_store_says(made, made_npy):
    of_npy, of_hdf5 = read_npy(made_npy), read_hdf5(made)
    assert of_npy[0] == of_hdf5[0]
    assert list(of_npy[1]) == list(of_hdf5[1])
    for name, table in of_npy[1].items():
        assert table.path(0) == made_npy / f"{name}.npy"
        assert BlockReader(table).read([(0, 11)]).tobytes() == BlockReader(of_hdf5[1][name]).read([(0, 11)]).tobytes()


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 7])
def test_the_last_block_is_as_short_as_its_samples(length):
    field = Field("x", (2,), Encoding(np.dtype("u2"), np.dtype("u2")), 3)
    sizes = block_sizes(field, length)
    assert len(sizes) == field.blocks(length)
    assert sizes.sum() == length * 4
    assert (sizes[:-1] == 12).all()


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<f2", "<f4", "<f8", "<i8", "?", "S9"])
@pytest.mark.parametrize("shape", [(), (3,), (28, 28), (2, 1, 3, 4)], ids=str)
def test_the_head_is_what_numpy_reads(tmp_path, dtype, shape):
    values = np.zeros((5, *shape), dtype)
    field = Field("x", shape, Encoding(values.dtype, values.dtype), 2)
    head = array_head(field, 5)
    assert len(head) == 4096
    (tmp_path / "x.npy").write_bytes(head + values.tobytes())
    loaded = np.load(tmp_path / "x.npy")
    assert (loaded.dtype, loaded.shape) == (values.dtype, values.shape)


def test_the_description_is_json_with_sorted_keys(made_npy):
    header, tables = read_npy(made_npy)
    text = describe(header, {name: table.crc.tolist() for name, table in tables.items()})
    assert text == (made_npy / "store.json").read_bytes()
    content = json.loads(text)
    assert list(content) == sorted(content)
    assert content["fields"]["x"] == {
        "block_length": 3,
        "codec": "none",
        "divisor": 255,
        "dtype": "|u1",
        "logical_dtype": "<f8",
        "sample_shape": [3, 2],
        "scale": 1,
    }
    assert (content["length"], content["seed"], content["boundaries"]) == (11, 7, [9, 11])
    assert content["class_names"] == ["a", "bc", "é", "d"]
    assert content["options"] == {"test_fraction": 0.2}

"""What is written is one plain HDF5 file: the same bytes for the same blocks, laid out for one long read."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.errors import StoreError, StoreFormatError
from seekless.store import hdf5_writer as hdf5_writer_module
from seekless.store.blocks import BlockReader
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import ALIGNMENT, Field, Header, sample_block_length
from seekless.store.shards import read_hdf5

DTYPES = ["u1", "i1", "<u2", "<i2", "<i4", "<i8", "<u8", "<f2", "<f4", "<f8", "?"]


def places(tables):
    return {name: (table.offset.tolist(), table.nbytes.tolist()) for name, table in tables.items()}


def random_array(dtype, shape, seed):
    """Random bytes as values: any NaN, any denormal."""
    dtype = np.dtype(dtype)
    data = np.random.default_rng(seed).integers(0, 256, (*shape, dtype.itemsize), np.uint8)
    if dtype.kind == "b":
        data %= 2
    return data.view(dtype).reshape(shape)


@st.composite
def arrays(draw):
    block = draw(st.integers(1, 5))
    length = draw(
        st.sampled_from(sorted({1, block - 1, block, block + 1, 3 * block - 1, 3 * block, 3 * block + 1} - {0}))
    )
    shape = draw(st.lists(st.integers(1, 3), max_size=4))
    seed = draw(st.integers(0, 99))
    x = random_array(draw(st.sampled_from(DTYPES)), (length, *shape), seed)
    outputs = draw(st.sampled_from([(), (1,), (3,)]))
    y = random_array(draw(st.sampled_from(["<i8", "<f8"])), (length, *outputs), seed + 1)
    key = np.array([f"a/{number:03d}é.csv".encode() for number in range(length)])
    blocks = {name: draw(st.integers(1, 7)) for name in ("y", "key")}
    return {"x": x, "y": y, "key": key}, {"x": block, **blocks}


@given(drawn=arrays(), scale=st.sampled_from([1, 255, 65535]))
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_come_back_and_plain_h5py_reads_the_same(write_store, drawn, scale):
    values, blocks = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.h5"
        header = write_store(path, values, blocks, scale=scale)
        found, tables = read_hdf5(path)
        assert found == header
        assert list(tables) == ["x", "y", "key"]
        for name, array in values.items():
            read = BlockReader(tables[name]).read([(0, len(array))])
            assert (read.dtype, read.shape) == (array.dtype, array.shape)
            assert read.tobytes() == array.tobytes()
            assert len(tables[name]) == -(-len(array) // header.fields[name].block_length)
            assert not (tables[name].offset % ALIGNMENT).any()
        with h5py.File(path) as file:
            for name, array in values.items():
                assert file[name].shape == array.shape
                assert file[name][...].tobytes() == array.tobytes()


def test_plain_h5py_sees_what_the_format_page_says(made, digits):
    def listing(item):
        return {name: value.item() if np.ndim(value) == 0 else value.tolist() for name, value in item.attrs.items()}

    with h5py.File(made) as file:
        assert sorted(file) == ["_blocks", "class_names", "key", "x", "y"]
        assert listing(file) == {
            "format": b"seekless",
            "format_version": 1,
            "length": 11,
            "shuffled": 1,
            "seed": 7,
            "boundaries": [9, 11],
            "options": b'{"test_fraction": 0.2}',
            "created_by": b"by hand",
        }
        assert {name: file.attrs[name].dtype.str for name in file.attrs if file.attrs[name].dtype.kind != "S"} == {
            "format_version": "<i8",
            "length": "<i8",
            "shuffled": "|u1",
            "seed": "<i8",
            "boundaries": "<i8",
        }
        assert listing(file["x"]) == {"codec": b"none", "logical_dtype": b"<f8", "divisor": 255, "scale": 1}
        assert listing(file["y"]) == {
            "codec": b"none",
            "logical_dtype": b"<i8",
            "divisor": 1,
            "scale": 1,
            "target_kind": b"class",
            "class_count": 4,
        }
        assert listing(file["key"]) == {"codec": b"none"}
        shapes = {name: (item.shape, item.dtype.str, item.chunks) for name, item in file.items() if name != "_blocks"}
        assert shapes == {
            "x": ((11, 3, 2), "|u1", (3, 3, 2)),
            "y": ((11,), "<i8", (6,)),
            "key": ((11,), "|S12", (10,)),
            "class_names": ((4,), "|S2", None),
        }
        assert all(h5py.check_string_dtype(file[name].dtype).encoding == "utf-8" for name in ("key", "class_names"))
        assert file["class_names"].asstr()[...].tolist() == ["a", "bc", "é", "d"]
        assert file["key"].asstr()[4] == "train/04.csv"
        assert (file["x"][...] == digits["x"]).all()
        checks = {name: (item.shape, item.dtype.str) for name, item in file["_blocks"].items()}
        assert checks == {"x": ((4,), "<u4"), "y": ((2,), "<u4"), "key": ((2,), "<u4"), "rest": ((), "<u4")}


def test_a_store_without_targets_parts_and_names_has_none_of_them(tmp_path, write_store):
    write_store(tmp_path / "bare.h5", {"x": np.zeros((2, 2), "f4")}, shuffled=False)
    with h5py.File(tmp_path / "bare.h5") as file:
        assert sorted(file) == ["_blocks", "x"]
        assert "boundaries" not in file.attrs
        assert file.attrs["shuffled"] == 0
        assert json.loads(file.attrs["options"]) == {}


def test_the_bytes_are_pinned(made, digits):
    """Where the blocks of a store made by hand lie, and what stands there: a change here is a change of the format."""
    tables = read_hdf5(made)[1]
    assert places(tables) == {
        "x": ([151552, 155648, 159744, 163840], [18] * 4),
        "y": ([167936, 172032], [48] * 2),
        "key": ([176128, 180224], [120] * 2),
    }
    data = made.read_bytes()
    assert data[:9] == b"\x89HDF\r\n\x1a\n\0"  # the oldest superblock, which every HDF5 reads
    assert len(data) == 180224 + 120
    assert data[151552 : 151552 + 18] == digits["x"][:3].tobytes()
    assert data[163840 : 163840 + 18] == digits["x"][9:].tobytes() + bytes(6)
    assert data[172032 : 172032 + 48] == digits["y"][6:].tobytes() + bytes(8)
    assert data[180224:] == b"train/10.csv" + bytes(108)
    assert [table.crc.tolist() for table in tables.values()] == [
        [zlib.crc32(data[at : at + table.field.block_bytes]) for at in table.offset] for table in tables.values()
    ]


@pytest.mark.skipif(h5py.version.hdf5_version_tuple < (1, 14, 4), reason="HDF5 lays out its own part otherwise")
def test_the_whole_file_is_pinned(made):
    """One sum on h5py 3.12 to 3.16, HDF5 1.14.4 to 2.0: another one is another format."""
    sha = "b74f9116f6497833620e313faecece550db071dda5240fb9f5a6ec564daa1651"
    assert hashlib.sha256(made.read_bytes()).hexdigest() == sha


def test_the_same_blocks_give_the_same_bytes(tmp_path, write_store, digits):
    def written(folder):
        (tmp_path / folder).mkdir()
        write_store(tmp_path / folder / f"{folder}.h5", digits, {"x": 3})
        return hashlib.sha256((tmp_path / folder / f"{folder}.h5").read_bytes()).hexdigest()

    one, second = written("one"), int(time.time())
    while int(time.time()) == second:  # HDF5's time stamps count seconds
        time.sleep(0.02)
    assert written("another") == one
    digits["x"][0, 0, 0] ^= 1
    assert written("third") != one


def rank(shape, length, block=None, names=0):
    return pytest.param(shape, length, block, names, id=f"{shape} x {length}{f', {names} names' if names else ''}")


@pytest.mark.parametrize(
    ("shape", "length", "block", "names"),
    [
        rank((), 1),
        rank((28, 28), 1),
        rank((28, 28), 64),
        rank((28, 28), 10_000),
        rank((), 5_000, 1),
        rank((64, 64), 2_000, 1),
        rank((3, 3, 3, 3), 1_000, 1),
        rank((2,), 5_000, 1, 1_000),
        rank((28, 28), 640, None, 5_000),
    ],
)
def test_opening_reads_one_place_and_blocks_follow_in_order(tmp_path, write_store, shape, length, block, names):
    path = tmp_path / "laid.h5"
    x = np.full((length, *shape), 7, np.uint8)
    key = np.array([f"train/{number:05d}.csv".encode() for number in range(length)])
    values = {"x": x, "y": np.ones(length), "key": key}
    class_names = tuple(f"class number {number:05d} of many" for number in range(names)) or None
    blocks = {"x": block or sample_block_length(x[0].nbytes, length), "y": 1000}
    write_store(path, values, blocks, class_names=class_names)
    tables = read_hdf5(path)[1]
    offset = np.concatenate([table.offset for table in tables.values()])
    ends = offset + np.concatenate([table.nbytes for table in tables.values()])
    assert (offset % ALIGNMENT == 0).all()
    assert (np.diff(offset) > 0).all()  # all of x, then y, then key, in order
    assert (offset[1:] - ends[:-1] < ALIGNMENT).all()  # nothing but padding between them
    assert ends[-1] == path.stat().st_size
    data = np.fromfile(path, np.uint8)
    padding = np.ones(len(data), bool)
    padding[: offset[0]] = False
    for start, stop in zip(offset, ends, strict=True):
        padding[start:stop] = False
    assert not data[padding].any()
    assert offset[0] < 200_000 + 300 * len(offset) + 40 * names


def one_field(dtype="u1", block=3) -> Header:
    return Header(6, {"x": Field("x", (), Encoding(np.dtype(dtype), np.dtype(dtype)), block)}, True, 0, "by hand")


def append(path, header, blocks, then=None):
    with HDF5Writer(path, header) as writer:
        for _ in range(blocks):
            writer.append("x", bytes(3))
        if then is not None:
            raise then


@pytest.fixture
def same_open_files():
    """Hold that a test leaves no file open."""
    folder = "/proc/self/fd"
    before = os.listdir(folder) if os.path.isdir(folder) else []
    yield
    if before:
        assert sorted(os.listdir(folder)) == sorted(before)


@pytest.mark.parametrize("appended", [0, 1])
def test_a_store_that_lacks_blocks_is_not_finished(tmp_path, same_open_files, appended):
    with pytest.raises(ValueError, match=rf"x: found {appended} blocks appended, expected 2"):
        append(tmp_path / "short.h5", one_field(), appended)
    with pytest.raises(StoreFormatError, match=rf"found 0 bytes for block {appended} of x, expected 3"):
        read_hdf5(tmp_path / "short.h5")


def test_a_block_too_many_is_refused(tmp_path, same_open_files):
    with pytest.raises((IndexError, OSError, ValueError)):
        append(tmp_path / "long.h5", one_field(), 3)


def test_after_an_error_the_file_is_closed_and_no_store(tmp_path, same_open_files):
    with pytest.raises(KeyboardInterrupt):
        append(tmp_path / "a.h5", one_field(), 2, KeyboardInterrupt())
    with pytest.raises(StoreFormatError, match=r"a\.h5: found checksum \w{8} of everything outside the blocks"):
        read_hdf5(tmp_path / "a.h5")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_header_that_cannot_be_written_leaves_no_open_file(tmp_path):
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(TypeError, match="Object dtype") as refused:
        HDF5Writer(tmp_path / "a.h5", one_field("O"))
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert refused.traceback  # the writer is still alive


def test_a_file_that_is_there_is_replaced(tmp_path):
    (tmp_path / "a.h5").write_bytes(bytes(1_000_000))
    append(tmp_path / "a.h5", one_field(), 2)
    assert read_hdf5(tmp_path / "a.h5")[0].length == 6
    assert (tmp_path / "a.h5").stat().st_size < 1_000_000


CODEC = """
import sys
from pathlib import Path
for module in sys.argv[3:]:
    __import__(module)
import numpy as np
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Field, Header
x = Field("x", (4, 4, 3), Encoding(np.dtype("u1"), np.dtype("u1")), 100, codec=sys.argv[2])
with HDF5Writer(Path(sys.argv[1]), Header(200, {"x": x}, True, 0, "by hand")) as writer:
    writer.append("x", bytes(4800))
    writer.append("x", np.random.default_rng(1).bytes(4800))
"""


@pytest.mark.parametrize("codec", ["zstd", "lz4", "gzip", "blosc2"])
def test_plugins_of_hdf5_do_not_change_a_byte(tmp_path, codec):
    """HDF5 asks the plugin of a filter, where one is loaded, for a name and parameters to write into the file."""
    plugins = pytest.importorskip("hdf5plugin")
    for name, modules, folder in [("bare", [], ""), ("plugin", ["hdf5plugin"], ""), ("path", [], plugins.PLUGIN_PATH)]:
        environment = {**os.environ, "HDF5_PLUGIN_PATH": folder}
        arguments = [sys.executable, "-c", CODEC, tmp_path / name, codec, *modules]
        subprocess.run(arguments, check=True, env=environment, timeout=120)
    assert (tmp_path / "plugin").read_bytes() == (tmp_path / "bare").read_bytes()
    assert (tmp_path / "path").read_bytes() == (tmp_path / "bare").read_bytes()


def test_a_file_without_a_place_for_the_filter_is_an_error(tmp_path):
    field = Field("x", (), Encoding(np.dtype("u1"), np.dtype("u1")), 3, codec="zstd")
    (tmp_path / "a.h5").write_bytes(bytes(100))
    with pytest.raises(StoreError, match=r"a\.h5: found no filter of x, expected HDF5 to have written one"):
        hdf5_writer_module._name_filters(tmp_path / "a.h5", [field], 100)


@pytest.mark.parametrize(
    ("codec", "filter_id", "values"),
    [
        ("zstd", 32015, (1,)),
        ("lz4", 32004, (18,)),
        ("gzip", 1, (1,)),
        ("blosc2", 32026, (1, 0, 1, 18, 1, 1, 5)),
    ],
)
def test_the_filters_are_pinned(tmp_path, write_store, digits, codec, filter_id, values):
    """For blocks of 18 bytes, of values of one byte."""
    write_store(tmp_path / "a.h5", digits, {"x": 3}, codec=codec)
    with h5py.File(tmp_path / "a.h5") as file:
        found = file["x"].id.get_create_plist().get_filter(0)
        name = b"deflate" if codec == "gzip" else codec.encode()
        assert found == (filter_id, h5py.h5z.FLAG_OPTIONAL, values, name)
        assert file["x"].attrs["codec"] == codec.encode()
        assert file["y"].id.get_create_plist().get_nfilters() == 0


BEGINS = {
    "zstd": b"\x28\xb5\x2f\xfd",
    "lz4": (6000).to_bytes(8, "big") + (6000).to_bytes(4, "big"),
    "gzip": b"\x78\x01",
    "blosc2": b"\x9e\xa8b2frame\0",
}


@pytest.mark.parametrize(("codec", "begin"), BEGINS.items(), ids=BEGINS)
def test_the_layout_of_compressed_blocks_is_pinned(tmp_path, write_store, codec, begin):
    """Each at a page of its own, zeros to the next; one that does not become smaller as it is."""
    x = np.zeros((9, 2000), np.uint8)
    x[3:6] = np.random.default_rng(1).integers(0, 256, (3, 2000))
    path = tmp_path / "a.h5"
    write_store(path, {"x": x, "y": np.arange(9)}, {"x": 3}, codec=codec)
    tables, data = read_hdf5(path)[1], path.read_bytes()
    table = tables["x"]
    start = int(table.offset[0])
    assert (table.offset - start).tolist() == [0, 4096, 4096 + 8192]
    assert tables["y"].offset.tolist() == [start + 4 * 4096]
    assert table.coded.tolist() == [True, False, True]
    for block, (at, size) in enumerate(zip(table.offset.tolist(), table.nbytes.tolist(), strict=True)):
        stored = data[at : at + size]
        assert stored.startswith(begin) == (block != 1)
        assert table.crc[block] == zlib.crc32(stored)
        assert not data[at + size : -(-(at + size) // 4096) * 4096].strip(b"\0")
    assert data[start + 4096 : start + 4096 + 6000] == x[3:6].tobytes()
    if codec == "lz4":
        assert int.from_bytes(data[start + 12 : start + 16], "big") == int(table.nbytes[0]) - 16

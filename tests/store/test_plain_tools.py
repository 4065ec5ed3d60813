"""Programs that know nothing of ours read what we write, values equal: h5py, h5dump, h5ls, np.load, h5repack."""

import importlib.util
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import seekless
from seekless.errors import StoreFormatError
from seekless.store.codecs import CODECS

WALK = np.random.default_rng(2).integers(-2, 3, (30, 16, 12, 3)).cumsum(0).astype(np.uint8)
WALK[4:6] = np.random.default_rng(3).integers(0, 256, WALK[4:6].shape)  # a block that no codec makes smaller
WHOLE = np.arange(30 * 50, dtype="<u2").reshape(30, 50) // 7
HALF = (np.arange(30 * 4) / 8 - 3).astype("<f2").reshape(30, 4)
ARRAYS = {
    "x": WALK,
    "y": np.arange(30) * 5 % 11,
    "key": np.array([f"train/{number:02d}é.csv".encode() for number in range(30)]),
}

needs_plugins = pytest.mark.skipif(
    importlib.util.find_spec("hdf5plugin") is None, reason="hdf5plugin is not installed: pip install hdf5plugin"
)


def tool(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed: apt install hdf5-tools")


def plugin_folder():
    return importlib.import_module("hdf5plugin").PLUGIN_PATH


def run(*arguments, plugins=False, folder=None):
    """Run a program as a person would, with the plugins' folder in the environment where they are needed."""
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    if plugins:
        environment["HDF5_PLUGIN_PATH"] = plugin_folder()
    command = [str(argument) for argument in arguments]
    done = subprocess.run(command, check=False, env=environment, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


H5PY = """
import sys
import h5py
import numpy as np
for module in sys.argv[3:]:
    __import__(module)
with h5py.File(sys.argv[1]) as file:
    np.savez(sys.argv[2], **{name: file[name][...] for name in ("x", "y", "key")})
assert "seekless" not in sys.modules
assert ("hdf5plugin" in sys.modules) == ("hdf5plugin" in sys.argv)
"""


@pytest.fixture(params=["one file", "shards"])
def write_either(request, write_store, write_sharded):
    """Return a function that writes ARRAYS, in one file or in shards of 8 samples."""

    def write(path, codec, x=WALK):
        arrays = {**ARRAYS, "x": x}
        if request.param == "shards":
            assert len(write_sharded(path, arrays, {"x": 2}, 4, codec=codec)) == 4
        else:
            write_store(path, arrays, {"x": 2, "y": 7}, codec=codec)
        return path

    return write


@pytest.mark.parametrize(
    ("codec", "modules"),
    [
        ("none", ()),
        ("gzip", ()),
        *(pytest.param(codec, ("hdf5plugin",), marks=needs_plugins) for codec in ("zstd", "lz4", "blosc2")),
    ],
)
@pytest.mark.parametrize("x", [WALK, WHOLE, HALF], ids=["pictures", "integers", "halves"])
def test_plain_h5py(tmp_path, write_either, codec, modules, x):
    """In a fresh process, from another folder; without any plugin where none is needed."""
    write_either(tmp_path / "data.h5", codec, x)
    (tmp_path / "elsewhere").mkdir()
    run(sys.executable, "-c", H5PY, "../data.h5", "found.npz", *modules, folder=tmp_path / "elsewhere")
    with np.load(tmp_path / "elsewhere" / "found.npz") as found:
        for name, array in {**ARRAYS, "x": x}.items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()


def dumped(path, name, dtype, *, plugins):
    """Return a dataset as h5dump writes it to a binary file."""
    out = path.with_name(f"{name}.bin")
    run("h5dump", "-d", f"/{name}", "-b", "LE", "-o", out, path, plugins=plugins)
    return np.fromfile(out, dtype)


@tool("h5dump")
@pytest.mark.parametrize(
    "codec", ["none", "gzip", *(pytest.param(codec, marks=needs_plugins) for codec in ("zstd", "lz4", "blosc2"))]
)
def test_h5dump(tmp_path, write_either, codec):
    path = write_either(tmp_path / "data.h5", codec)
    plugins = codec not in ("none", "gzip")
    assert dumped(path, "x", "u1", plugins=plugins).tobytes() == WALK.tobytes()
    assert (dumped(path, "y", "<i8", plugins=plugins) == ARRAYS["y"]).all()
    text = run("h5dump", "-d", "/key", path, plugins=plugins).decode()
    assert all(f'"train/{number:02d}' in text for number in range(30))
    assert "H5T_CSET_UTF8" in text


@tool("h5ls")
@pytest.mark.parametrize("codec", CODECS)
def test_h5ls(tmp_path, write_either, codec):
    path = write_either(tmp_path / "data.h5", codec)
    lines = {line.split()[0]: line for line in run("h5ls", path).decode().splitlines()}
    assert "Dataset {30, 16, 12, 3}" in lines["x"]
    assert "Dataset {30}" in lines["y"]
    assert "Dataset {30}" in lines["key"]
    assert set(lines) - {"_shards"} == {"_blocks", "x", "y", "key"}


@tool("h5ls")
def test_h5ls_names_the_filter(tmp_path, write_store):
    for codec, kind in CODECS.items():
        write_store(tmp_path / f"{codec}.h5", ARRAYS, {"x": 2}, codec=codec)
        text = run("h5ls", "-v", f"{tmp_path / codec}.h5/x").decode()
        assert (f"-{kind.filter_id} OPT" in text) == (codec != "none"), text


def test_np_load(tmp_path, write_store):
    path = tmp_path / "data.npy.d"
    write_store(path, ARRAYS, {"x": 2, "y": 7})
    for name, array in ARRAYS.items():
        found = np.load(path / f"{name}.npy", mmap_mode="r")
        assert isinstance(found, np.memmap)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        assert found.offset == 4096
        found._mmap.close()


REPACKED = {
    "plain": ((), ()),
    "gzip": (("-f", "GZIP=1"), ()),
    "in one piece": (("-l", "CONTI"), ()),
    "newer format": (("-L",), ()),
}


@tool("h5repack")
@pytest.mark.parametrize("arguments", [how for how, _ in REPACKED.values()], ids=REPACKED)
@pytest.mark.parametrize(
    "codec", ["none", "gzip", *(pytest.param(codec, marks=needs_plugins) for codec in ("lz4", "blosc2", "zstd"))]
)
def test_h5repack_is_said_to_have_been_here(tmp_path, write_store, codec, arguments):
    """The values are all there, but not where the checksums belong to."""
    write_store(tmp_path / "data.h5", ARRAYS, {"x": 2, "y": 7}, codec=codec)
    run("h5repack", *arguments, tmp_path / "data.h5", tmp_path / "new.h5", plugins=codec not in ("none", "gzip"))
    with pytest.raises(
        StoreFormatError, match=r"new\.h5: found .*; the file was rewritten by another program \(h5repack and its like"
    ):
        seekless.open(tmp_path / "new.h5")


@tool("h5repack")
def test_h5repack_of_an_index_is_said_to_have_been_here(tmp_path, write_sharded):
    write_sharded(tmp_path / "data.h5", ARRAYS, {"x": 2}, 4)
    run("h5repack", tmp_path / "data.h5", tmp_path / "new.h5")
    with pytest.raises(StoreFormatError, match=r"new\.h5: found .*another program.*; convert the source again"):
        seekless.open(tmp_path / "new.h5")


def test_a_missing_shard_reads_as_zeros_in_plain_h5py(tmp_path, write_sharded):
    """HDF5 does not take a missing source for an error; this reader does."""
    files = write_sharded(tmp_path / "data.h5", ARRAYS, {"x": 2}, 4)
    files[1].unlink()
    run(sys.executable, "-c", H5PY, "data.h5", "found.npz", folder=tmp_path)
    with np.load(tmp_path / "found.npz") as found:
        assert not found["x"][8:16].any()
        assert (found["x"][:8] == WALK[:8]).all()
        assert found["y"][8:16].tolist() == [0] * 8
        assert found["key"][9] == b""
    with pytest.raises(StoreFormatError, match=r"00001\.h5: found no such file, expected a shard"):
        seekless.open(tmp_path / "data.h5")

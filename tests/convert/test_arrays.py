"""seekless.write: every value comes back, the same bytes however samples come, whole or not at all."""

import hashlib
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, StoreExistsError

N = 300
X = np.random.default_rng(3).integers(0, 256, (N, 5, 4)).astype(np.uint8)
Y = np.random.default_rng(4).integers(0, 7, N)


def sha(path: Path) -> str:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def by_key(path):
    """x and y in the order of the keys."""
    store = seekless.open(path)
    order = np.argsort(store.keys)
    x, y = store[:]
    return x[order], y[order]


def batches(size, x=X, y=Y):
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


@pytest.mark.parametrize("name", ["data.h5", "data.npy.d"])
def test_every_value_comes_back_and_the_order_is_random(tmp_path, name):
    seekless.write(tmp_path / name, X, Y)
    store = seekless.open(tmp_path / name)
    assert store.header.shuffled
    assert store.keys != sorted(store.keys)
    assert sorted(store.keys) == [f"{number:03d}" for number in range(N)]
    x, y = by_key(tmp_path / name)
    assert x.tobytes() == X.tobytes()
    assert x.dtype == X.dtype
    assert np.array_equal(y, Y)
    assert store.header.class_count == Y.max() + 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i4", ">f8", ">u2"]
)
@pytest.mark.parametrize("wide", [False, True], ids=["small values", "all bits"])
def test_every_dtype_comes_back_bit_for_bit(tmp_path, dtype, wide):
    raw = np.random.default_rng(5).integers(0, 256, (40, 3, np.dtype(dtype).itemsize)).astype(np.uint8)
    x = raw.view(dtype)[..., 0] if wide and dtype != "?" else (raw[..., 0] % 2).astype(dtype)
    summary = seekless.write(tmp_path / "data.h5", x, shuffle=False)
    found = seekless.open(tmp_path / "data.h5")[:]
    assert found.dtype == x.dtype.newbyteorder("<")
    assert found.tobytes() == x.astype(x.dtype.newbyteorder("<")).tobytes()
    if not wide:
        assert summary.encoding.dtype == (np.int8 if dtype == "i1" else np.uint8)


def test_nan_and_minus_zero_keep_their_bits(tmp_path):
    x = np.array([np.nan, -np.nan, -0.0, 0.0, np.inf, 1.5]).reshape(6, 1)
    x[0] = np.array([0x7FF8000000000123], np.uint64).view(np.float64)
    seekless.write(tmp_path / "data.h5", x, shuffle=False)
    assert seekless.open(tmp_path / "data.h5")[:].tobytes() == x.tobytes()


@pytest.mark.parametrize("size", [1, 7, 100, N])
@pytest.mark.parametrize("memory", [1 << 20, 1 << 30])
@pytest.mark.parametrize("test_fraction", [None, 0.2])
def test_the_same_bytes_whole_or_in_batches(tmp_path, size, memory, test_fraction):
    x = X / np.where(np.arange(N) % 2, 255, 1)[:, None, None]  # parts of it would be stored in other dtypes
    options = {"seed": 9, "test_fraction": test_fraction}
    seekless.write(tmp_path / "whole.h5", x, Y, **options)
    seekless.write(tmp_path / "batches.h5", batches(size, x), memory=memory, **options)
    assert sha(tmp_path / "whole.h5") == sha(tmp_path / "batches.h5")
    assert seekless.open(tmp_path / "whole.h5").header.boundaries == (() if test_fraction is None else (240, N))


def test_more_than_memory_gives_the_same_bytes(tmp_path):
    x = np.random.default_rng(6).integers(0, 256, (3000, 40, 40), np.uint8)  # 4.8 MB
    keys = [f"{number}.png" for number in range(3000)]
    seekless.write(tmp_path / "whole.h5", x, key=keys)
    given = ({"x": x[at : at + 123], "key": keys[at : at + 123]} for at in range(0, 3000, 123))
    seekless.write(tmp_path / "batches.h5", given, memory=1 << 20)
    seekless.write(tmp_path / "small.h5", x, key=np.array(keys), memory=1 << 20)
    assert sha(tmp_path / "whole.h5") == sha(tmp_path / "batches.h5") == sha(tmp_path / "small.h5")
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_order_as_files_of_these_keys(tmp_path, tiny_png):
    seekless.pack(tiny_png.root, tmp_path / "packed.h5", progress=False, seed=4)
    packed = seekless.open(tmp_path / "packed.h5")
    keys = sorted(packed.keys)
    numbers = [tiny_png.number(key) for key in keys]
    seekless.write(
        tmp_path / "written.h5",
        tiny_png.images[numbers][..., None],
        [str(label) for label in tiny_png.labels[numbers]],
        key=keys,
        seed=4,
    )
    written = seekless.open(tmp_path / "written.h5")
    assert written.keys == packed.keys
    assert written.class_names == packed.class_names
    for name in ("x", "y"):
        assert np.array_equal(written[name], packed[name])
        assert written.header.fields[name] == packed.header.fields[name]


def test_arrays_on_a_disk_are_read_slice_by_slice(tmp_path):
    rows = 2000
    with h5py.File(tmp_path / "given.hdf5", "w") as file:
        file["x"] = np.arange(rows * 1000, dtype=np.int32).reshape(rows, 1000)  # 8 MB
        file["y"] = np.arange(rows) % 3
        file["name"] = [f"row {number}" for number in range(rows)]
        largest = 0

        class Watched:
            shape = file["x"].shape

            def __getitem__(self, which):
                nonlocal largest
                largest = max(largest, len(file["x"][which]))
                return file["x"][which]

        seekless.write(tmp_path / "watched.h5", Watched(), file["y"], key=file["name"], memory=1 << 20)
        seekless.write(tmp_path / "h5py.h5", file["x"], file["y"], key=file["name"])
        np.save(tmp_path / "x.npy", file["x"][:])
        mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
        seekless.write(tmp_path / "mapped.h5", mapped, np.arange(rows) % 3, key=file["name"])
    assert largest == (1 << 20) // 8 // 4000
    assert sha(tmp_path / "watched.h5") == sha(tmp_path / "h5py.h5") == sha(tmp_path / "mapped.h5")
    assert "row 17" in seekless.open(tmp_path / "h5py.h5").keys


def test_memory_is_bounded_for_batches_without_end(tmp_path):
    code = (
        "import resource, sys, numpy as np, seekless\n"
        "seekless.write('warm.h5', np.zeros((200, 4), np.uint8))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "given = (np.full((100, 100000), n, np.uint8) + np.arange(100000, dtype=np.uint8) for n in range(40))\n"
        "seekless.write('data.h5', given, memory=32 << 20, compression='zstd')\n"  # 400 MB
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 250e6
    assert len(seekless.open(tmp_path / "data.h5")) == 4000


def test_a_buffer_that_batches_share_is_copied(tmp_path):
    buffer = np.empty((10, 3))

    def given():
        for start in range(0, 100, 10):
            buffer[...] = np.arange(start, start + 10)[:, None] + 0.123456789
            yield buffer

    seekless.write(tmp_path / "data.h5", given(), shuffle=False)
    assert np.array_equal(seekless.open(tmp_path / "data.h5")[:], np.tile(np.arange(100)[:, None] + 0.123456789, 3))


@pytest.mark.parametrize(
    ("shape", "dtype", "scale"),
    [
        ((28, 28), "u1", 255),
        ((8, 8, 3), "u1", 255),
        ((8, 8, 1), "u2", 65535),
        ((784,), "u1", 1),
        ((3, 8, 8), "u1", 1),
        ((28, 28), "f4", 1),
        ((28, 28), "i2", 1),
    ],
)
def test_pictures_come_as_0_to_1(tmp_path, shape, dtype, scale):
    x = np.random.default_rng(1).integers(0, 100, (70, *shape)).astype(dtype)
    seekless.write(tmp_path / "data.h5", x, shuffle=False)
    store = seekless.open(tmp_path / "data.h5")
    assert store.header.fields["x"].scale == scale
    (batch,) = next(store.batches(70, shuffle=False))
    assert np.array_equal(batch, x.astype(np.float32) / np.float32(scale))


def test_scale_overrules(tmp_path):
    seekless.write(tmp_path / "data.h5", X, scale=1)
    assert seekless.open(tmp_path / "data.h5").header.fields["x"].scale == 1


def test_lists_and_single_samples(tmp_path):
    seekless.write(tmp_path / "data.h5", [1.5, 2.5, 3.5], ["b", "a", "b"], shuffle=False, dtype="float32")
    store = seekless.open(tmp_path / "data.h5")
    assert store.shape == (3,)
    assert store[:][0].tolist() == [1.5, 2.5, 3.5]
    assert store.class_names == ("a", "b")
    assert store["y"].tolist() == [1, 0, 1]
    seekless.write(tmp_path / "one.h5", np.ones((1, 2, 2)), np.array([[0.5]]))
    assert seekless.open(tmp_path / "one.h5")[0][1] == 0.5


def test_dtype_and_lossy_as_in_a_conversion(tmp_path):
    x = np.linspace(0, 1, 50).reshape(10, 5)
    keys = [f"row {number}" for number in range(10)]
    with pytest.raises(OptionError, match=r"--dtype float16: found the value 0\.02.* in row 0"):
        seekless.write(tmp_path / "data.h5", x, key=keys, dtype="float16")
    summary = seekless.write(tmp_path / "data.h5", x, dtype="float16", lossy=True, shuffle=False, compression="gzip")
    assert "as asked for, with loss" in str(summary)
    assert np.array_equal(seekless.open(tmp_path / "data.h5")[:], x.astype(np.float16))
    summary = seekless.write(tmp_path / "wide.h5", x.round(), dtype="float64")
    assert "float64 (as asked for)" in str(summary)


def test_shards(tmp_path):
    summary = seekless.write(tmp_path / "data.h5", X, Y, shard_bytes=1000, block_bytes=200)
    assert summary.shards > 3
    assert np.array_equal(by_key(tmp_path / "data.h5")[0], X)


def test_the_summary_says_what_was_done(tmp_path, capsys):
    summary = seekless.write(tmp_path / "data.h5", X, Y)
    assert str(summary).splitlines()[1:4] == [
        "  samples  300 of 7 classes",
        "  shape    5 x 4",
        "  dtype    uint8 (as it came; nothing smaller gives every value back bit for bit)",
    ]
    assert summary.bytes_in == X.nbytes
    assert summary.bytes_out == (tmp_path / "data.h5").stat().st_size
    assert capsys.readouterr() == ("", "")
    seekless.write(tmp_path / "data.h5", X, Y, overwrite=True, progress=True)
    assert "reading: 300 of 300 samples" in capsys.readouterr().err


def failing():
    yield from batches(100)
    raise RuntimeError("the camera is gone")


def test_what_the_iterator_raises_comes_through_and_nothing_is_left(tmp_path):
    seekless.write(tmp_path / "data.h5", X[:10])
    before = sha(tmp_path / "data.h5")
    for memory in (1 << 20, 1 << 30):
        with pytest.raises(RuntimeError, match="the camera is gone"):
            seekless.write(tmp_path / "data.h5", failing(), overwrite=True, memory=memory)
        with pytest.raises(RuntimeError, match="the camera is gone"):
            seekless.write(tmp_path / "other.h5", failing(), memory=memory)
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]
    assert sha(tmp_path / "data.h5") == before


def test_a_store_that_exists_is_kept(tmp_path):
    seekless.write(tmp_path / "data.h5", X)
    with pytest.raises(StoreExistsError, match="found something there"):
        seekless.write(tmp_path / "data.h5", X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"worker": 3}, "seekless.write: found unknown options worker, expected some of block_bytes, "),
        ({"scale": 0}, "scale: found 0, expected a whole number of 1 or more"),
        ({"scale": 1.5}, r"scale: found 1\.5, expected a whole number of 1 or more"),
        ({"test_fraction": 0.0001}, "--test-fraction: found 0.0001 of 300 samples"),
        ({"class_names": ["a"]}, "class_names, target_type: found without y"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        seekless.write(tmp_path / "data.h5", X, **options)
    assert not list(tmp_path.iterdir())

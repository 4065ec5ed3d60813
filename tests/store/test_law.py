"""The reader's law: any sequence of reads gives the values that the plain tools give."""

import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seekless
from seekless.store.codecs import CODECS
from seekless.store.verify import verify

pytest.importorskip("hdf5plugin", reason="plain h5py needs hdf5plugin to read compressed blocks")

DTYPES = ["u1", "i1", "<u2", "<i2", "<f2", "<f4", "<f8"]
# How the bytes of x are drawn: what a codec makes smaller, what it does not, and both in one store.
KINDS = ["constant", "steps", "noise", "half noise"]


def values(dtype, shape, kind, seed):
    dtype = np.dtype(dtype)
    size = int(np.prod(shape))
    bytes_of = np.random.default_rng(seed).integers(0, 256, (size, dtype.itemsize), np.uint8)
    if kind == "constant":
        bytes_of[...] = bytes_of[:1]
    elif kind == "steps":
        bytes_of[...] = (np.arange(size) // 5 % 200)[:, None]
    elif kind == "half noise":
        bytes_of[: size // 2] = 7
    return bytes_of.reshape(-1).view(dtype).reshape(shape)


@st.composite
def stores(draw):
    """A store's kind, codec, arrays, block lengths; lengths lie around the edges of blocks."""
    kind = draw(st.sampled_from(["one file", "shards", "npy"]))
    codec = "none" if kind == "npy" else draw(st.sampled_from(list(CODECS)))
    block = draw(st.sampled_from([1, 2, 3, 7, 40]))
    length = max(1, draw(st.sampled_from([1, block - 1, block, block + 1, 2 * block, 3 * block - 1, 3 * block + 1])))
    if kind == "shards":
        length = max(length, block)
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=4)))
    x = values(draw(st.sampled_from(DTYPES)), (length, *shape), draw(st.sampled_from(KINDS)), draw(st.integers(0, 99)))
    y = values(*draw(st.sampled_from([("<i8", (length,)), ("<f8", (length,)), ("<f8", (length, 2))])), "noise", 5)
    key = np.array([f"{number:03d}é".encode() for number in range(length)])
    blocks = {"x": block, "y": draw(st.integers(1, 9)), "key": draw(st.integers(1, 9))}
    return kind, codec, {"x": x, "y": y, "key": key}, blocks, draw(st.integers(1, 3))


@st.composite
def reads(draw, length):
    """Some calls, each of some ranges in any order; empty ones among them."""
    ends = st.integers(0, length)
    ranges = st.lists(st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair))), max_size=4)
    return draw(st.lists(st.tuples(st.sampled_from(["x", "y", "key"]), ranges), min_size=1, max_size=6))


def plain(path, names):
    """Return what programs that know nothing of ours read."""
    if path.is_dir():
        arrays = {}
        for name in names:
            mapped = np.load(path / f"{name}.npy", mmap_mode="r")
            arrays[name] = np.array(mapped)
            mapped._mmap.close()
        return arrays
    with h5py.File(path) as file:
        return {name: file[name][...] for name in names}


@given(data=st.data(), store=stores())
@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_reads_of_any_store_give_what_plain_tools_give(write_store, write_sharded, tmp_path_factory, data, store):
    import hdf5plugin  # noqa: F401  # plain h5py needs it; ours does not

    kind, codec, arrays, blocks, shard_blocks = store
    folder = tmp_path_factory.mktemp("law")
    path = folder / ("data.npy.d" if kind == "npy" else "data.h5")
    if kind == "shards":
        write_sharded(path, arrays, blocks, shard_blocks, codec=codec)
    else:
        write_store(path, arrays, blocks, codec=codec)
    expected = plain(path, arrays)
    opened = seekless.open(path)
    readers = {name: opened.reader(name) for name in arrays}
    for name, array in arrays.items():
        assert expected[name].tobytes() == array.tobytes()
        assert expected[name].shape == array.shape
    for name, ranges in data.draw(reads(len(opened))):
        found = readers[name].read(ranges)
        wanted = np.concatenate([expected[name][:0], *[expected[name][start:stop] for start, stop in ranges]])
        assert (found.dtype, found.shape) == (arrays[name].dtype, wanted.shape)
        assert found.tobytes() == wanted.tobytes()
    assert verify(path).bad == ()
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["one file", "shards", "npy"])
def test_no_samples_of_a_store_are_an_empty_array(tmp_path, write_store, write_sharded, kind):
    path = tmp_path / ("data.npy.d" if kind == "npy" else "data.h5")
    arrays = {"x": np.ones((9, 2, 3), "<f4"), "y": np.arange(9)}
    (write_sharded if kind == "shards" else write_store)(path, arrays, {"x": 3})
    store = seekless.open(path)
    for start in (0, 3, 4, 9):
        x, y = store[start:start]
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((0, 2, 3), np.float32, (0,), np.int64)
        assert store.reader("x").read([(start, start)]).shape == (0, 2, 3)
    assert store.reader("x").read([]).shape == (0, 2, 3)

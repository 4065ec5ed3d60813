"""What is written is a folder of arrays that NumPy maps, and a description; the same bytes for the same blocks."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.store.blocks import BlockReader
from seekless.store.npy import read_npy

DTYPES = ["u1", "i1", "<u2", "<i2", "<i8", "<f2", "<f4", "<f8", "?"]


@given(
    block=st.integers(1, 5),
    more=st.sampled_from([-1, 0, 1]),
    whole=st.integers(1, 3),
    shape=st.lists(st.integers(1, 3), max_size=4),
    dtype=st.sampled_from(DTYPES),
)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_come_back_and_numpy_maps_the_same(write_store, block, more, whole, shape, dtype):
    length = max(1, whole * block + more)
    random = np.random.default_rng(length)
    kind = np.dtype(dtype)
    data = random.integers(0, 2 if kind.kind == "b" else 256, (length, *shape, kind.itemsize), np.uint8)
    values = {"x": data.view(kind).reshape(length, *shape), "y": random.random((length, 2))}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.npy.d"
        header = write_store(path, values, {"x": block, "y": 2})
        found, tables = read_npy(path)
        assert found == header
        for name, array in values.items():
            assert BlockReader(tables[name]).read([(0, length)]).tobytes() == array.tobytes()
            mapped = np.load(path / f"{name}.npy", mmap_mode="r")
            assert (mapped.dtype, mapped.shape) == (array.dtype, array.shape)
            assert mapped.tobytes() == array.tobytes()
            assert tables[name].offset[0] == 4096


def test_the_files_are_pinned(made_npy, digits):
    assert sorted(file.name for file in made_npy.iterdir()) == ["key.npy", "store.json", "x.npy", "y.npy"]
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (11, 3, 2), }"
    head = b"\x93NUMPY\x01\x00\xf6\x0f" + text.encode().ljust(4085) + b"\n"
    assert (made_npy / "x.npy").read_bytes() == head + digits["x"].tobytes()
    sha = hashlib.sha256((made_npy / "store.json").read_bytes()).hexdigest()
    assert sha == "04753ffc215e60fc9aa11065f5be9c2ce305f872030a383e7bbc570da669bdd7"


def test_the_same_blocks_give_the_same_bytes(tmp_path, write_store, digits):
    for name in ("one.npy.d", "other.npy.d"):
        write_store(tmp_path / name, digits, {"x": 3})
    for file in (tmp_path / "one.npy.d").iterdir():
        assert file.read_bytes() == (tmp_path / "other.npy.d" / file.name).read_bytes()


def test_a_folder_that_is_there_is_not_written_into(tmp_path, write_store, digits):
    (tmp_path / "mine.npy.d").mkdir()
    with pytest.raises(FileExistsError, match=r"mine\.npy\.d"):
        write_store(tmp_path / "mine.npy.d", digits)
    assert not list((tmp_path / "mine.npy.d").iterdir())

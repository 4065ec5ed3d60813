"""Stores made by hand, block by block, for the tests of the room that reads and writes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from seekless.store.encoding import Encoding
from seekless.store.kinds import create, suffix_of
from seekless.store.schema import Field, Header

Arrays = Mapping[str, npt.NDArray[Any]]


def _padded(field: Field, part: npt.NDArray[Any]) -> bytes:
    block = np.zeros((field.block_length, *field.sample_shape), field.dtype)
    block[: len(part)] = part
    return block.tobytes()


def _field(name: str, array: npt.NDArray[Any], block: int, scale: int, logical: Any, divisor: int) -> Field:
    encoding = Encoding(array.dtype, np.dtype(logical or array.dtype), divisor)
    return Field(name, array.shape[1:], encoding, block, scale)


@pytest.fixture
def write_store() -> Callable[..., Header]:
    """Return a function that writes arrays, as stored, to a store of either kind, in blocks of the given lengths."""

    def write(
        path: Path,
        arrays: Arrays,
        blocks: Mapping[str, int] | None = None,
        *,
        divisor: int = 1,
        scale: int = 1,
        logical: Any = None,
        **header: Any,
    ) -> Header:
        length = len(arrays["x"])
        fields = {}
        for name, array in arrays.items():
            block = min((blocks or {}).get(name, length), length)
            x = (scale, logical, divisor) if name == "x" else (1, None, 1)
            fields[name] = _field(name, array, block, *x)
        made = Header(length, fields, **{"shuffled": True, "seed": 0, "created_by": "by hand", **header})
        with create(suffix_of(path), path, made) as writer:
            for name, array in arrays.items():
                for start in range(0, length, fields[name].block_length):
                    writer.append(name, _padded(fields[name], array[start : start + fields[name].block_length]))
        return made

    return write


@pytest.fixture
def digits() -> dict[str, npt.NDArray[Any]]:
    """Eleven samples: 3 x 2 pictures without a zero byte, classes, keys."""
    x = (np.arange(66) * 37 % 255 + 1).astype(np.uint8).reshape(11, 3, 2)
    y = np.arange(11) * 7 % 4
    return {"x": x, "y": y, "key": np.array([f"train/{number:02d}.csv".encode() for number in range(11)])}


def _write_made(path: Path, write_store: Callable[..., Header], digits: Arrays) -> Path:
    parts = {"boundaries": (9, 11), "target_kind": "class", "class_count": 4, "class_names": ("a", "bc", "é", "d")}
    blocks = {"x": 3, "y": 6, "key": 10}
    options = {"test_fraction": 0.2}
    write_store(path, digits, blocks, divisor=255, logical=np.float64, seed=7, options=options, **parts)
    return path


@pytest.fixture
def made(tmp_path: Path, write_store: Callable[..., Header], digits: Arrays) -> Path:
    """A store of `digits`: pictures as k / 255, four blocks of x, the last of them short, two of y and of key."""
    return _write_made(tmp_path / "made.h5", write_store, digits)


@pytest.fixture
def made_npy(tmp_path: Path, write_store: Callable[..., Header], digits: Arrays) -> Path:
    """The same store as `made`, as a folder of `.npy` files."""
    return _write_made(tmp_path / "made.npy.d", write_store, digits)

"""Stores made by hand, block by block, for the tests of the room that reads and writes them."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from seekless.store.encoding import Encoding
from seekless.store.kinds import create, suffix_of
from seekless.store.schema import Field, Header
from seekless.store.shards import shard_edges, shard_header, shard_of, shards_folder
from seekless.store.shards_writer import write_index

Arrays = Mapping[str, npt.NDArray[Any]]


def _padded(field: Field, part: npt.NDArray[Any]) -> bytes:
    block = np.zeros((field.block_length, *field.sample_shape), field.dtype)
    block[: len(part)] = part
    return block.tobytes()


def _header(arrays: Arrays, blocks: Mapping[str, int], x: Mapping[str, Any], header: Mapping[str, Any]) -> Header:
    length, fields = len(arrays["x"]), {}
    for name, array in arrays.items():
        logical, divisor = (x["logical"], x["divisor"]) if name == "x" else (None, 1)
        encoding = Encoding(array.dtype, np.dtype(logical or array.dtype), divisor)
        own = (x["scale"], x["codec"]) if name == "x" else ()
        fields[name] = Field(name, array.shape[1:], encoding, min(blocks.get(name, length), length), *own)
    return Header(length, fields, **{"shuffled": True, "seed": 0, "created_by": "by hand", **header})


def _append(path: Path, header: Header, arrays: Arrays, threads: int = 0) -> None:
    with create(suffix_of(path), path, header, threads) as writer:
        for name, array in arrays.items():
            field = header.fields[name]
            for start in range(0, len(array), field.block_length):
                writer.append(name, _padded(field, array[start : start + field.block_length]))


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
        codec: str = "none",
        threads: int = 0,
        **header: Any,
    ) -> Header:
        x = {"logical": logical, "divisor": divisor, "scale": scale, "codec": codec}
        made = _header(arrays, blocks or {}, x, header)
        _append(path, made, arrays, threads)
        return made

    return write


@pytest.fixture
def write_sharded() -> Callable[..., list[Path]]:
    """Return a function that writes arrays to an index and shards of so many blocks of x, and gives the shards."""

    def write(
        path: Path,
        arrays: Arrays,
        blocks: Mapping[str, int] | None = None,
        shard_blocks: int = 2,
        *,
        divisor: int = 1,
        scale: int = 1,
        logical: Any = None,
        codec: str = "none",
        **header: Any,
    ) -> list[Path]:
        x = {"logical": logical, "divisor": divisor, "scale": scale, "codec": codec}
        made = _header(arrays, blocks or {}, x, header)
        sample_bytes = sum(field.sample_bytes for field in made.fields.values())
        edges = shard_edges(made, shard_blocks * made.fields["x"].block_length * sample_bytes)
        folder = path.parent / shards_folder(path)
        folder.mkdir(exist_ok=True)
        shards, files = [], []
        for number, (start, stop) in enumerate(itertools.pairwise(edges)):
            file = folder / f"{0:016x}-{number:05d}.h5"
            _append(file, shard_header(made, stop - start), {name: a[start:stop] for name, a in arrays.items()})
            shards.append(shard_of(file, f"{folder.name}/{file.name}"))
            files.append(file)
        write_index(path, made, shards)
        return files

    return write


@pytest.fixture
def digits() -> dict[str, npt.NDArray[Any]]:
    """Eleven samples: 3 x 2 pictures without a zero byte, classes, keys."""
    x = (np.arange(66) * 37 % 255 + 1).astype(np.uint8).reshape(11, 3, 2)
    y = np.arange(11) * 7 % 4
    return {"x": x, "y": y, "key": np.array([f"train/{number:02d}.csv".encode() for number in range(11)])}


def _write_made(path: Path, write: Callable[..., Any], digits: Arrays, **how: Any) -> Path:
    parts = {"boundaries": (9, 11), "target_kind": "class", "class_count": 4, "class_names": ("a", "bc", "é", "d")}
    blocks = {"x": 3, "y": 6, "key": 10}
    options = {"test_fraction": 0.2}
    write(path, digits, blocks, divisor=255, logical=np.float64, seed=7, options=options, **parts, **how)
    return path


@pytest.fixture
def made(tmp_path: Path, write_store: Callable[..., Header], digits: Arrays) -> Path:
    """A store of `digits`: pictures as k / 255, four blocks of x, the last of them short, two of y and of key."""
    return _write_made(tmp_path / "made.h5", write_store, digits)


@pytest.fixture
def made_npy(tmp_path: Path, write_store: Callable[..., Header], digits: Arrays) -> Path:
    """The same store as `made`, as a folder of `.npy` files."""
    return _write_made(tmp_path / "made.npy.d", write_store, digits)


@pytest.fixture
def made_sharded(tmp_path: Path, write_sharded: Callable[..., list[Path]], digits: Arrays) -> Path:
    """The same store as `made`, in shards of 6 and 5 samples."""
    return _write_made(tmp_path / "made.h5", write_sharded, digits)

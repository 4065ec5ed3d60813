"""However little memory there is, and in whatever order pieces come, each sample comes to its place."""

import itertools
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.convert.gather import gather
from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.scatter import Piece, Scatter
from seekless.errors import ConvertError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field

ENCODINGS = candidates(np.dtype("f8"))
WIDEST = ENCODINGS[-1]


def piece(positions, values) -> Piece:
    encoding = ENCODINGS[smallest(proved(values))]
    return stamped(np.array(positions, np.int64), encoding.encode(values), encoding)


def stamped(positions, stored, encoding) -> Piece:
    return Piece(positions, stored, encoding, (positions * 7 + 1).astype(np.uint32))


def collected(scatter, length, shape=()) -> np.ndarray:
    """All samples, as they were."""
    field = Field("x", shape, WIDEST, 1)
    return np.concatenate(list(gather(scatter.partitions(field.sample_bytes), field, np.ones(length, bool))))


@st.composite
def scattered(draw):
    length = draw(st.integers(1, 40))
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
    kinds = draw(st.lists(st.sampled_from([1, 255, 65535, 3]), min_size=length, max_size=length))
    numbers = np.arange(length * int(np.prod(shape))).reshape(length, *shape) % 256
    values = np.stack([number / kind for number, kind in zip(numbers, kinds, strict=True)])
    order = np.array(draw(st.permutations(range(length))))
    edges = sorted({0, length, *draw(st.lists(st.integers(0, length), max_size=6))})
    return values, [order[a:b] for a, b in itertools.pairwise(edges)]


@given(drawn=scattered(), memory=st.sampled_from([0, 30, 300, 1000, 3000, 1 << 20]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_every_sample_comes_to_its_place(drawn, memory):
    values, runs = drawn
    with tempfile.TemporaryDirectory() as folder:
        scatter = Scatter(len(values), memory, Path(folder) / "parts")
        for places in runs:
            scatter.add(piece(places, values[places]))
        found = collected(scatter, len(values), values.shape[1:])
        assert found.tobytes() == values.tobytes()
        assert (Path(folder) / "parts").exists() == (sum(p.nbytes for p in pieces_of(values, runs)) > memory // 3)


def pieces_of(values, runs):
    """The pieces that stay in memory: all, or nothing since the last time they went to files."""
    return [piece(places, values[places]) for places in runs]


@pytest.fixture
def parts(tmp_path) -> Path:
    return tmp_path / "parts"


def test_what_fits_stays_in_memory(parts):
    scatter = Scatter(100, 3 * 1300, parts)
    scatter.add(piece(range(100), np.arange(100.0)))  # 100 * (8 + 1 + 4) bytes
    (partition,) = scatter.partitions(1)
    assert (partition.start, partition.stop, len(partition.read())) == (0, 100, 1)
    assert not parts.exists()


def test_one_byte_more_goes_to_files(parts):
    scatter = Scatter(100, 3 * 1300 - 1, parts)
    scatter.add(piece(range(100), np.arange(100.0)))
    assert parts.exists()
    assert collected(scatter, 100).tolist() == list(range(100))


@pytest.mark.parametrize("shape", [(), (5,), (4, 4)], ids=str)
def test_a_partition_fits_its_share_in_any_encoding(parts, shape):
    memory, length = 30_000, 2000
    scatter = Scatter(length, memory, parts)
    values = np.arange(length * int(np.prod(shape)), dtype=float).reshape(length, *shape) % 256
    for start in range(0, length, 100):
        scatter.add(piece(range(start, start + 100), values[start : start + 100]))
        assert scatter._held <= memory // 3
    end = 0
    for partition in scatter.partitions(1):
        assert partition.start == end
        end = partition.stop
        assert (end - partition.start) * (values[0].nbytes + 12) <= memory // 3
        places = np.concatenate([part.positions for part in partition.read()])
        assert sorted(places.tolist()) == list(range(partition.start, end))
    assert end == length


def test_a_sample_larger_than_the_share_is_a_partition_of_its_own(parts):
    scatter = Scatter(3, 30, parts)
    for place in (2, 0, 1):
        scatter.add(piece([place], np.full((1, 50), place / 3)))
    assert [(part.start, part.stop) for part in scatter.partitions(1)] == [(0, 1), (1, 2), (2, 3)]
    assert collected(scatter, 3, (50,))[:, 0].tolist() == [0, 1 / 3, 2 / 3]


def test_places_that_no_sample_came_for(parts):
    scatter = Scatter(30, 60, parts)
    for place in (29, 3):
        scatter.add(piece([place], np.array([0.1 * place])))
    found = [(part.start, [piece.positions.tolist() for piece in part.read()]) for part in scatter.partitions(1)]
    assert [places for _, places in found if places] == [[[3]], [[29]]]
    assert len(found) == 30 // max(1, 20 // 20)


def test_files_are_only_appended_to_and_hold_no_handle(parts, same_open_files):
    scatter = Scatter(1000, 3000, parts)
    sizes: dict[str, int] = {}
    random = np.random.default_rng(0)
    order = random.permutation(1000)
    for start in range(0, 1000, 50):
        scatter.add(piece(order[start : start + 50], order[start : start + 50] / 3))
        for file in os.scandir(parts) if parts.exists() else ():
            size = file.stat().st_size
            assert size >= sizes.get(file.name, 0)
            sizes[file.name] = size
    assert len(sizes) == -(-1000 // (1000 // 20))
    assert collected(scatter, 1000).tobytes() == (np.arange(1000) / 3).tobytes()


def test_the_size_of_a_piece():
    assert piece([1, 2], np.zeros((2, 3))).nbytes == 2 * 8 + 2 * 3 + 2 * 4


def test_the_last_partition_too_stays_within_its_share(tmp_path):
    """Pieces of one byte a value, to be stored in eight: one array of them all would take eight times the share."""
    scatter = Scatter(3000, 3 * 20_000, tmp_path / "parts")
    narrow = Encoding(np.dtype("u1"), np.dtype("f8"))
    for start in range(0, 3000, 100):
        positions = np.arange(start, start + 100)
        scatter.add(stamped(positions, np.ones((100, 5), np.uint8), narrow))
        assert not (tmp_path / "parts").exists() or start
    sizes = [(part.stop - part.start) * 5 * 8 for part in scatter.partitions(5 * 8)]
    assert max(sizes) <= 20_000
    assert sum(sizes) == 3000 * 5 * 8


def test_a_place_without_a_sample_is_an_error(tmp_path):
    scatter = Scatter(4, 3 << 20, tmp_path / "parts")
    plain = Encoding(np.dtype("u1"), np.dtype("u1"))
    scatter.add(stamped(np.array([0, 1, 3]), np.ones((3, 2), np.uint8), plain))
    field = Field("x", (2,), plain, 4)
    with pytest.raises(ConvertError, match=r"found 1 samples missing of places 0 to 3, expected all"):
        list(gather(scatter.partitions(2), field, np.ones(4, bool)))

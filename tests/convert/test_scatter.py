"""However little memory there is, and in whatever order pieces come, each sample comes to its place."""

import itertools
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.convert.gather import gather, in_one
from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.scatter import Piece, Scatter
from seekless.errors import ConvertError, ResumeError
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
    parts = gather(scatter.partitions(field.sample_bytes), field, np.ones(length, bool))
    return np.concatenate([in_one(part, field) for part in parts])


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
    assert (partition.start, partition.stop, len(list(partition.read()))) == (0, 100, 1)
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
        inside = places[(places >= partition.start) & (places < end)]  # of pieces in memory, others come too
        assert sorted(inside.tolist()) == list(range(partition.start, end))
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


class TestGoingOn:
    """From the files alone, as another process does."""

    def stopped(self, parts, memory=3000):
        """A scatter of 60 places that has saved 30, and then was stopped with half a piece more in its files."""
        scatter = Scatter(60, memory, parts)
        places = np.random.default_rng(0).permutation(60)
        for start in (0, 10, 20):
            chosen = places[start : start + 10]
            scatter.add(piece(chosen, chosen / (255 if start else 1)))
        scatter.save()
        state = json.loads(json.dumps(scatter.state()))
        scatter.add(piece(places[30:40], places[30:40] / 3))
        scatter.save()
        with open(next(iter(parts.iterdir())), "ab") as file:
            file.write(b"half a piece")
        return places, state

    @pytest.mark.parametrize("memory", [300, 3000, 1 << 20])
    def test_it_says_what_it_holds_and_takes_the_rest(self, parts, memory, same_open_files):
        places, state = self.stopped(parts, memory)
        scatter = Scatter(60, memory, parts)
        found = [(p, s) for positions, stamps in scatter.restore(state) for p, s in zip(positions, stamps, strict=True)]
        assert sorted(found) == sorted((p, 7 * p + 1) for p in places[:30].tolist())
        for start in (30, 40, 50):
            chosen = places[start : start + 10]
            scatter.add(piece(chosen, chosen / 65535))
        assert [row.tolist() for row in [collected(scatter, 60)]] == [
            [place / (1 if turn < 10 else 255 if turn < 30 else 65535) for place, turn in enumerate(np.argsort(places))]
        ]

    def test_it_may_have_more_or_less_memory(self, parts):
        places, state = self.stopped(parts, 3000)
        for memory in (300, 1 << 20):
            scatter = Scatter(60, memory, parts)
            assert sum(len(positions) for positions, _ in scatter.restore(state)) == 30
            scatter.add(piece(places[30:], places[30:] / 3))
            values = collected(scatter, 60)
            assert values[places[30:]].tobytes() == (places[30:] / 3).tobytes()

    def test_a_missing_file_is_refused(self, parts):
        _, state = self.stopped(parts)
        next(iter(parts.iterdir())).unlink()
        with pytest.raises(ResumeError, match=r"000000: found other bytes than were written there.* --temp on another"):
            list(Scatter(60, 3000, parts).restore(state))

    def test_a_flipped_bit_anywhere_is_refused(self, parts, same_open_files):
        """In a head, in positions or stamps at once; in values when they are read. Never is a value another."""
        _, state = self.stopped(parts, 1 << 20)
        path = parts / "000000"
        data = path.read_bytes()[: state["sizes"]["0"]]

        def read():
            scatter = Scatter(60, 1 << 20, parts)
            list(scatter.restore(state))
            list(next(iter(scatter.partitions(8))).read())

        path.write_bytes(data)
        read()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
            with pytest.raises(ResumeError, match="found other bytes than were written there, expected the samples"):
                read()

    def test_a_file_that_is_cut_while_it_is_used_is_refused(self, parts):
        scatter = Scatter(60, 300, parts)
        for place in range(60):
            scatter.add(piece([place], np.array([place / 3])))
        partition = next(iter(scatter.partitions(8)))
        (parts / "000000").write_bytes((parts / "000000").read_bytes()[:-1])
        with pytest.raises(ResumeError, match="found other bytes than were written there"):
            list(partition.read())

    def test_what_could_not_be_written_whole_is_written_again(self, parts, monkeypatch):
        """A run whose disk was full for a moment, and that goes on with the same object."""
        scatter = Scatter(10, 3000, parts)
        scatter.add(piece(range(5), np.arange(5.0)))
        scatter.save()
        with open(parts / "000000", "ab") as file:
            file.write(b"half a piece")
        scatter.add(piece(range(5, 10), np.arange(5.0, 10)))
        scatter.save()
        scatter._saved = None
        assert collected(scatter, 10).tolist() == list(range(10))


def test_what_is_in_memory_at_the_end_stays_there(parts):
    scatter = Scatter(1000, 3 * 4000, parts)
    values = np.arange(1000) / 3
    for start in range(0, 1000, 50):
        scatter.add(piece(np.arange(start, start + 50), values[start : start + 50]))
    sizes = {file.name: file.stat().st_size for file in parts.iterdir()}
    assert scatter._held > 2000
    assert collected(scatter, 1000).tobytes() == values.tobytes()
    assert {file.name: file.stat().st_size for file in parts.iterdir()} == sizes


def test_partitions_are_a_part_of_the_share_where_files_stay_few(parts):
    """Only the number of places counts, as no such data is here: 1,000 samples of 1.2 MB, within 1 GiB."""
    scatter = Scatter(1000, 1 << 30, parts)
    plain = Encoding(np.dtype("u1"), np.dtype("u1"))
    scatter.add(stamped(np.array([7]), np.zeros((1, 1200, 1000), np.uint8), plain))
    scatter.save()
    share = (1 << 30) // 3
    assert scatter.state()["places"] == share // 4 // 1_200_012

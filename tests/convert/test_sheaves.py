"""Samples come out of sheaves as they were put in, from whichever places; damage is an error."""

import numpy as np
import pytest

from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.pieces import Piece
from seekless.convert.scatter import Scatter
from seekless.convert.sheaves import Binder, pieces_of
from seekless.errors import ResumeError

LENGTH, BUCKET = 100, 7
FORM = ((2,), "<f8")


def piece(places, scale=1.0):
    places = np.array(places)
    values = np.stack([places / scale, places + 1.0], axis=1)
    encoding = candidates(values.dtype)[smallest(proved(values))]
    return Piece(places, encoding.encode(values), encoding, places.astype(np.uint32))


def bound(folder, pieces, share=1 << 20):
    binder = Binder(folder, LENGTH, BUCKET, FORM, share)
    for one in pieces:
        binder.add(one)
    return binder.finish()


@pytest.fixture
def pieces():
    places = np.random.default_rng(0).permutation(LENGTH)
    return [
        piece(places[start : start + 9], scale)
        for start, scale in zip(range(0, LENGTH, 9), (1, 3, 255) * 4, strict=True)
    ]


def found(parts, origin=0):
    values = {}
    for one in parts:
        decoded = one.encoding.decode(one.stored)
        for place, stamp, value in zip(one.positions.tolist(), one.stamps.tolist(), decoded.tolist(), strict=True):
            assert place + origin == stamp
            assert place not in values
            values[place] = value
    return values


def given(pieces):
    return found(pieces)


@pytest.mark.parametrize("share", [1, 600, 1 << 20])
@pytest.mark.parametrize(("start", "stop"), [(0, LENGTH), (0, 1), (33, 34), (35, 42), (34, 43), (99, 100)])
def test_a_range_of_places(tmp_path, pieces, share, start, stop):
    sheaves = bound(tmp_path, pieces, share)
    assert len(sheaves) == {1: 12, 600: len(sheaves), 1 << 20: 1}[share]
    values = found(one for sheaf in sheaves for one in pieces_of(tmp_path, sheaf, FORM, BUCKET, start, stop))
    wanted = given(pieces)
    assert {place for place in values if start <= place < stop} == set(range(start, stop))
    assert all(value == wanted[place] for place, value in values.items())
    assert all(start // BUCKET <= place // BUCKET <= (stop - 1) // BUCKET for place in values)


def test_nothing_is_no_sheaf(tmp_path):
    assert bound(tmp_path, []) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sample_bytes", [1, 16, 1 << 20])
def test_places_between_are_those_of_a_store_that_begins_there(tmp_path, pieces, sample_bytes):
    scatter = Scatter(LENGTH, 3 * 40 * 28, tmp_path / "parts")
    bucket = scatter.expect(FORM)
    assert bucket == 10
    binder = Binder(tmp_path / "parts", LENGTH, bucket, FORM, 600)
    for one in pieces:
        binder.add(one)
    scatter.sheaves += binder.finish()
    end, values = 0, {}
    for partition in scatter.between(11, 90, sample_bytes):
        assert partition.start == end
        end = partition.stop
        inside = {p: v for p, v in found(partition.read(), 11).items() if partition.start <= p < partition.stop}
        values.update({place + 11: value for place, value in inside.items()})
    assert end == 90 - 11
    assert values == {place: value for place, value in given(pieces).items() if 11 <= place < 90}


def test_what_a_cluster_wrote_is_read_and_restored_beside_what_was_written_here(tmp_path, pieces):
    scatter = Scatter(LENGTH, 3 * 40 * 28, tmp_path / "parts")
    for one in pieces[:3]:
        scatter.add(one)
    scatter.save()
    bucket = scatter.expect(FORM)
    binder = Binder(tmp_path / "parts", LENGTH, bucket, FORM, 600)
    for one in pieces[3:9]:
        binder.add(one)
    scatter.sheaves += binder.finish()
    again = Scatter(LENGTH, 3 * 40 * 28, tmp_path / "parts")
    restored = dict(pair for p, s in again.restore(scatter.state(), scatter.sheaves) for pair in zip(p, s, strict=True))
    assert sorted(restored) == sorted(restored.values()) == sorted(np.concatenate([p.positions for p in pieces[:9]]))
    for one in pieces[9:]:
        again.add(one)
    values, end = {}, 0
    for partition in again.partitions(16):
        assert partition.start == end
        end = partition.stop
        values.update({p: v for p, v in found(partition.read()).items() if partition.start <= p < end})
    assert values == given(pieces)


@pytest.mark.parametrize("how", ["gone", "cut", "index", "flipped"])
def test_damage_is_an_error(tmp_path, pieces, how):
    (sheaf,) = bound(tmp_path, pieces)
    path = tmp_path / sheaf.name
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[: sheaf.size // 2])
    elif how == "index":
        path.write_bytes(data[: sheaf.size] + b"\xff" * (len(data) - sheaf.size))
    else:
        data[sheaf.size - 1] ^= 1
        path.write_bytes(data)
    with pytest.raises(ResumeError, match="found other bytes than were written there, expected the samples that were"):
        list(pieces_of(tmp_path, sheaf, FORM, BUCKET, 0, LENGTH))

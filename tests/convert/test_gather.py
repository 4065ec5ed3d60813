"""Samples come to their places in the stored dtype, and are cut into whole blocks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.convert.gather import blocks_of, filled, gather, in_one
from seekless.convert.narrow import candidates
from seekless.convert.scatter import Partition, Piece
from seekless.errors import ConvertError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field

F8 = np.dtype("f8")
ENCODINGS = {str(encoding): encoding for encoding in candidates(F8)}


def field(block=2, shape=(), dtype="u1") -> Field:
    return Field("x", shape, Encoding(np.dtype(dtype), np.dtype(dtype)), block)


@st.composite
def cuts(draw):
    block = draw(st.integers(1, 6))
    length = draw(st.sampled_from([1, block - 1, block, block + 1, 3 * block - 1, 3 * block, 3 * block + 1]))
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=4)))
    ends = sorted(draw(st.lists(st.integers(0, length), max_size=5)))
    return block, length, shape, [0, *ends, length], draw(st.sampled_from(["u1", "<u2", "<f4", "S3"]))


@given(cut=cuts())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_parts_of_any_sizes_become_whole_blocks(cut):
    block, length, shape, edges, dtype = cut
    values = (np.arange(length * int(np.prod(shape))) % 250 + 1).reshape(length, *shape).astype(dtype)
    parts = [values[start:stop] for start, stop in itertools.pairwise(edges)]
    whole = field(block, shape, dtype)
    blocks = [bytes(filled(whole, stored)) for stored in blocks_of(whole, parts)]
    assert len(blocks) == -(-length // block)
    assert {len(stored) for stored in blocks} <= {block * values[:1].nbytes}
    assert b"".join(blocks) == values.tobytes() + bytes((len(blocks) * block - length) * values[:1].nbytes)


def test_no_samples_no_blocks():
    assert list(blocks_of(field(), [])) == []
    assert list(blocks_of(field(), [np.empty(0, "u1")])) == []


def test_the_last_block_holds_nothing_of_the_one_before():
    blocks = blocks_of(field(4), [np.arange(1, 6, dtype="u1")])
    assert [bytes(filled(field(4), stored)) for stored in blocks] == [
        b"\1\2\3\4",
        b"\5\0\0\0",
    ]


def piece(positions, stored, encoding) -> Piece:
    return Piece(positions, stored, encoding, np.zeros(len(positions), np.uint32))


def partition(start, stop, pieces) -> Partition:
    return Partition(start, stop, lambda: pieces)


def gathered(partitions, encoding, kept=None, shape=()):
    whole = Field("x", shape, encoding, 2)
    length = partitions[-1].stop
    parts = gather(partitions, whole, np.ones(length, bool) if kept is None else np.array(kept, bool))
    return [in_one(part, whole) for part in parts]


@pytest.mark.parametrize("chosen", ["uint16 / 65535", "float64"])
def test_pieces_of_any_encoding_come_to_their_places(chosen):
    values = np.array([1.0, 0.0, 254 / 255, 1 / 65535, 1 / 255])
    places = {"uint8": [0, 1], "uint8 / 255": [4, 2], "uint16 / 65535": [3]}
    pieces = [piece(np.array(at), ENCODINGS[form].encode(values[at]), ENCODINGS[form]) for form, at in places.items()]
    (rows,) = gathered([partition(0, 5, pieces)], ENCODINGS[chosen])
    assert rows.dtype == ENCODINGS[chosen].dtype
    assert ENCODINGS[chosen].decode(rows).tobytes() == values.tobytes()


@pytest.mark.parametrize("narrow", ENCODINGS)
@pytest.mark.parametrize("wide", ENCODINGS)
def test_every_widening_keeps_every_bit(narrow, wide):
    """From each encoding to each, over all values of up to 16 bits that both can mean."""
    one, other = ENCODINGS[narrow], ENCODINGS[wide]
    size = min(one.dtype.itemsize, 2)
    stored = (
        np.arange(256**size, dtype=f"u{size}").view(one.dtype if one.dtype.itemsize <= 2 else "u2").astype(one.dtype)
    )
    with np.errstate(all="ignore"):
        values = one.decode(stored)
        common = other.decode(other.encode(values)).view("u8") == values.view("u8")
    values, stored = values[common], stored[common]
    (rows,) = gathered([partition(0, len(values), [piece(np.arange(len(values)), stored, one)])], other)
    with np.errstate(all="ignore"):
        assert other.decode(rows).tobytes() == values.tobytes()


def test_places_without_a_sample_are_closed_up():
    encoding = ENCODINGS["uint8"]

    def parts():
        return [
            partition(0, 3, [piece(np.array([2, 0]), np.array([7, 5], "u1"), encoding)]),
            partition(3, 5, []),
            partition(5, 7, [piece(np.array([6]), np.array([8], "u1"), encoding)]),
        ]

    rows = gathered(parts(), encoding, [1, 0, 1, 0, 0, 0, 1])
    assert [part.tolist() for part in rows] == [[5, 7], [8]]


LONG = 4096


@given(cut=cuts(), data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_large_samples_come_into_blocks_from_where_they_are(cut, data):
    """Whatever pieces they came in, which of them hold samples of several partitions, and where a run goes on."""
    block, length, _, edges, _ = cut
    whole = field(block, (LONG,))
    values = np.random.default_rng(length).integers(1, 256, (length, LONG), np.uint8)
    order = np.random.default_rng(block).permutation(length)
    sources = [piece(places, values[places], whole.encoding) for places in np.array_split(order, 3) if len(places)]
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=length, max_size=length)), bool)
    first = data.draw(st.integers(0, int(np.count_nonzero(kept))))
    partitions = [partition(start, stop, sources) for start, stop in itertools.pairwise(edges) if stop > start]
    blocks = b"".join(filled(whole, one) for one in blocks_of(whole, gather(partitions, whole, kept, first)))
    expected = values[kept][first:].tobytes()
    assert blocks[: len(expected)] == expected
    assert blocks[len(expected) :] == bytes(-len(expected) % (block * LONG))


@pytest.mark.parametrize("shape", [(), (LONG,)], ids=["small", "large"])
def test_a_piece_of_several_partitions_is_widened_where_it_is_wanted(shape):
    one, other = ENCODINGS["uint8 / 255"], ENCODINGS["float64"]
    values = np.broadcast_to(np.arange(6).reshape(-1, *(1 for _ in shape)) / 255, (6, *shape))
    sources = [piece(np.array([5, 0, 3, 1, 4, 2]), one.encode(values[[5, 0, 3, 1, 4, 2]]), one)]
    parts = gathered([partition(0, 2, sources), partition(2, 6, sources)], other, shape=shape)
    assert [len(part) for part in parts] == [2, 4]
    assert np.concatenate(parts).tobytes() == values.tobytes()


@pytest.mark.parametrize("shape", [(), (LONG,)], ids=["small", "large"])
def test_a_place_without_a_sample(shape):
    encoding = ENCODINGS["uint8"]
    with pytest.raises(ConvertError, match=r"found 1 samples missing of places 0 to 2, expected all; the source chan"):
        gathered(
            [partition(0, 3, [piece(np.array([2, 0]), np.ones((2, *shape), "u1"), encoding)])], encoding, None, shape
        )

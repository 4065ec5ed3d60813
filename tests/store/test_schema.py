"""Sizes of blocks, and how a length is cut into parts."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.errors import OptionError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header, boundaries, label_block_length, sample_block_length

MIB = 1 << 20
lengths = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("sample_bytes", "length", "block"),
    [
        (784, 1, 1),
        (784, 64, 1),
        (784, 65, 2),
        (784, 10_000, 157),
        (784, 10**7, 10_699),
        (8 * MIB, 10**6, 1),
        (8 * MIB + 1, 10**6, 1),
        (4 * MIB, 10**6, 2),
        (1, 0, 1),
        (0, 640, 10),
    ],
)
def test_a_block_of_x(sample_bytes, length, block):
    assert sample_block_length(sample_bytes, length) == block


@given(sample_bytes=st.integers(1, 100 * MIB), length=st.integers(1, 10**9))
@settings(deadline=None, derandomize=True)
def test_x_has_64_blocks_or_more_of_8_mib_at_most(sample_bytes, length):
    block = sample_block_length(sample_bytes, length)
    assert 1 <= block <= length
    assert block == 1 or block * sample_bytes <= 8 * MIB
    assert block == 1 or length / (block - 1) > 64
    # and no smaller than either asks for
    assert (block + 1) * sample_bytes > 8 * MIB or length / block <= 64


@pytest.mark.parametrize(
    ("item_bytes", "length", "block"), [(8, 10, 10), (8, 0, 1), (8, 10**6, 524_288), (9 * MIB, 5, 1), (0, 7, 7)]
)
def test_a_block_of_labels(item_bytes, length, block):
    assert label_block_length(item_bytes, length) == block


@pytest.mark.parametrize(
    ("length", "fractions", "ends"),
    [
        (10_000, (0.9, 0.1), (9_000, 10_000)),
        (10, (1.0,), (10,)),
        (0, (0.5, 0.5), (0, 0)),
        (3, (0.9, 0.1), (3, 3)),
        (10, (0.8, 0.1, 0.1), (8, 9, 10)),
        (7, (0.0, 1.0), (0, 7)),
        (10, (0.1,) * 10, tuple(range(1, 11))),
    ],
    ids=str,
)
def test_boundaries(length, fractions, ends):
    assert boundaries(length, fractions) == ends


@given(length=lengths, weights=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
@settings(deadline=None, derandomize=True)
def test_parts_are_in_order_and_cover_the_length(length, weights):
    ends = boundaries(length, tuple(weight / sum(weights) for weight in weights))
    assert len(ends) == len(weights)
    assert ends[-1] == length
    for start, stop, weight in zip((0, *ends[:-1]), ends, weights, strict=True):
        assert 0 <= start <= stop
        assert abs((stop - start) - length * weight / sum(weights)) <= 1 + 1e-6


@pytest.mark.parametrize("fractions", [(), (0.5,), (0.5, 0.6), (1.5, -0.5), (float("nan"), 1.0)], ids=str)
def test_other_fractions_are_refused(fractions):
    with pytest.raises(OptionError, match=r"found fractions \(.*\), expected numbers from 0 to 1 whose sum is 1"):
        boundaries(10, fractions)


def test_the_sizes_of_a_field():
    field = Field("x", (3, 4), Encoding(np.dtype("u2"), np.dtype("f8"), 65535), 5)
    assert field.dtype == np.uint16
    assert field.sample_bytes == 24
    assert field.block_bytes == 120
    assert [field.blocks(length) for length in (0, 1, 4, 5, 6, 10, 11)] == [0, 1, 1, 1, 2, 2, 3]


def test_a_field_of_single_values():
    field = Field("y", (), Encoding(np.dtype("i8"), np.dtype("i8")), 7)
    assert (field.sample_bytes, field.block_bytes) == (8, 56)


def test_options_are_json_whose_keys_are_sorted():
    one, other = (
        Header(1, {}, True, 0, "test", options=dict(order))
        for order in itertools.permutations([("test_fraction", None), ("dtype", "auto")])
    )
    assert one.options_json == other.options_json == '{"dtype": "auto", "test_fraction": null}'
    assert json.loads(one.options_json) == one.options

"""Portions of a store that has grown: their parts, and what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekless.errors import StoreFormatError
from seekless.store.encoding import Encoding
from seekless.store.portions import check_portions, fraction_ranges, grown, merged, part_of, portions_of, recorded
from seekless.store.schema import Field, Header, boundaries


def header(length, portions=(), ends=(), groups=(), width=4) -> Header:
    key = np.dtype(f"S{width}")
    fields = {"key": Field("key", (), Encoding(key, key), length)}
    return Header(length, fields, True, 0, "test", ends, portions=portions, parts=groups)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_fractions_are_those_of_each_portion(lengths, one, other):
    begin, end = sorted((one, other))
    ends = tuple(np.cumsum(lengths).tolist())
    found = fraction_ranges(header(ends[-1], ends), begin, end)
    wanted = [
        number
        for length, stop in zip(lengths, ends, strict=True)
        for number in range(stop - length + round(length * begin), stop - length + round(length * end))
    ]
    assert [number for start, stop in found for number in range(start, stop)] == wanted
    assert all(a[1] < b[0] for a, b in itertools.pairwise(found))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.floats(0, 1))
def test_what_grows_portion_by_portion_has_the_parts_of_all(lengths, fraction):
    pieces = [header(length, ends=boundaries(length, (1 - fraction, fraction))) for length in lengths]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = grown(whole, piece)
    check_portions(whole, lengths, "a.h5")
    assert [stop - start for start, stop in portions_of(whole)] == lengths
    train, test = (sum(stop - start for start, stop in part_of(whole, name)) for name in ("train", "test"))
    assert train == sum(piece.boundaries[0] for piece in pieces)
    assert train + test == sum(lengths) == whole.length


def test_keys_are_as_wide_as_the_widest():
    assert grown(header(5, width=4), header(5, width=9)).fields["key"].dtype == "S9"
    assert grown(header(5, width=9), header(5, width=4)).fields["key"].dtype == "S9"


def test_nothing_is_recorded_of_a_store_without_parts():
    assert recorded(header(10, (4, 10))) == ((), ())
    assert recorded(header(10)) == ((),)
    assert merged([(4, 4), (9, 9)]) == ((4, 4),)


@pytest.mark.parametrize(
    ("portions", "ends", "what"),
    [
        ((4, 9), (), "found portions that end at .4, 9., expected ends of shards up to 10"),
        ((3, 10), (), "found portions that end at .3, 10."),
        ((4, 4, 10), (), "found portions that end at"),
        ((4, 10), (3, 4, 9), "found parts that end at .3, 4, 9., expected as many in each of the portions"),
        ((4, 10), (3, 4, 2, 10), "found parts that end at"),
        ((4, 10), (3, 5, 9, 10), "found parts that end at"),
    ],
)
def test_a_file_that_tells_of_portions_it_cannot_have_is_refused(portions, ends, what):
    with pytest.raises(StoreFormatError, match=what):
        check_portions(header(10, portions, ends), [4, 6], "a.h5")

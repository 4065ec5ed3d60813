"""Parts of a store: disjoint, covering, and cut where the format says, whatever the fractions."""

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from seekless.errors import OptionError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header, boundaries
from seekless.store.store import Store

LENGTHS = st.integers(1, 10**12)


def store_of(length: int, ends: tuple[int, ...] = ()) -> Store:
    """A store that is asked for its parts alone; nothing is read."""
    byte = np.dtype("u1")
    header = Header(length, {"x": Field("x", (), Encoding(byte, byte), 1)}, True, 0, "test", ends)
    return Store(Path("data.h5"), header, {})


@st.composite
def fractions(draw):
    """Fractions whose sum is 1 but for rounding, some of them 0."""
    weights = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any))
    return [weight / sum(weights) for weight in weights]


@given(LENGTHS, fractions())
@example(10, [0.8, 0.1, 0.1])
@example(1, [0.5, 0.5])
@example(3, [1 / 3, 1 / 3, 1 / 3])
def test_parts_of_a_split_follow_each_other_and_cover_the_store(length, sizes):
    store = store_of(length)
    parts = [store.part(pair) for pair in store.split(*sizes)]
    assert [parts[0][0], parts[-1][1]] == [0, length]
    assert all(one[1] == other[0] for one, other in itertools.pairwise(parts))
    assert all(start <= stop for start, stop in parts)


@given(LENGTHS, fractions())
def test_parts_end_at_the_rounded_running_sums(length, sizes):
    store = store_of(length)
    ends = [store.part(pair)[1] for pair in store.split(*sizes)]
    assert ends == [*(round(length * math.fsum(sizes[: i + 1])) for i in range(len(sizes) - 1)), length]
    assert tuple(ends) == boundaries(length, tuple(sizes))


@given(st.integers(1, 10**6), st.integers(0, 1000), st.integers(0, 1000))
def test_a_pair_of_fractions_is_cut_within_half_a_sample(length, first, last):
    assume(first <= last)
    start, stop = store_of(length).part((first / 1000, last / 1000))
    assert abs(Fraction(start) - length * Fraction(first, 1000)) <= Fraction(501, 1000)
    assert abs(Fraction(stop) - length * Fraction(last, 1000)) <= Fraction(501, 1000)


@given(LENGTHS, fractions().filter(lambda sizes: len(sizes) > 1))
def test_recorded_parts_are_the_first_and_the_last(length, sizes):
    ends = boundaries(length, tuple(sizes))
    store = store_of(length, ends)
    assert store.part("train") == (0, ends[0])
    assert store.part("test") == (ends[-2], length)
    assert store.part(None) == (0, length)


@pytest.mark.parametrize("sizes", [(), (0.5, 0.4), (1.5, -0.5), (0.9, 0.2)], ids=str)
def test_fractions_that_do_not_add_up_are_an_option_error(sizes):
    with pytest.raises(OptionError, match=r"found fractions \(.*\), expected numbers from 0 to 1 whose sum is 1"):
        store_of(10).split(*sizes)

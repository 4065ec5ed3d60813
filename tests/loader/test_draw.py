"""Random orders by name: permutations, the same in every process, and without an array of all numbers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.loader import draw
from seekless.loader.draw import KeyedPermutation, generator, permutation, words

SEEDS = st.integers(-(2**63), 2**64 - 1)


@settings(deadline=None)
@given(st.integers(1, 3000), SEEDS, st.integers(0, 1000), st.integers(0, 3), st.booleans())
def test_a_keyed_permutation_gives_each_number_once(length, seed, epoch, rank, sort):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "SORTED_LENGTH", 10**6 if sort else 0)
        drawn = KeyedPermutation(length, seed, epoch, 1, rank)(np.arange(length))
    assert drawn.dtype == np.int64
    assert np.sort(drawn).tolist() == list(range(length))


@pytest.mark.parametrize("length", [65_537, 100_003, 1 << 18])
def test_a_long_one_gives_each_number_once_and_each_by_itself(length):
    drawn = KeyedPermutation(length, 1, 2, 1)
    numbers = drawn(np.arange(length))
    assert np.array_equal(np.sort(numbers), np.arange(length))
    assert drawn(np.array([length - 1, 0, 77])).tolist() == numbers[[length - 1, 0, 77]].tolist()


def test_a_known_permutation_stays_as_it_is():
    """Runs that were recorded by seed must be repeatable: this may change only with a word in CHANGELOG."""
    long = KeyedPermutation(10**9, seed=5, epoch=1, stream=1)(np.arange(4))
    assert long.tolist() == [257987624, 671458703, 639107146, 357613276]
    assert permutation(6, seed=5, epoch=1, stream=1).tolist() == [5, 3, 1, 4, 0, 2]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3).map(lambda high: high << 48), max_size=300))
def test_words_are_sorted_as_numpy_would(values):
    values = np.array(values, np.uint64)
    assert draw._argsort(values).tolist() == np.argsort(values, kind="stable").tolist()


def test_numbers_of_a_long_one_are_spread_evenly_and_apart_from_their_places():
    length = 10**9
    places = np.arange(200_000)
    numbers = KeyedPermutation(length, 3, 0, 1)(places)
    counts = np.bincount(numbers * 100 // length, minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 165  # 99 degrees of freedom: 1 in 30,000 is above
    assert abs(np.corrcoef(places, numbers)[0, 1]) < 0.01
    steps = np.diff(numbers) % length  # neighbours land apart, by no preferred distance
    counts = np.bincount(steps * 100 // length, minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 165


def test_every_short_permutation_is_equally_likely():
    drawn = Counter(tuple(KeyedPermutation(4, 3, epoch, 1)(np.arange(4)).tolist()) for epoch in range(4800))
    assert len(drawn) == 24
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 58


@pytest.mark.parametrize("other", [(2, 5, 7, 0), (1, 6, 7, 0), (1, 5, 8, 0), (1, 5, 7, 1)], ids=str)
def test_every_name_has_words_of_its_own(other):
    seed, epoch, stream, rank = other
    assert not set(words(100, 1, 5, 7).tolist()) & set(words(100, seed, epoch, stream, rank).tolist())


def test_the_generator_of_a_batch_is_its_own():
    drawn = {
        generator(*name).integers(2**63).item() for name in [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 0, 1)]
    }
    assert len(drawn) == 5
    assert generator(1, 2, 3).random() == generator(1, 2, 3).random()

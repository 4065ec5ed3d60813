"""The order of a store: a uniform permutation that depends on the seed and on the set of keys, and on nothing else."""

import itertools
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.source.permutation import random_positions

KEYS = [f"train/{number:05d}.csv" for number in range(12)]
key_sets = st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=40).map(sorted)
seeds = st.integers(-(2**63), 2**63 - 1)


@given(keys=key_sets, seed=seeds)
@settings(deadline=None, derandomize=True)
def test_it_is_a_permutation(keys, seed):
    positions = random_positions(keys, seed)
    assert positions.dtype == np.int64
    assert sorted(positions.tolist()) == list(range(len(keys)))


@given(keys=key_sets, seed=seeds)
@settings(deadline=None, derandomize=True)
def test_it_sorts_by_a_keyed_hash(keys, seed):
    secret = seed.to_bytes(8, "little", signed=True)

    def word(key):
        return int.from_bytes(blake2b(key.encode(), digest_size=8, key=secret).digest(), "little")

    order = sorted(range(len(keys)), key=lambda index: word(keys[index]))
    assert np.argsort(random_positions(keys, seed)).tolist() == order


@given(keys=key_sets, seed=seeds, random=st.randoms(use_true_random=False))
@settings(deadline=None, derandomize=True)
def test_a_place_does_not_depend_on_the_order_of_the_keys(keys, seed, random):
    mixed = random.sample(keys, len(keys))
    assert dict(zip(mixed, random_positions(mixed, seed).tolist(), strict=True)) == dict(
        zip(keys, random_positions(keys, seed).tolist(), strict=True)
    )


@given(keys=key_sets.filter(len), seed=seeds, out=st.integers(0, 39))
@settings(deadline=None, derandomize=True)
def test_without_one_sample_the_others_keep_their_order(keys, seed, out):
    out %= len(keys)
    order = [keys[index] for index in np.argsort(random_positions(keys, seed)) if index != out]
    rest = keys[:out] + keys[out + 1 :]
    assert [rest[index] for index in np.argsort(random_positions(rest, seed))] == order


@pytest.mark.parametrize(
    ("seed", "positions"),
    [
        (0, [1, 2, 6, 7, 3, 5, 11, 0, 10, 9, 4, 8]),
        (1, [1, 7, 4, 0, 9, 5, 6, 2, 10, 11, 8, 3]),
        (-1, [4, 7, 5, 10, 1, 0, 3, 2, 8, 11, 6, 9]),
    ],
)
def test_the_order_is_pinned(seed, positions):
    """Another order would be another store for the same seed."""
    assert random_positions(KEYS, seed).tolist() == positions


def chi_square(counts: np.ndarray) -> float:
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


def test_every_sample_is_everywhere_equally_often():
    counts = np.zeros((8, 8))
    for seed in range(4000):
        counts[np.arange(8), random_positions(KEYS[:8], seed)] += 1
    assert chi_square(counts) < 49 + 5 * np.sqrt(2 * 49)  # 7 * 7 degrees of freedom


def test_every_order_comes_equally_often():
    number = {order: index for index, order in enumerate(itertools.permutations(range(4)))}
    found = [number[tuple(random_positions(KEYS[:4], seed).tolist())] for seed in range(-2400, 2400)]
    assert chi_square(np.bincount(found, minlength=24)) < 23 + 5 * np.sqrt(2 * 23)


def test_neighbours_do_not_stay_together():
    keys = [f"{number}" for number in range(10_000)]
    steps = np.abs(np.diff(random_positions(keys, 0)))
    assert abs(steps.mean() - 10_000 / 3) < 100  # as of two independent places
    assert (steps == 1).sum() < 15


def test_an_empty_source():
    assert random_positions([], 0).tolist() == []


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_a_seed_has_64_bits(seed):
    with pytest.raises(OverflowError):
        random_positions(KEYS, seed)

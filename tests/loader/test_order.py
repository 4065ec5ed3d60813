"""The order of an epoch: a pure function of sizes, seed and epoch, and a permutation."""

import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seekless.errors import OptionError
from seekless.loader.order import EpochOrder, Sizes, epoch_order

SEEDS = st.integers(-(2**63), 2**64 - 1)
EPOCHS = st.integers(0, 10_000)
SHUFFLES = st.sampled_from(["window", False])


@st.composite
def sizes(draw, least=0):
    start = draw(st.integers(0, 300))
    return Sizes(
        start,
        start + draw(st.integers(least, 400)),
        block_length=draw(st.integers(1, 60)),
        window=draw(st.integers(1, 500)),
        unit=draw(st.integers(1, 100)),
    )


def largest_unit(size: Sizes) -> int:
    """The most samples a unit can have: whole blocks, as many as are worth a seek but an eighth of a window at most."""
    blocks = min(size.unit, size.window // 8) // size.block_length
    return max(1, blocks) * size.block_length


def units(order: EpochOrder) -> list[tuple[int, int]]:
    return sorted(zip(order.unit_start.tolist(), order.unit_stop.tolist(), strict=True))


def same(one: EpochOrder, other: EpochOrder) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(EpochOrder))


@given(sizes(), SHUFFLES, SEEDS, EPOCHS)
@example(Sizes(5, 5, 3, 10, 3), "window", 0, 0)  # no samples
@example(Sizes(7, 8, 3, 10, 3), "window", 0, 0)  # one
@example(Sizes(4, 44, 50, 10, 3), "window", 0, 0)  # inside one block
@example(Sizes(0, 300, 1, 1, 1), "window", 0, 0)  # a window a sample
def test_an_epoch_holds_each_sample_of_the_part_once(size, shuffle, seed, epoch):
    samples = list(epoch_order(size, shuffle, seed, epoch).samples())
    assert sorted(samples) == list(range(size.start, size.stop))


@given(sizes(), SEEDS, EPOCHS)
def test_without_shuffle_the_order_is_the_stores_in_every_epoch(size, seed, epoch):
    order = epoch_order(size, False, seed, epoch)
    assert list(order.samples()) == list(range(size.start, size.stop))
    other = epoch_order(size, False, seed + 1, epoch + 1)
    assert units(order) == units(other)
    assert order.edges.tolist() == other.edges.tolist()


@given(sizes(least=30), SEEDS, EPOCHS)
def test_another_epoch_and_another_seed_have_another_order(size, seed, epoch):
    samples = list(epoch_order(size, "window", seed, epoch).samples())
    assert samples != list(epoch_order(size, "window", seed, epoch + 1).samples())
    assert samples != list(epoch_order(size, "window", seed + 1, epoch).samples())


@given(sizes(), SHUFFLES, SEEDS, EPOCHS)
def test_the_same_arguments_give_the_same_order(size, shuffle, seed, epoch):
    one, other = (epoch_order(size, shuffle, seed, epoch) for _ in range(2))
    assert same(one, other)
    assert list(one.samples()) == list(other.samples())


def test_another_process_gives_the_same_order():
    code = (
        "import hashlib\n"
        "from seekless.loader.order import Sizes, epoch_order\n"
        "orders = [list(epoch_order(Sizes(5, 2000, 7, 400, 30), 'window', 9, e).samples()) for e in range(3)]\n"
        "print(hashlib.sha256(repr(orders).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    orders = [list(epoch_order(Sizes(5, 2000, 7, 400, 30), "window", 9, e).samples()) for e in range(3)]
    assert done.stdout.strip() == hashlib.sha256(repr(orders).encode()).hexdigest()


def test_a_known_order_stays_as_it_is():
    """Runs that were recorded by seed must be repeatable: this may change only with a word in CHANGELOG."""
    order = epoch_order(Sizes(1, 41, block_length=2, window=32, unit=4), "window", seed=5, epoch=1)
    assert units(order) == [(1, 4), *((start, start + 4) for start in range(4, 40, 4)), (40, 41)]
    assert order.edges.tolist() == [0, 21, 40]
    first = [20, 19, 38, 37, 21, 39, 28, 22, 18, 17, 7, 29, 5, 23, 16, 31, 36, 4, 30, 6, 40]
    second = [35, 15, 3, 12, 8, 1, 32, 9, 14, 26, 2, 34, 25, 10, 33, 11, 27, 13, 24]
    assert list(order.samples()) == first + second


@given(sizes(least=1), SHUFFLES, SEEDS, EPOCHS)
def test_windows_are_of_equal_size_but_for_a_unit(size, shuffle, seed, epoch):
    order, unit = epoch_order(size, shuffle, seed, epoch), largest_unit(size)
    lengths, mean = np.diff(order.edges), size.length / -(-size.length // size.window)
    assert lengths.max() <= size.window + unit
    assert (abs(lengths - mean) < unit + 1e-6).all()
    assert lengths.min() > 0


@given(sizes(least=1), SHUFFLES, SEEDS, EPOCHS)
def test_units_are_whole_blocks_but_at_the_ends_of_the_part(size, shuffle, seed, epoch):
    pairs = units(epoch_order(size, shuffle, seed, epoch))
    assert [pairs[0][0], pairs[-1][1]] == [size.start, size.stop]
    for (_, stop), (start, _) in itertools.pairwise(pairs):
        assert stop == start
        assert start % size.block_length == 0
    assert max(stop - start for start, stop in pairs) <= largest_unit(size)


@given(sizes(), SHUFFLES, SEEDS, EPOCHS)
def test_ranges_ascend_apart_and_are_as_long_as_their_window(size, shuffle, seed, epoch):
    order = epoch_order(size, shuffle, seed, epoch)
    assert order.edges[0] == 0
    assert order.edges[-1] == size.length
    for window in range(order.windows):
        ranges = order.ranges(window)
        assert all(start < stop for start, stop in ranges)
        assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))  # neighbours are merged
        assert sum(stop - start for start, stop in ranges) == order.edges[window + 1] - order.edges[window]


@given(sizes(), SHUFFLES, SEEDS, EPOCHS)
def test_the_units_of_a_window_are_read_by_its_ranges(size, shuffle, seed, epoch):
    order = epoch_order(size, shuffle, seed, epoch)
    for window in range(order.windows):
        chosen = slice(order.unit_edges[window], order.unit_edges[window + 1])
        pairs = zip(order.unit_start[chosen].tolist(), order.unit_stop[chosen].tolist(), strict=True)
        wanted = {sample for start, stop in pairs for sample in range(start, stop)}
        assert wanted == {sample for start, stop in order.ranges(window) for sample in range(start, stop)}


@given(sizes(least=1), SEEDS, EPOCHS, st.data())
def test_a_position_is_found_in_its_window(size, seed, epoch, data):
    order = epoch_order(size, "window", seed, epoch)
    position = data.draw(st.integers(0, size.length - 1))
    window = order.window_at(position)
    assert order.edges[window] <= position < order.edges[window + 1]


def chi_square(counts, expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def test_every_permutation_of_a_window_is_equally_likely():
    drawn = Counter(
        tuple(epoch_order(Sizes(0, 4, 4, 4, 4), "window", seed=3, epoch=epoch).samples()) for epoch in range(4800)
    )
    assert len(drawn) == 24
    assert chi_square(drawn.values(), 200) < 58  # 23 degrees of freedom: 1 in 20,000 is above


def test_every_sample_comes_early_as_often_as_late():
    epochs = 2000
    at = np.zeros((24, 24))  # sample, position
    for epoch in range(epochs):
        order = epoch_order(Sizes(0, 24, block_length=1, window=8, unit=1), "window", seed=4, epoch=epoch)
        at[list(order.samples()), np.arange(24)] += 1
    for counts in at:
        assert chi_square(counts, epochs / 24) < 60  # 23 degrees of freedom, 24 trials


def test_windows_are_permuted_independently():
    order = epoch_order(Sizes(0, 4000, 10, 1000, 10), "window", 1, 0)
    first, second = (order.permutation(window)[:500].tolist() for window in (0, 1))
    assert order.windows == 4
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 10


def test_units_have_another_phase_each_epoch_and_all_phases_come_as_often():
    size = Sizes(0, 4000, block_length=10, window=1000, unit=80)  # units of 8 blocks
    cuts = [frozenset(epoch_order(size, "window", 0, epoch).unit_start.tolist()) for epoch in range(80)]
    assert all(one != other for one, other in itertools.pairwise(cuts))
    assert len(set(cuts)) == 8
    assert all(9 <= count <= 11 for count in Counter(cuts).values())


def test_seeds_of_64_bits_are_told_apart():
    size = Sizes(0, 50, 5, 50, 5)
    orders = {tuple(epoch_order(size, "window", seed, 0).samples()) for seed in (0, 1, 2**32, 2**63, -1, -(2**63) + 1)}
    assert len(orders) == 6


def test_a_billion_samples_are_planned_by_their_units():
    size = Sizes(0, 10**9, block_length=10_000, window=342_392, unit=8024)  # 28 x 28 uint8 at the usual sizes
    order = epoch_order(size, "window", 0, 7)
    arrays = [getattr(order, field.name) for field in fields(EpochOrder)]
    assert sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)) < 4 << 20
    assert len(order.unit_start) == 10**9 // 10_000
    assert order.windows == 2921
    assert len(order.permutation(2920)) == order.edges[-1] - order.edges[-2]


@pytest.mark.parametrize("shuffle", ["full", True, None, 0.5], ids=str)
def test_an_unknown_shuffle_is_an_option_error(shuffle):
    with pytest.raises(OptionError, match=f"shuffle: found {shuffle!r}, expected 'window' or False"):
        epoch_order(Sizes(0, 10, 3, 5, 3), shuffle, 0, 0)

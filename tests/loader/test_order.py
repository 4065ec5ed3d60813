"""The order of an epoch: a pure function of sizes, seed and epoch, and a permutation."""

import hashlib
import itertools
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seekless.errors import OptionError
from seekless.loader.line import Line
from seekless.loader.order import EpochOrder, Sizes, Steps, epoch_order, samples

SEEDS = st.integers(-(2**63), 2**64 - 1)
EPOCHS = st.integers(0, 10_000)
SHUFFLES = st.sampled_from(["window", False])
ALL_SHUFFLES = st.sampled_from(["window", "batch", "full", False])


def even(start: int, stop: int, block_length: int, window: int, unit: int) -> Sizes:
    """Sizes of a part of a store whose blocks are all of one length."""
    blocks = np.arange(0, stop + block_length, block_length)
    return Sizes.of_part([(start, stop)], blocks, window, unit)


@st.composite
def sizes(draw, least=0):
    start = draw(st.integers(0, 300))
    return even(
        start,
        start + draw(st.integers(least, 400)),
        block_length=draw(st.integers(1, 60)),
        window=draw(st.integers(1, 500)),
        unit=draw(st.integers(1, 100)),
    )


@st.composite
def irregular(draw, least=0):
    """Sizes of a part of a store whose blocks have different lengths, as one that has grown would have."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=25))
    blocks = np.concatenate([[0], np.cumsum(lengths)])
    start = draw(st.integers(0, max(0, int(blocks[-1]) - least)))
    stop = draw(st.integers(min(start + least, int(blocks[-1])), int(blocks[-1])))
    return Sizes.of_part([(start, stop)], blocks, draw(st.integers(1, 500)), draw(st.integers(1, 100)))


@st.composite
def grown(draw, least=0):
    """Sizes of a part of several ranges, as the train part of a store that has grown."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=3, max_size=25))
    blocks = np.concatenate([[0], np.cumsum(lengths)])
    edges = sorted(draw(st.sets(st.integers(0, int(blocks[-1])), min_size=4, max_size=12)))
    ranges = list(zip(edges[::2], edges[1::2], strict=False))
    if sum(stop - start for start, stop in ranges) < least:
        ranges = [(0, least), (least + 1, least + 2)]
        blocks = np.concatenate([blocks[blocks < least], [least + 3]])
    return Sizes.of_part(ranges, blocks, draw(st.integers(1, 500)), draw(st.integers(1, 100)))


def members(size: Sizes) -> list[int]:
    """All samples of a part, in the order of the store."""
    return [number for start, stop in size.line.ranges for number in range(start, stop)]


def largest_unit(size: Sizes) -> int:
    """The most samples a unit can have: whole blocks, as many as are worth a seek but an eighth of a window at most."""
    blocks = min(size.unit, size.window // 8) // size.block_length
    return max(1, blocks) * size.block_length


def units(order: EpochOrder) -> list[tuple[int, int]]:
    return sorted(zip(order.unit_start.tolist(), order.unit_stop.tolist(), strict=True))


def same(one: EpochOrder, other: EpochOrder) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(EpochOrder))


@given(st.one_of(sizes(), grown()), SHUFFLES, SEEDS, EPOCHS)
@example(even(5, 5, 3, 10, 3), "window", 0, 0)  # no samples
@example(even(7, 8, 3, 10, 3), "window", 0, 0)  # one
@example(even(4, 44, 50, 10, 3), "window", 0, 0)  # inside one block
@example(even(0, 300, 1, 1, 1), "window", 0, 0)  # a window a sample
def test_an_epoch_holds_each_sample_of_the_part_once(size, shuffle, seed, epoch):
    samples = list(epoch_order(size, shuffle, seed, epoch).samples())
    assert sorted(samples) == members(size)


@given(st.one_of(sizes(), grown()), SEEDS, EPOCHS)
def test_without_shuffle_the_order_is_the_stores_in_every_epoch(size, seed, epoch):
    order = epoch_order(size, False, seed, epoch)
    assert list(order.samples()) == members(size)
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


@pytest.mark.parametrize("shuffle", ["window", "batch", "full"])
def test_another_process_gives_the_same_order(shuffle):
    code = (
        "import hashlib\n"
        "import numpy as np\n"
        "from seekless.loader.order import Sizes, epoch_order, samples\n"
        "sizes = Sizes.of_part([(5, 2000)], np.arange(0, 2007, 7), 400, 30)\n"
        f"orders = [list(samples(epoch_order(sizes, {shuffle!r}, 9, e))) for e in range(3)]\n"
        "print(hashlib.sha256(repr(orders).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    orders = [list(samples(epoch_order(even(5, 2000, 7, 400, 30), shuffle, 9, e))) for e in range(3)]
    assert done.stdout.strip() == hashlib.sha256(repr(orders).encode()).hexdigest()


def test_a_known_order_stays_as_it_is():
    """Runs that were recorded by seed must be repeatable: this may change only with a word in CHANGELOG."""
    order = epoch_order(even(1, 41, block_length=2, window=32, unit=4), "window", seed=5, epoch=1)
    assert units(order) == [(1, 4), *((start, start + 4) for start in range(4, 40, 4)), (40, 41)]
    assert order.edges.tolist() == [0, 20, 40]
    first = [21, 20, 39, 38, 22, 40, 25, 23, 11, 10, 8, 26, 2, 24, 9, 36, 37, 1, 27, 3]
    second = [34, 18, 6, 15, 7, 4, 35, 31, 12, 17, 29, 5, 33, 28, 13, 32, 14, 30, 16, 19]
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


@given(st.one_of(sizes(), grown()), SHUFFLES, SEEDS, EPOCHS)
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
        tuple(epoch_order(even(0, 4, 4, 4, 4), "window", seed=3, epoch=epoch).samples()) for epoch in range(4800)
    )
    assert len(drawn) == 24
    assert chi_square(drawn.values(), 200) < 58  # 23 degrees of freedom: 1 in 20,000 is above


def test_every_sample_comes_early_as_often_as_late():
    epochs = 2000
    at = np.zeros((24, 24))  # sample, position
    for epoch in range(epochs):
        order = epoch_order(even(0, 24, block_length=1, window=8, unit=1), "window", seed=4, epoch=epoch)
        at[list(order.samples()), np.arange(24)] += 1
    for counts in at:
        assert chi_square(counts, epochs / 24) < 60  # 23 degrees of freedom, 24 trials


@pytest.mark.parametrize("epoch", range(4))
def test_each_window_has_units_from_all_over_the_store(epoch):
    order = epoch_order(even(0, 6400, block_length=10, window=800, unit=10), "window", 3, epoch)
    assert np.diff(order.unit_edges).tolist() == [80] * 8
    for window in range(8):
        chosen = order.unit_start[order.unit_edges[window] : order.unit_edges[window + 1]]
        assert sorted((chosen // 80).tolist()) == list(range(80))  # one of each eight neighbours
    first = order.unit_start[:80]
    assert abs(np.corrcoef(first, np.arange(80))[0, 1]) < 0.4  # in random order


def test_windows_are_permuted_independently():
    order = epoch_order(even(0, 4000, 10, 1000, 10), "window", 1, 0)
    first, second = (order.permutation(window)[:500].tolist() for window in (0, 1))
    assert order.windows == 4
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 10


def test_units_have_another_phase_each_epoch_and_all_phases_come_as_often():
    size = even(0, 4000, block_length=10, window=1000, unit=80)  # units of 8 blocks
    cuts = [frozenset(epoch_order(size, "window", 0, epoch).unit_start.tolist()) for epoch in range(80)]
    assert all(one != other for one, other in itertools.pairwise(cuts))
    assert len(set(cuts)) == 8
    assert all(9 <= count <= 11 for count in Counter(cuts).values())


def test_seeds_of_64_bits_are_told_apart():
    size = even(0, 50, 5, 50, 5)
    orders = {tuple(epoch_order(size, "window", seed, 0).samples()) for seed in (0, 1, 2**32, 2**63, -1, -(2**63) + 1)}
    assert len(orders) == 6


def test_a_billion_samples_are_planned_by_their_units():
    size = even(0, 10**9, block_length=10_000, window=342_392, unit=8024)  # 28 x 28 uint8 at the usual sizes
    order = epoch_order(size, "window", 0, 7)
    arrays = [getattr(order, field.name) for field in fields(EpochOrder)]
    assert sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)) < 4 << 20
    assert len(order.unit_start) == 10**9 // 10_000
    assert order.windows == 2921
    assert len(order.permutation(2920)) == order.edges[-1] - order.edges[-2]


@pytest.mark.parametrize("shuffle", ["ful", True, None, 0.5], ids=str)
def test_an_unknown_shuffle_is_an_option_error(shuffle):
    with pytest.raises(OptionError, match=f"shuffle: found {shuffle!r}, expected 'window', 'batch', 'full' or False"):
        epoch_order(even(0, 10, 3, 5, 3), shuffle, 0, 0)


# all orders, ranks


@st.composite
def dealt(draw):
    """Sizes, and the steps of every rank over them."""
    size = draw(st.one_of(sizes(least=1), irregular(least=1), grown(least=1)))
    count = draw(st.integers(1, min(5, size.length)))
    drop = draw(st.sampled_from([True, False, "uneven"]))
    batch = draw(st.integers(1 if drop or count == 1 or size.length % count == 0 else 2, 60))
    return size, [Steps(size.length, batch, rank, count, drop) for rank in range(count)]


def by_rank(size, shuffle, seed, epoch, ranks) -> list[list[int]]:
    return [list(samples(epoch_order(size, shuffle, seed, epoch, steps))) for steps in ranks]


@settings(deadline=None)
@given(dealt(), ALL_SHUFFLES, SEEDS, EPOCHS)
def test_each_sample_comes_once_an_epoch_over_all_ranks(case, shuffle, seed, epoch):
    size, ranks = case
    found = by_rank(size, shuffle, seed, epoch, ranks)
    assert [len(of_rank) for of_rank in found] == [steps.samples for steps in ranks]
    together = [number for of_rank in found for number in of_rank]
    assert len(set(together)) == len(together)
    assert set(together) <= set(members(size))
    assert ranks[0].drop_remainder or len(together) == size.length


@settings(deadline=None)
@given(dealt(), ALL_SHUFFLES, SEEDS, EPOCHS)
def test_windows_hold_the_epoch_piece_by_piece(case, shuffle, seed, epoch):
    size, ranks = case
    order = epoch_order(size, shuffle, seed, epoch, ranks[-1])
    assert [order.begin(0), order.begin(order.windows)] == [0, order.length]
    for window in range(order.windows):
        ranges, rows = order.plan(window)
        held = sum(stop - start for start, stop in ranges)
        assert sorted(rows.tolist()) == list(range(held))
        assert held == order.begin(window + 1) - order.begin(window) > 0
        assert all(one[1] < other[0] for one, other in itertools.pairwise(ranges))
        assert {order.window_at(order.begin(window)), order.window_at(order.begin(window + 1) - 1)} == {window}


@settings(deadline=None)
@given(dealt(), st.sampled_from(["window", False]), SEEDS, EPOCHS)
def test_ranks_share_no_block_but_those_at_their_edges(case, shuffle, seed, epoch):
    size, ranks = case
    of_rank = [
        set((np.searchsorted(size.edges, size.line.places(np.array(numbers)), "right") - 1).tolist())
        for numbers in by_rank(size, shuffle, seed, epoch, ranks)
        if numbers
    ]
    shared = sum(len(blocks) for blocks in of_rank) - len(set().union(*of_rank)) if of_rank else 0
    assert shared <= len(ranks) - 1


@settings(deadline=None)
@given(sizes(least=60), st.sampled_from(["batch", "full"]), SEEDS, EPOCHS)
def test_another_epoch_has_another_order_of_any_kind(size, shuffle, seed, epoch):
    steps = Steps(size.length, 4)
    found = [list(samples(epoch_order(size, shuffle, seed, epoch + later, steps))) for later in (0, 1)]
    assert found[0] != found[1]


@settings(deadline=None)
@given(sizes(least=1), SEEDS, EPOCHS, st.integers(1, 50), st.booleans())
def test_batches_of_batch_order_are_slices_of_the_store(size, seed, epoch, batch, drop):
    steps = Steps(size.length, batch, drop_remainder=drop)
    found = list(samples(epoch_order(size, "batch", seed, epoch, steps)))
    for step in range(steps.steps):
        numbers = found[steps.begin(step) : steps.begin(step + 1)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_what_is_left_over_is_another_lot_each_epoch():
    size = even(0, 103, 10, 40, 10)
    short = {tuple(list(samples(epoch_order(size, "batch", 0, e, Steps(103, 10))))[-3:]) for e in range(60)}
    assert len(short) == 11  # between any two full batches, and at both ends
    for shuffle in ("window", "batch", "full"):
        dropped = {
            frozenset(range(103)) - set(samples(epoch_order(size, shuffle, 0, e, Steps(103, 10, drop_remainder=True))))
            for e in range(20)
        }
        assert len(dropped) > 5
        assert {len(lot) for lot in dropped} == {3}


@pytest.mark.parametrize("shuffle", ["batch", "full"])
def test_every_place_of_the_store_comes_early_as_often_as_late(shuffle):
    epochs, size = 1500, even(0, 24, 4, 8, 4)
    at = np.zeros((24, 24))  # sample, position
    for epoch in range(epochs):
        at[list(samples(epoch_order(size, shuffle, 4, epoch, Steps(24, 3)))), np.arange(24)] += 1
    if shuffle == "batch":
        at = at.reshape(8, 3, 8, 3)[:, 0, :, 0]
    for counts in at:
        assert chi_square(counts, epochs / len(counts)) < 60


def test_full_order_mixes_the_whole_store_in_every_window():
    size = even(0, 100_000, 1000, 5000, 1000)
    order = epoch_order(size, "full", 0, 0)
    first = order.numbers(0)
    counts = np.bincount(first // 10_000, minlength=10)
    assert chi_square(counts, 500) < 35  # 9 degrees of freedom: 1 in 20,000 is above


@given(irregular(), SHUFFLES, SEEDS, EPOCHS)
def test_units_of_irregular_blocks_end_at_block_edges_and_are_no_longer_than_a_block_more(size, shuffle, seed, epoch):
    pairs = units(epoch_order(size, shuffle, seed, epoch))
    assert {edge for pair in pairs for edge in pair} <= set(size.edges.tolist())
    if pairs:
        longest = max(1, min(size.unit, size.window // 8) // size.block_length) * size.block_length
        assert max(stop - start for start, stop in pairs) < longest + size.block_length


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False], ids=str)
@pytest.mark.parametrize("ranks", [1, 8])
def test_a_billion_samples_are_planned_within_200_mib(shuffle, ranks):
    size = even(0, 10**9, block_length=10_000, window=342_392, unit=8024)  # 28 x 28 uint8 at the usual sizes
    tracemalloc.start()
    try:
        steps = Steps(10**9, 32, ranks - 1, ranks)
        order = epoch_order(size, shuffle, 0, 7, steps)
        window = order.windows // 2
        ranges, rows = order.plan(window)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20
    assert order.length == steps.samples
    assert sorted(rows.tolist()) == list(range(order.begin(window + 1) - order.begin(window)))
    assert 0 <= ranges[0][0] < ranges[-1][1] <= 10**9
    assert order.window_at(order.length - 1) == order.windows - 1


def test_the_first_windows_are_small_and_grow_where_that_is_wanted():
    blocks = np.arange(0, 1001)
    order = epoch_order(Sizes.of_part([(0, 1000)], blocks, 160, 1, first=20), "window", 3, 0)
    assert np.diff(order.edges).tolist()[:6] == [20, 25, 32, 39, 49, 61]
    assert max(np.diff(order.edges)) <= 161
    assert sorted(order.samples()) == list(range(1000))
    one = epoch_order(Sizes.of_part([(0, 160)], blocks[:161], 160, 1, first=20), "window", 3, 0)
    assert one.windows == 1  # what fits a window is mixed as a whole


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 400),
    block=st.integers(1, 20),
    window=st.integers(1, 200),
    first=st.integers(0, 250),
    ranks=st.integers(1, 3),
)
def test_small_first_windows_lose_no_sample(length, block, window, first, ranks):
    length = max(length, 2 * ranks)
    sizes = Sizes.of_part([(0, length)], np.array([*range(0, length, block), length]), window, block, first)
    found = []
    for rank in range(ranks):
        found += samples(epoch_order(sizes, "window", 1, 2, Steps(length, 2, rank, ranks)))
    assert sorted(found) == list(range(length))


# parts of several ranges


@settings(deadline=None)
@given(grown(least=1), ALL_SHUFFLES, SEEDS, EPOCHS, st.integers(1, 3))
def test_several_ranges_are_ordered_as_one_of_the_same_blocks(size, shuffle, seed, epoch, ranks):
    """Put end to end they are one range: what is in between plays no part, but for the numbers that come out."""
    steps = Steps(size.length, 7, 0, min(ranks, size.length), drop_remainder=True)
    alone = Sizes(Line(((size.start, size.stop),)), size.edges, size.block_length, size.window, size.unit)
    one, other = (list(samples(epoch_order(each, shuffle, seed, epoch, steps))) for each in (size, alone))
    assert one == [members(size)[place - size.start] for place in other]


@given(grown())
def test_the_edges_of_several_ranges_are_those_of_blocks_and_of_ranges(size):
    ends = np.cumsum([stop - start for start, stop in size.line.ranges]) + size.start
    assert {size.start, *ends.tolist()} <= set(size.edges.tolist())
    assert (np.diff(size.edges) > 0).all()
    assert np.diff(size.edges).max() <= size.block_length


def test_a_window_has_samples_of_every_part_of_a_store_that_has_grown():
    """As many of each as its share, whether it has grown by much or little."""
    lengths = [50_000, 10_000, 10_000, 30_000]
    ends = np.cumsum(lengths)
    blocks = np.concatenate([np.arange(0, 70_000, 100), np.arange(70_000, 100_001, 37), [100_000]])
    ranges = [(int(end - n), int(end - n // 10)) for end, n in zip(ends, lengths, strict=True)]
    size = Sizes.of_part(ranges, np.unique(blocks), 9_000, 300)
    order = epoch_order(size, "window", 3, 2)
    assert order.windows == 10
    for window in range(order.windows):
        of_window = [np.arange(*pair) for pair in order.ranges(window)]
        counts = np.bincount(np.searchsorted(ends, np.concatenate(of_window), "right"), minlength=4)
        assert abs(counts / counts.sum() - [0.5, 0.1, 0.1, 0.3]).max() < 0.08


def test_planning_over_many_ranges_costs_by_blocks():
    """A billion samples, converted in ten thousand steps."""
    blocks = np.arange(0, 10**9 + 1, 10_000)
    ranges = [(start, start + 90_000) for start in range(0, 10**9, 100_000)]
    tracemalloc.start()
    try:
        order = epoch_order(Sizes.of_part(ranges, blocks, 342_392, 8024), "window", 0, 7)
        held, rows = order.plan(order.windows // 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert order.length == 900_000_000
    assert sum(stop - start for start, stop in held) == len(rows)
    assert all(start // 100_000 == (stop - 1) // 100_000 for start, stop in held)

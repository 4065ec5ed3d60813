"""How samples are dealt out: equal numbers of batches for every rank, none of them empty."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekless.errors import OptionError
from seekless.loader.steps import Steps


def sizes(steps: Steps) -> list[int]:
    """The samples of each batch of one rank."""
    return [steps.begin(step + 1) - steps.begin(step) for step in range(steps.steps)]


def all_ranks(length: int, batch: int, count: int, drop: bool) -> list[Steps]:
    return [Steps(length, batch, rank, count, drop) for rank in range(count)]


@given(st.integers(0, 500), st.integers(1, 60))
def test_one_rank_has_full_batches_and_a_shorter_last(length, batch):
    steps = Steps(length, batch)
    found = sizes(steps)
    assert steps.steps == len(found) == -(-length // batch)
    assert all(size == batch for size in found[:-1])
    assert sum(found) == steps.samples == length
    assert not found or 0 < found[-1] <= batch


@given(st.integers(0, 500), st.integers(1, 60), st.integers(1, 9))
def test_dropped_remainders_leave_only_full_batches(length, batch, count):
    if count > 1 and length < count:
        length = count
    for steps in all_ranks(length, batch, count, drop=True):
        assert sizes(steps) == [batch] * (length // (batch * count))


@given(st.integers(2, 9), st.integers(2, 60), st.data())
def test_ranks_have_equal_numbers_of_batches_whose_sizes_differ_by_one_in_the_last_two_steps(count, batch, data):
    length = data.draw(st.integers(count, 1000))
    ranks = all_ranks(length, batch, count, drop=False)
    found = [sizes(steps) for steps in ranks]
    assert {len(of_rank) for of_rank in found} == {-(-length // (batch * count))}
    assert sum(map(sum, found)) == length
    assert {size for of_rank in found for size in of_rank[:-2]} <= {batch}
    tail = [size for of_rank in found for size in of_rank[-2:]]
    assert max(tail) - min(tail) <= 1
    assert min(tail) >= 1
    assert max(tail) <= batch
    assert [steps.before for steps in ranks] == [sum(map(sum, found[:rank])) for rank in range(count)]


@given(st.integers(0, 500), st.integers(1, 60), st.booleans())
def test_full_counts_the_full_steps_at_the_beginning(length, batch, drop):
    steps = Steps(length, batch, drop_remainder=drop)
    assert sizes(steps)[: steps.full] == [batch] * steps.full
    assert steps.steps - steps.full <= 1


@given(st.integers(2, 9), st.integers(2, 60), st.data())
def test_what_is_uneven_can_be_left_out_so_that_all_ranks_have_one_size_in_each_step(count, batch, data):
    length = data.draw(st.integers(count, 1000))
    ranks = all_ranks(length, batch, count, drop="uneven")
    first, *others = [sizes(steps) for steps in ranks]
    assert all(found == first for found in others)
    assert count * sum(first) == length - length % count == ranks[0].used
    assert min(first) >= 1
    assert [steps.before for steps in ranks] == [rank * sum(first) for rank in range(count)]


def test_a_known_spread():
    assert [sizes(steps) for steps in all_ranks(53, 10, 2, drop=False)] == [[10, 9, 8], [10, 8, 8]]
    assert [sizes(steps) for steps in all_ranks(3, 10, 3, drop=False)] == [[1], [1], [1]]
    assert [sizes(steps) for steps in all_ranks(12, 1, 3, drop=False)] == [[1] * 4] * 3


WRONG = {
    "no batch": ((10, 0), "batch_size: found 0, expected 1 or more"),
    "rank too high": ((10, 2, 2, 2), "shard: found (2, 2), expected (rank, ranks) with a rank from 0 to ranks - 1"),
    "negative rank": ((10, 2, -1, 2), "shard: found (-1, 2), expected (rank, ranks)"),
    "no ranks": ((10, 2, 0, 0), "shard: found (0, 0), expected (rank, ranks)"),
    "too few": ((3, 2, 0, 4), "shard: found 3 samples for 4 ranks, expected one each at least"),
    "empty batch": (
        (13, 1, 0, 3),
        "batch_size: found 1 with 13 samples for 3 ranks, which leaves a batch empty; expected 2 or more, or "
        "drop_remainder=True",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_dealt_out_is_an_option_error(arguments, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        Steps(*arguments)

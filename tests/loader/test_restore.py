"""A Sequence that is restored goes on with exactly what was not used."""

import json
from dataclasses import replace

import pytest
from kit.seen import Seen, equal

from seekless.errors import OptionError
from seekless.loader.state import State


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 20, 39, 40, 41])
def test_a_restored_one_goes_on_with_exactly_what_was_not_used(sequence, epochs, steps):
    first = sequence(seed=1)
    iterator = iter(first)
    used = [next(iterator) for _ in range(steps)]
    state = State.from_json(json.loads(json.dumps(first.state().to_json())))
    assert (state.seed, state.epoch, state.steps) == ((1, 0, steps) if steps < 41 else (1, 1, 0))
    second, model = sequence(seed=9), Seen()  # the seed is the state's
    second.restore(state)
    assert len(second) == (41 - steps if steps < 41 else 41)
    epoch = 1 if steps == 41 else 0
    rest = model.learn(second)
    assert equal([*used[: steps % 41], *rest], epochs(epoch, seed=1))
    assert len(second) == 41
    assert equal(model.learn(second, epochs=2), epochs(epoch + 1, epoch + 2, seed=1))


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False], ids=str)
def test_a_restored_loop_is_the_rest_of_the_epoch(sequence, epochs, shuffle):
    options = {"seed": 1, "shuffle": shuffle}
    train = sequence(**options)
    train.restore(State(1, 5, 30))
    assert equal(list(train), epochs(5, **options)[30:])
    assert equal(list(train), epochs(6, **options))
    assert train.state() == State(1, 7, 0, train.state().order)


def test_between_two_epochs_the_number_of_ranks_may_change(sequence, numbered):
    ranks = [sequence(seed=1, shard=(rank, 2)) for rank in range(2)]
    for train in ranks:
        list(train)
    state = ranks[0].state()
    assert (state.epoch, state.steps) == (1, 0)
    found = []
    for rank in range(3):
        train = sequence(shard=(rank, 3))
        train.restore(state)
        found += [number for batch in train for number in numbered.numbers(batch)]
    assert sorted(found) == list(range(403))


WRONG_STATES = {
    "other ranks": (
        {"shard": (0, 2)},
        3,
        "found step 3 of an epoch of batches by shuffle window, batch 10, .*1 ranks, .* 2 ranks,",
    ),
    "another batch size": ({"batch_size": 5}, 3, "batch 10.*expected by shuffle window, batch 5,"),
    "another order": ({"shuffle": "full"}, 3, "shuffle window.*expected by shuffle full"),
    "beyond the epoch": ({}, 42, "found epoch 0, step 42, expected an epoch from 0 and a step from 0 to 41"),
}


@pytest.mark.parametrize(("options", "steps", "message"), WRONG_STATES.values(), ids=WRONG_STATES)
def test_a_state_that_does_not_fit_is_told(sequence, options, steps, message):
    state = replace(sequence().state(), steps=steps)
    with pytest.raises(OptionError, match=message):
        sequence(**options).restore(state)


def test_a_closed_one_reads_no_more_and_goes_on_when_asked(sequence, epochs, reading):
    train = sequence(seed=1)
    first = [train[0] for _ in range(7)]
    train.close()
    assert not reading()
    assert equal([*first, *(train[0] for _ in range(34))], epochs(0, seed=1))

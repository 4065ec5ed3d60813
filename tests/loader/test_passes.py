"""Requests get the batches of the epochs in turn, and a look-ahead costs none; told by Keras' signs alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekless.loader.passes import Passes


def play(passes: Passes, signs: str, cut: int = 0) -> list[tuple[int, int]]:
    """Give Keras' signs as the module draws them, and return the places that the requests got; "R" is a whole pass."""
    passes.cut(cut)
    places = []
    for sign in signs.replace(" ", ""):
        if sign == "n":
            passes.ask()
        elif sign == "(":
            passes.begin()
        elif sign == ")":
            passes.end()
        else:
            places += [passes.request() for _ in range(passes.steps if sign == "R" else 1)]
    return places


def whole(*epochs: int, steps: int) -> list[tuple[int, int]]:
    return [(epoch, step) for epoch in epochs for step in range(steps)]


STARTS = {
    "TensorFlow": "nnrr n)",
    "TensorFlow, one batch": "nnr n)",
    "JAX or PyTorch, to build": "n(nnr n)",
    "JAX or PyTorch, several at once": "n(nnrrr n)",
    "JAX or PyTorch, built": "nn)",
}
EPOCH = "(nnR n)"


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_fits_go_on_with_the_epochs(start, steps):
    passes, looked = Passes(steps), min(start.count("r"), steps)
    start = start.replace("r" * start.count("r"), "r" * looked) if looked else start
    for first in (0, 2, 4):
        assert play(passes, start) == whole(first, steps=steps)[:looked]
        assert play(passes, EPOCH * 2) == whole(first, first + 1, steps=steps)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_training_that_is_cut_is_over_and_the_next_epoch_begins(start, cut):
    passes = Passes(5)
    play(passes, start)
    assert play(passes, "(nn" + "r" * cut) == whole(0, steps=5)[:cut]  # stopped: no ")"
    looked = play(passes, start)
    assert looked == whole(1, steps=5)[: len(looked)]
    assert play(passes, EPOCH) == whole(1, steps=5)


def test_keras_epochs_are_slices_of_one_pass():
    passes = Passes(6)
    assert play(passes, STARTS["TensorFlow"] + "(nnrr)(rr)(rrn)") == [(0, 0), (0, 1), *whole(0, steps=6)]
    assert play(passes, "(nnrr)(rr)(rrn)") == whole(1, steps=6)


ENDLESS = {"TensorFlow": "nnrrn)", "JAX or PyTorch, to build": "n(nrn)", "JAX or PyTorch, built": "nn)"}


@pytest.mark.parametrize("start", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("ahead", [0, 1, 9])
@pytest.mark.parametrize(("slice_", "slices", "after"), [(5, 2, 2), (9, 2, 3), (12, 1, 2), (14, 3, 7), (5, 12, 10)])
def test_slices_that_do_not_fit_are_those_of_one_pass_whatever_was_taken_ahead(start, ahead, slice_, slices, after):
    passes = Passes(6)
    for first in (0, after):
        play(passes, start, cut=slice_)
        assert passes.endless
        places = [passes.begin(), *play_on(passes, "n" + "r" * slice_ + (")(" + "r" * slice_) * (slices - 1))][1:]
        count = slice_ * slices
        assert places == [(first + number // 6, number % 6) for number in range(count)]
        play_on(passes, "r" * ahead + ")")
        assert passes.upcoming == (first + after, 0)
    assert play(passes, STARTS["TensorFlow"] + EPOCH)[2:] == whole(2 * after, steps=6)


def play_on(passes, signs):
    """Give signs of a pass that has begun."""
    cut, passes.cut = passes.cut, lambda steps: None
    try:
        return play(passes, signs)
    finally:
        passes.cut = cut


@pytest.mark.parametrize("fits", [1, 2, 3, 6])
def test_slices_that_fit_leave_a_pass_its_end(fits):
    passes = Passes(6)
    passes.cut(fits)
    assert not passes.endless


def test_the_rest_of_an_epoch_that_is_cut_goes_on_into_the_next():
    passes = Passes(6)
    passes.restart((1, 4))
    play(passes, "nnrrn)", cut=3)
    assert passes.endless
    assert play_on(passes, "(nrrr)(rrr") == [(1, 4), (1, 5), *whole(2, steps=6)[:4]]
    assert passes.upcoming == (3, 0)


PREDICTIONS = {"TensorFlow": "nnrr(nnRn)", "JAX or PyTorch": "n(nnRn)"}


@pytest.mark.parametrize("prediction", PREDICTIONS.values(), ids=PREDICTIONS)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_prediction_uses_no_epoch(prediction, start):
    passes = Passes(5)
    for epoch in range(2):
        assert play(passes, prediction)[-5:] == whole(epoch, steps=5)
        assert play(passes, start + EPOCH)[-5:] == whole(epoch, steps=5)


@given(st.integers(1, 9), st.integers(0, 99), st.data())
def test_a_restart_gives_the_rest_of_its_epoch_and_then_whole_ones(steps, epoch, data):
    passes = Passes(steps)
    step = data.draw(st.integers(0, steps))
    passes.restart((epoch, step))
    place = (epoch, step) if step < steps else (epoch + 1, 0)
    assert passes.length == steps - place[1]
    look_ahead = "r" * min(2, passes.length)
    play(passes, f"nn{look_ahead}n)")
    assert passes.length == steps - place[1]
    rest = play(passes, "(nn" + "r" * (steps - place[1]) + ")")
    assert rest == [(place[0], number) for number in range(place[1], steps)]
    assert passes.length == steps
    assert passes.position == (place[0] + 1, 0)
    assert play(passes, EPOCH) == whole(place[0] + 1, steps=steps)


def test_the_position_does_not_count_a_look_ahead():
    passes = Passes(5)
    play(passes, "nnrr")
    assert passes.position == (0, 0)
    play(passes, "n)(nnrrr")
    assert passes.position == (0, 3)


def test_loops_by_hand_go_on_and_one_that_only_looked_begins_again():
    passes = Passes(4)
    for requests, begins in [(1, (0, 0)), (2, (0, 0)), (3, (0, 0)), (4, (1, 0)), (4, (2, 0)), (0, (3, 0)), (4, (3, 0))]:
        assert passes.loop() == begins
        play(passes, "r" * requests)
    assert passes.position == (4, 0)

"""Losses are read now and then; the step after which one is no number is found all the same."""

import math

import pytest

from seekless.train import losses
from seekless.train.losses import Diverged, Losses


class Device:
    """A metric on a device: counts how often it is waited for."""

    def __init__(self, value):
        self.value, self.read = value, 0

    def __float__(self):
        self.read += 1
        return float(self.value)


@pytest.fixture
def now(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(losses.time, "monotonic", lambda: clock[0])
    return clock


def test_the_last_is_read_when_it_is_time_and_the_others_never(now):
    found, kept = Losses(), [Device(value) for value in (3.0, 2.0, 1.0)]
    assert found.note(range(0, 1), {"loss": kept[0]})
    assert found.read() == {"loss": 3.0}
    assert not found.note(range(1, 2), {"loss": kept[1]})
    now[0] += 0.11
    assert found.note(range(2, 3), {"loss": kept[2]})
    assert found.read() == {"loss": 1.0}
    assert [device.read for device in kept] == [1, 0, 1]
    assert found.read() == {}


def test_no_more_are_kept_than_there_is_room_for(now, monkeypatch):
    monkeypatch.setattr(losses, "MOST", 3)
    found = Losses()
    found.note(range(0, 1), {"loss": 1.0})
    found.read()
    assert [found.note(range(step, step + 1), {"loss": 1.0}) for step in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_the_first_step_without_a_loss_is_found(now, loss):
    found = Losses()
    for step, value in enumerate((1.0, 2.0, loss, math.nan)):
        found.note(range(step, step + 1), {"loss": Device(value), "accuracy": 0.0})
    with pytest.raises(Diverged, match=f"loss {loss} after step 3") as error:
        found.read()
    assert (error.value.steps, str(error.value.loss)) == (range(2, 3), str(loss))


def test_a_model_without_a_loss_is_read_too(now):
    found = Losses()
    found.note(range(0, 1), {"mae": 2})
    assert found.read() == {"mae": 2.0}

"""Batches are held back as long as the next window lags behind, and never for long."""

import threading
import time

import pytest

from seekless.loader import arrival as module
from seekless.loader.arrival import AHEAD, Arrival


@pytest.fixture
def patient(monkeypatch):
    """No batch is let go because it was held back for long."""
    monkeypatch.setattr(module, "HOLD", 60)


def waits(arrival: Arrival, window: int, used: float, wanted: float = 0.0) -> threading.Thread:
    thread = threading.Thread(target=arrival.wait, args=(window, used, wanted), daemon=True)
    thread.start()
    thread.join(0.05)
    return thread


def test_a_batch_waits_for_its_share_of_the_next_window(patient):
    arrival = Arrival()
    arrival.begin(3, 100)
    arrival.add(10)
    thread = waits(arrival, 3, 0.5)
    arrival.add(20)
    thread.join(0.05)
    assert thread.is_alive()
    arrival.add(round(100 * (0.2 - AHEAD)) + 1)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("share", [0, AHEAD], ids=str)
def test_the_first_of_a_window_does_not_wait(patient, share):
    arrival = Arrival()
    arrival.begin(1, 100)
    assert not waits(arrival, 1, share).is_alive()


def test_a_large_batch_is_ahead_by_itself(patient):
    arrival = Arrival()
    arrival.begin(1, 100)
    assert not waits(arrival, 1, 0, 0.4).is_alive()
    thread = waits(arrival, 1, 0.4, 0.4)
    arrival.add(39)
    thread.join(0.05)
    assert thread.is_alive()
    arrival.add(1)
    thread.join(10)
    assert not thread.is_alive()


def test_a_window_that_was_read_is_not_waited_for(patient):
    arrival = Arrival()
    arrival.begin(4, 100)
    assert not waits(arrival, 3, 1).is_alive()


def test_what_ends_lets_all_go(patient):
    arrival = Arrival()
    thread = waits(arrival, 1, 1)
    assert thread.is_alive()
    arrival.end()
    thread.join(10)
    assert not thread.is_alive()


def test_nothing_waits_for_ever(monkeypatch):
    monkeypatch.setattr(module, "HOLD", 0.01)
    start = time.monotonic()
    Arrival().wait(1, 1, 0)
    assert time.monotonic() - start < 10

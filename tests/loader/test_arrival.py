"""Batches are held back as long as the next window lags behind, and never for long."""

import threading
import time

import pytest

from seekless.loader import arrival as module
from seekless.loader.arrival import AHEAD, Arrival, share_awaited


@pytest.fixture
def patient(monkeypatch):
    """No batch is let go because it was held back for long."""
    monkeypatch.setattr(module, "HOLD", 60)


def waits(arrival: Arrival, window: int, share: float) -> threading.Thread:
    thread = threading.Thread(target=arrival.wait, args=(window, share), daemon=True)
    thread.start()
    thread.join(0.05)
    return thread


@pytest.mark.parametrize(
    ("used", "wanted", "ended", "share"),
    [(0, 0.01, 0, 0.01 - AHEAD), (0.5, 0.1, 5, 0.6 - AHEAD), (0.9, 0.1, 9, 1 - AHEAD)],
)
def test_small_batches_may_be_ahead(used, wanted, ended, share):
    assert share_awaited(used, wanted, ended) == pytest.approx(share)


@pytest.mark.parametrize(
    ("rest", "batches", "shares"),
    [
        (0.0, 4, [0, 1 / 4, 2 / 4, 3 / 4]),
        (0.3, 3.5, [0, 1 / 4, 2 / 4, 3 / 4, 4 / 5]),
        (0.9, 1.5, [0, 1 / 2, 2 / 3]),
        (0.0, 1, [0]),
    ],
    ids=["whole", "cut at both ends", "one whole", "one"],
)
def test_large_batches_that_end_in_a_window_come_at_even_times(rest, batches, shares):
    """The last, which goes on in the next window, waits for all of that anyhow."""
    length, used, found = rest + batches, 0.0, []
    while used < length - 1e-9:
        wanted = rest if rest and not found else 1
        found.append(max(0.0, share_awaited(used / length, wanted / length, len(found))))
        used += wanted
    assert found == pytest.approx(shares)


def test_a_batch_waits_for_its_share_of_the_next_window(patient):
    arrival = Arrival()
    arrival.begin(3, 100)
    arrival.add(10)
    thread = waits(arrival, 3, 0.4)
    arrival.add(29)
    thread.join(0.05)
    assert thread.is_alive()
    arrival.add(1)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("share", [-AHEAD, 0], ids=str)
def test_the_first_of_a_window_does_not_wait(patient, share):
    arrival = Arrival()
    arrival.begin(1, 100)
    assert not waits(arrival, 1, share).is_alive()


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
    Arrival().wait(1, 1)
    assert time.monotonic() - start < 10

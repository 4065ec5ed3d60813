"""Requests are made ahead, several at a time, within bounds, and again where that may help."""

import threading

import pytest

from seekless.store import objects
from seekless.store.objects import in_flight


def test_several_requests_are_in_flight_and_answers_come_in_order():
    together = threading.Barrier(3, timeout=30)  # breaks unless three requests are made at a time

    def fetch(number):
        together.wait()
        return number * 10

    found = [(request, answer.result()) for request, answer in in_flight(fetch, range(6), lambda _: 1, 3)]
    assert found == [(number, number * 10) for number in range(6)]


def test_no_more_is_asked_for_than_the_bytes_allow(monkeypatch):
    monkeypatch.setattr(objects, "IN_FLIGHT_BYTES", 100)
    given = []

    def requests():
        for number in range(9):
            given.append(number)
            yield number

    used = []
    for request, _ in in_flight(lambda number: number, requests(), lambda _: 40, 4):
        used.append(request)
        assert len(given) - len(used) <= 2  # the third waits until the first is used
    assert used == list(range(9))


def test_who_stops_half_way_leaves_no_thread():
    answers = in_flight(lambda number: number, range(99), lambda _: 1, 2)
    assert next(answers)[0] == 0
    answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("seekless-fetch")]


class System:
    """A file system that fails so often, with such an error."""

    def __init__(self, error, times, retries=None):
        self.error, self.left = error, times
        if retries:
            self.retries = retries

    def ask(self):
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "answer"


class RefusedError(Exception):
    """What aiohttp raises, and its status."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


@pytest.mark.parametrize(
    ("error", "retries", "tries"),
    [
        (ConnectionError("lost"), None, 3),
        (TimeoutError("late"), None, 3),
        (RefusedError(503), None, 3),
        (RefusedError(429), None, 3),
        (RefusedError(416), None, 1),
        (FileNotFoundError("a"), None, 1),
        (PermissionError("a"), None, 1),
        (ConnectionError("lost"), 5, 1),
    ],
    ids=["lost", "late", "busy", "slower", "range", "missing", "forbidden", "tries by itself"],
)
def test_what_may_help_is_tried_again(monkeypatch, error, retries, tries):
    monkeypatch.setattr(objects, "WAIT", 0.0)
    system = System(error, 99, retries)
    with pytest.raises(type(error)):
        objects._tried(system, system.ask)
    assert system.left == 99 - tries
    if tries > 1:
        system = System(error, tries - 1)
        assert objects._tried(system, system.ask) == "answer"

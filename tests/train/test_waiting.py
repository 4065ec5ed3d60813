"""Where the time goes: what counts as waiting, what is said of it, and what would help."""

import time

import pytest

from seekless.train import waiting
from seekless.train.bar import DRAW_EVERY
from seekless.train.waiting import Clock, Spent, advice, bytes_from_disk


@pytest.fixture
def at(monkeypatch):
    """Set the time of day, and the bytes that the system has counted so far."""

    def put(seconds, read=0):
        monkeypatch.setattr(time, "perf_counter", lambda: seconds)
        monkeypatch.setattr(waiting, "bytes_from_disk", lambda: read)

    return put


def played(at, steps, answers):
    """Play an epoch: (begin, end) of each step, (asked, answered) of each request."""
    clock = Clock()
    at(0.0)
    clock.begin(len(steps))
    for asked, answered in answers:
        at(answered)
        clock.answer(asked)
    for number, (begin, end) in enumerate(steps):
        at(begin)
        clock.want()
        at(end, read=5000 if number == len(steps) - 1 else 0)
        clock.step(finished=True)
    at(99.0, read=10**9)  # the validation
    return clock.spent(300)


STEPS = [(0, 2), (2, 4), (4, 6)]
WAITS = {
    "all ready": ([(0, 0), (0, 1), (1, 2)], 0),
    "each late by one": ([(0, 1), (1, 3), (3, 5)], 3),
    "asked for late, as while compiling": ([(1.5, 1.75), (1.75, 1.875), (2, 3)], 0.25),
    "read ahead beyond the end": ([(0, 0), (0, 1), (1, 2), (2, 50)], 0),
}


@pytest.mark.parametrize(("answers", "waited"), WAITS.values(), ids=WAITS)
def test_training_waits_from_the_step_to_the_answer(at, answers, waited):
    spent = played(at, STEPS, answers)
    assert (spent.samples, spent.seconds, spent.waited) == (300, 6, waited)


def test_where_a_device_has_work_left_a_wait_is_what_it_lacked_after_a_reading(at):
    """Four steps: the first two begin with nothing left to compute, the others while the device still computes."""
    clock = Clock()
    at(0.0)
    clock.begin(4)
    for wanted, ready, finished in ((0, 0, True), (1, 1.25, False), (2, 2.5, False), (3, 4, True)):
        at(wanted)
        clock.want()
        at(ready)
        clock.answer(0.0)
        clock.step(finished=finished)
    # 0.25 was lacked; then twice no more than that is counted, but what no work can have covered.
    assert clock.spent(300).waited == pytest.approx(0.25 + max(0.25, 0.5 - DRAW_EVERY) + 1 - DRAW_EVERY)


def test_what_the_disk_gave_ends_with_the_last_step(at):
    assert played(at, STEPS, WAITS["all ready"][0]).disk_bytes == 5000


def test_where_requests_are_missing_the_share_is_not_known(at):
    spent = played(at, STEPS, [(0, 0)])
    assert (spent.waited, spent.share) == (None, 0)
    assert str(spent) == "50 samples/s, 0.0 MB/s from disk"


@pytest.mark.parametrize(
    ("spent", "text"),
    [
        (Spent(9000, 2.0, 0.5, 34_000_000), "4,500 samples/s, 25% of it waiting for data, 17.0 MB/s from disk"),
        (Spent(9000, 2.0, 0.0, 0), "4,500 samples/s, 0% of it waiting for data, nothing from disk"),
        (Spent(9000, 2.0, 0.0, None), "4,500 samples/s, 0% of it waiting for data"),
    ],
)
def test_an_epoch_is_one_line(spent, text):
    assert str(spent) == text


def helps(spent, **others):
    return advice(spent, **{"loose": False, "compressed": False, "part_bytes": 10, "window_bytes": 20, **others})


def test_nothing_is_said_where_training_hardly_waits():
    assert helps(Spent(100, 10.0, 1.0, 0)) == ""
    assert helps(Spent(100, 0.01, 0.009, 0)) == ""
    assert helps(Spent(100, 10.0, None, 0)) == ""


def test_what_is_said_would_help():
    slow = Spent(100, 10.0, 2.0, 10**6)
    assert helps(slow, loose=True).endswith("20% of the time: convert the files to a store and train with --store")
    assert "--compression auto" in helps(slow)
    assert "--window-bytes" not in helps(slow)
    assert "--window-bytes" not in helps(slow, part_bytes=40)  # two windows are kept
    assert "--window-bytes 21," in helps(slow, part_bytes=41)
    assert "compression" not in helps(slow, compressed=True)
    cached = Spent(100, 10.0, 2.0, 0)
    assert "nothing comes from disk: a larger --batch-size" in helps(cached, compressed=True)
    packed = helps(cached, compressed=True, part_bytes=50)  # else it is decoded once and kept
    assert "--compression lz4 or none has less to decode" in packed
    assert "--workers" not in helps(cached, part_bytes=50)


def test_threads_are_worth_naming_as_far_as_there_are_cores(monkeypatch):
    monkeypatch.setattr(waiting, "CORES", 3)
    cached = Spent(100, 10.0, 2.0, 0)
    assert "--workers 3 decompresses" in helps(cached, compressed=True, part_bytes=50)
    assert "--workers" not in helps(cached, compressed=True, part_bytes=50, workers=3)


def test_the_system_counts_what_is_read_or_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / "io").write_text("rchar: 5\nread_bytes: 4096\nwrite_bytes: 3\n")
    monkeypatch.setattr(waiting, "COUNTERS", tmp_path / "io")
    assert bytes_from_disk() == 4096
    monkeypatch.setattr(waiting, "COUNTERS", tmp_path / "nowhere")
    assert bytes_from_disk() is None

"""Where the time goes: what counts as waiting, what is said of it, and what would help."""

import time

import keras
import numpy as np
import pytest

from seekless.train import waiting
from seekless.train.waiting import Clock, Spent, TimedFiles, TimedStore, advice, bytes_from_disk


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
        clock.step()
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
    assert "compression" in helps(slow)
    assert "--window-bytes" not in helps(slow)
    assert "--window-bytes 30," in helps(slow, part_bytes=30)
    assert "compression" not in helps(slow, compressed=True)
    cached = Spent(100, 10.0, 2.0, 0)
    assert "nothing comes from disk: a larger --batch-size" in helps(cached)
    assert "faster codec" in helps(cached, compressed=True)


@pytest.mark.parametrize("kind", ["store", "files"])
def test_fit_waits_for_a_slow_sequence_and_not_for_a_quick_one(numbered, tiny_csv, monkeypatch, kind):
    """Keras reads in a thread of its own; what is counted is still what training waits."""
    clock = Clock()
    if kind == "store":
        data, parent = TimedStore(clock, numbered(), 13), TimedStore.__mro__[1]
    else:
        data, parent = TimedFiles(clock, tiny_csv.root, 13), TimedFiles.__mro__[1]
    side = data[0][0].shape[1]
    model = keras.Sequential([keras.Input((side, side)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    spent = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: clock.begin(len(data)),
        on_train_batch_begin=lambda batch, logs: clock.want(),
        on_train_batch_end=lambda batch, logs: clock.step(),
        on_epoch_end=lambda epoch, logs: spent.append(clock.spent(data.samples)),
    )
    give = parent.__getitem__
    monkeypatch.setattr(parent, "__getitem__", lambda self, index: time.sleep(0.02) or give(self, index))
    model.fit(data, epochs=2, callbacks=[watch], verbose=0)
    assert len(spent) == 2
    for epoch in spent:
        # Ten batches of 0.02 s each, of which the first steps' compiling may hide some.
        assert 0.05 < epoch.waited <= epoch.seconds
    assert spent[1].share > 0.5


def test_the_system_counts_what_is_read_or_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / "io").write_text("rchar: 5\nread_bytes: 4096\nwrite_bytes: 3\n")
    monkeypatch.setattr(waiting, "COUNTERS", tmp_path / "io")
    assert bytes_from_disk() == 4096
    monkeypatch.setattr(waiting, "COUNTERS", tmp_path / "nowhere")
    assert bytes_from_disk() is None


def test_batches_are_those_of_the_sequence(numbered):
    clock, path = Clock(), numbered()
    timed = TimedStore(clock, path, 13, shuffle=False)
    plain = TimedStore.__mro__[1](path, 13, shuffle=False)
    assert all(np.array_equal(timed[step][0], plain[step][0]) for step in range(len(plain)))
    assert len(clock.answered) == len(plain)

"""The batches that are trained on: a clock is told of them, and each goes on at any place."""

import time

import keras
import numpy as np
import pytest

from seekless.loader.feed import Feed
from seekless.loader.files import FileSequence
from seekless.loader.sequence import StoreSequence
from seekless.train.timed import TimedFiles, TimedStore
from seekless.train.waiting import Clock


@pytest.mark.parametrize("kind", ["store", "files"])
def test_fit_waits_for_a_slow_sequence_and_not_for_a_quick_one(numbered, tiny_csv, monkeypatch, kind):
    """Keras reads in a thread of its own; what is counted is still what training waits."""
    clock = Clock()
    data = TimedStore(clock, numbered(), 13) if kind == "store" else TimedFiles(clock, tiny_csv.root, 13)
    side = data[0][0].shape[1]
    model = keras.Sequential([keras.Input((side, side)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    spent = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: clock.begin(len(data)),
        on_train_batch_begin=lambda batch, logs: clock.want(),
        on_train_batch_end=lambda batch, logs: clock.step(finished=True),
        on_epoch_end=lambda epoch, logs: spent.append(clock.spent(data.samples)),
    )
    parent, name = (Feed, "next") if kind == "store" else (FileSequence, "__getitem__")
    give = getattr(parent, name)
    monkeypatch.setattr(parent, name, lambda self, *index: time.sleep(0.02) or give(self, *index))
    model.fit(data, epochs=2, callbacks=[watch], verbose=0)
    assert len(spent) == 2
    for epoch in spent:
        # Ten batches of 0.02 s each, of which the first steps' compiling may hide some.
        assert 0.05 < epoch.waited <= epoch.seconds
    assert spent[1].waited > 0.1


def test_batches_are_those_of_the_sequence(numbered):
    clock, path = Clock(), numbered()
    timed = TimedStore(clock, path, 13, shuffle=False)
    plain = StoreSequence(path, 13, shuffle=False)
    assert all(np.array_equal(timed[step][0], plain[step][0]) for step in range(len(plain)))
    assert len(clock.answered) == len(plain)


def opened(kind, numbered, tiny_csv, **options):
    if kind == "store":
        return TimedStore(Clock(), numbered(keys=[f"{number:03d}.csv" for number in range(130)]), 13, seed=3, **options)
    return TimedFiles(Clock(), tiny_csv.root, 13, seed=3, **options)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("kind", ["store", "files"])
def test_what_is_left_of_an_epoch_is_what_was_not_used(numbered, tiny_csv, kind, shuffle):
    options = {"shuffle": ("window" if kind == "store" else True) if shuffle else False}
    whole, rest = (opened(kind, numbered, tiny_csv, **options) for _ in range(2))
    whole.restore(whole.state_at(2, 0))
    rest.restore(rest.state_at(2, 7))
    assert (len(rest), rest.steps, rest.samples) == (3, 10, 130)
    batches = [whole[step] for step in range(10)][7:]
    for step, (x, y) in enumerate(batches):
        again, targets = rest[step]
        assert np.array_equal(again, x)
        assert np.array_equal(targets, y)
    rest.begin(3)
    whole.begin(3)
    assert np.array_equal(rest[0][0], whole[0][0])


def test_each_epoch_of_files_has_an_order_of_its_own(tiny_csv):
    files = opened("files", None, tiny_csv)
    orders = []
    for epoch in (0, 1, 0):
        files.begin(epoch)
        orders.append(files.order.tolist())
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False])
def test_the_samples_of_a_batch_are_named(numbered, shuffle):
    path = numbered(keys=[f"{number:03d}.csv" for number in range(130)])
    store = TimedStore(Clock(), path, 9, shuffle=shuffle, seed=4, window_bytes=32 * 20, dtype=None)
    for epoch in (0, 1):
        store.restore(store.state_at(epoch, 0))
        for step in range(store.steps):
            numbers = store[step][0][:, 0, 0].tolist()
            assert store.keys(epoch, step) == [(number, f"{number:03d}.csv") for number in numbers]


def test_samples_without_keys_are_named_by_number(numbered):
    store = TimedStore(Clock(), numbered(), 50, shuffle=False)
    assert store.keys(0, 2) == [(number, "") for number in range(100, 130)]


def test_the_files_of_a_batch_are_named(tiny_csv):
    files = opened("files", None, tiny_csv, split=(0.0, 0.9))
    named = files.keys(1, 8)
    files.begin(1)
    assert [number for number, _ in named] == files.order[104:].tolist()
    assert [key for _, key in named] == [files.source.keys[number] for number, _ in named]


@pytest.mark.parametrize("kind", ["store", "files"])
def test_weights_make_all_classes_of_the_part_count_alike(numbered, tiny_csv, kind):
    data = opened(kind, numbered, tiny_csv, split=(0.0, 0.5))
    weights = data.class_weights()
    data.restore(data.state_at(0, 0))
    classes = np.concatenate([data[step][1] for step in range(data.steps)])
    sums = [sum(weights[label] for label in classes if label == number) for number in weights]
    assert sums == pytest.approx([sums[0]] * len(sums))
    assert sum(sums) == pytest.approx(len(classes))

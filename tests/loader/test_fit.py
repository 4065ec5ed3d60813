"""Whatever fit, evaluate and predict do, a model sees the epoch's own order, each batch once."""

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from kit.seen import Seen, equal

import seekless
from seekless.store.blocks import BlockReader


def test_fit_trains_on_each_sample_once_an_epoch_in_the_epochs_own_order(sequence, epochs, numbered):
    seen = Seen().learn(sequence(seed=1), epochs=3)  # by Keras' default, shuffle=True
    assert equal(seen, epochs(0, 1, 2, seed=1))
    for epoch in range(3):
        batches = seen[41 * epoch : 41 * (epoch + 1)]
        assert sorted(number for batch in batches for number in numbered.numbers(batch)) == list(range(403))


def test_fit_with_a_slow_disk_keeps_the_order(sequence, epochs, monkeypatch):
    read = BlockReader.read

    def slowly(self, ranges, **how):
        time.sleep(0.02)
        return read(self, ranges, **how)

    monkeypatch.setattr(BlockReader, "read", slowly)
    assert equal(Seen().learn(sequence(seed=1), epochs=3), epochs(0, 1, 2, seed=1))


def test_a_second_fit_goes_on_with_the_epochs(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train, epochs=2), epochs(0, 1, seed=1))
    assert equal(model.learn(train, epochs=2), epochs(2, 3, seed=1))
    assert equal(Seen().learn(train), epochs(4, seed=1))


def test_the_same_seed_gives_the_same_training_and_another_another(sequence):
    one, same, other = (Seen().learn(sequence(seed=seed), epochs=2) for seed in (1, 1, 2))
    assert equal(one, same)
    assert not equal(one, other)


def test_fit_without_keras_shuffle_is_the_same(sequence, epochs):
    assert equal(Seen().learn(sequence(seed=1), epochs=2, shuffle=False), epochs(0, 1, seed=1))


@pytest.mark.parametrize("steps", [10, 20, 40])
def test_keras_epochs_shorter_than_an_epoch_are_slices_of_it(sequence, epochs, steps):
    options = {"split": (0.0, 400 / 403), "seed": 1}  # 40 batches
    train, model = sequence(**options), Seen()
    assert equal(model.learn(train, epochs=40 // steps, steps_per_epoch=steps), epochs(0, **options))
    assert equal(model.learn(train, epochs=40 // steps, steps_per_epoch=steps), epochs(1, **options))


def test_a_pass_cut_short_is_over(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train, epochs=2, steps_per_epoch=7), epochs(0, seed=1)[:14])
    assert equal(model.learn(train), epochs(1, seed=1))


def test_a_pass_that_a_callback_stops_is_over(sequence, epochs):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 5

    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train, callbacks=[Stop()]), epochs(0, seed=1)[:6])
    assert equal(model.learn(train), epochs(1, seed=1))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_fits_go_on_and_do_not_repeat(sequence, epochs, steps):
    train, model = sequence(seed=1), Seen()
    for epoch in range(4):
        assert equal(model.learn(train, steps_per_epoch=steps), epochs(epoch, seed=1)[:steps])
    assert len(list(train)) == len(train)  # to the end, so that no thread waits with the next window


FORKED = """
import os, signal, sys
import numpy as np
import seekless
train = seekless.StoreSequence(sys.argv[1], 10, seed=1, window_bytes=500)
expected = list(seekless.batches(sys.argv[1], 10, seed=1, window_bytes=500))
seen = [train[index] for index in range(2)]
child = os.fork()
if not child:
    signal.alarm(20)
seen += [train[index] for index in range(2, len(train))]
right = all(np.array_equal(x, a) and np.array_equal(y, b) for (x, y), (a, b) in zip(seen, expected, strict=True))
if not child:
    os._exit(0 if right else 1)
print(right, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_pass_goes_on_in_a_fork_and_in_its_parent(tiny_store):
    command = [sys.executable, "-c", FORKED, str(tiny_store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "True 0\n", done.stderr


def test_validation_data_is_read_in_the_stores_order_each_epoch(sequence, epochs):
    train, held = sequence(split=(0.0, 0.8), seed=1), sequence(split=(0.8, 1.0), shuffle=False)
    model = Seen()
    seen = model.learn(train, validation_data=held, epochs=3)
    assert equal(seen, epochs(0, 1, 2, split=(0.0, 0.8), seed=1))
    assert equal(model.tested, 3 * epochs(0, split=(0.8, 1.0), shuffle=False))


def test_class_weights_of_fit_stand_beside_their_samples(make_store):
    store = make_store(np.arange(40, dtype=np.uint8), np.arange(40) % 2)
    train = seekless.StoreSequence(store, 16, dtype=None)
    for x, y, weight in Seen().learn(train, class_weight={0: 1.0, 1: 3.0}):
        assert y.tolist() == (x % 2).tolist()
        assert weight.tolist() == (1.0 + 2 * y).tolist()


@pytest.mark.parametrize("batch_size", [202, 500], ids=["two batches", "one batch"])
def test_an_epoch_of_one_or_two_batches_is_not_lost_to_the_look_ahead(sequence, epochs, batch_size):
    train, model = sequence(batch_size, seed=1), Seen()
    assert equal(model.learn(train, epochs=2), epochs(0, 1, batch_size=batch_size, seed=1))
    assert equal(model.learn(train), epochs(2, batch_size=batch_size, seed=1))


@pytest.mark.parametrize("batch_size", [202, 500], ids=["two batches", "one batch"])
def test_an_epoch_of_one_or_two_batches_still_holds_each_sample_once(sequence, numbered, batch_size):
    seen = Seen().learn(sequence(batch_size, seed=1), epochs=2)
    steps = len(seen) // 2
    for batches in (seen[:steps], seen[steps:]):
        assert sorted(number for batch in batches for number in numbered.numbers(batch)) == list(range(403))


# evaluate and predict


def test_evaluate_and_predict_read_in_the_stores_order(sequence, epochs):
    held, model = sequence(shuffle=False), Seen()
    for _ in range(2):
        model.tested.clear()
        model.evaluate(held, verbose=0)
        assert equal(model.tested, epochs(0, shuffle=False))
        assert model.predict(held, verbose=0)[:, 0, 0].tolist() == list(range(403))


def test_evaluate_on_a_shuffled_one_sees_each_sample_once(sequence, epochs):
    model = Seen()
    model.evaluate(sequence(seed=1), verbose=0)
    assert equal(model.tested, epochs(0, seed=1))


def test_evaluate_between_two_fits_costs_no_sample(sequence, epochs):
    train, held, model = sequence(split=(0.0, 0.8), seed=1), sequence(split=(0.8, 1.0), shuffle=False), Seen()
    seen = []
    for _ in range(3):
        seen += model.learn(train)
        model.evaluate(held, verbose=0)
    assert equal(seen, epochs(0, 1, 2, split=(0.0, 0.8), seed=1))


def test_predict_takes_a_store_without_targets(make_store):
    store = make_store(np.arange(40, dtype=np.uint8).reshape(-1, 1))
    found = Seen().predict(seekless.StoreSequence(store, 16, shuffle=False, dtype=None), verbose=0)
    assert found.ravel().tolist() == list(range(40))


# not shuffled, in any order Keras asks in


@pytest.fixture
def reads(monkeypatch):
    """The windows of x that were read."""
    found, read = [], BlockReader.read

    def counting(self, ranges, **how):
        if self.table.field.name == "x":
            found.append(ranges)
        return read(self, ranges, **how)

    monkeypatch.setattr(BlockReader, "read", counting)
    return found


def test_training_without_shuffle_is_in_the_stores_order_and_reads_each_window_once(sequence, epochs, reads):
    train = sequence(shuffle=False)
    seen = Seen().learn(train, epochs=3, shuffle=True)
    assert len(reads) <= 3 * 7 + 4  # and those of a look-ahead, which is slabs ahead
    assert equal(seen, 3 * epochs(0, shuffle=False))


def test_asked_by_hand_between_fits_the_index_is_the_batch(sequence, epochs):
    held, whole, model = sequence(shuffle=False), epochs(0, shuffle=False), Seen()
    model.learn(held, steps_per_epoch=5)
    assert equal([held[17], held[3]], [whole[17], whole[3]])
    assert equal(model.learn(held), whole)
    model.evaluate(held, steps=3, verbose=0)
    assert equal([held[40]], [whole[40]])
    model.tested.clear()
    model.evaluate(held, verbose=0)
    assert equal(model.tested, whole)


def test_two_loops_side_by_side_see_the_same_batches(sequence, epochs):
    held, whole = sequence(shuffle=False), epochs(0, shuffle=False)
    pairs = list(zip(held, held, strict=True))
    assert equal([one for one, _ in pairs], whole)
    assert equal([other for _, other in pairs], whole)


def test_the_test_part_stays_in_order_under_any_option_of_keras(make_store):
    x = np.arange(400, dtype=np.uint16)
    store = make_store(x, x % 4, boundaries=(300, 400))
    test, model = seekless.StoreSequence(store, 16, split="test", dtype=None, window_bytes=80), Seen()
    model.fit(test, verbose=0, shuffle=True, epochs=2)
    assert np.concatenate([batch[0] for batch in model.trained]).tolist() == 2 * list(range(300, 400))
    model.evaluate(test, verbose=0)
    assert np.concatenate([batch[0] for batch in model.tested]).tolist() == list(range(300, 400))
    assert model.predict(test, verbose=0).tolist() == list(range(300, 400))
    assert model.predict(test, steps=3, verbose=0).tolist() == list(range(300, 348))


def test_predicting_from_a_shuffled_one_warns_and_uses_no_epoch(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train), epochs(0, seed=1))
    with pytest.warns(UserWarning, match="found a StoreSequence with shuffle='window', expected shuffle=False") as told:
        found = model.predict(train, verbose=0)
    assert [warning.filename for warning in told if "StoreSequence" in str(warning.message)] == [__file__]
    assert sorted(found[:, 0, 0].tolist()) == list(range(403))
    assert equal(model.learn(train), epochs(1, seed=1))

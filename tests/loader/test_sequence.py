"""The Keras dataset of a store: whatever Keras does, training sees the epoch's own order, each batch once."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace

import keras
import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, StoreFormatError, StoreNotFoundError
from seekless.loader.state import State
from seekless.store.blocks import BlockReader

BATCH = 10


class Seen(keras.Model):
    """A model without weights that notes every batch it is trained, tested or asked with."""

    def __init__(self, **compiled):
        super().__init__()
        self.trained, self.tested = [], []
        self.compile(run_eagerly=True, **compiled)

    def call(self, x):
        return x

    def train_step(self, *data):  # JAX gives its state, and takes it back
        return self._noted(self.trained, *data)

    def test_step(self, *data):
        return self._noted(self.tested, *data)

    def _noted(self, batches, *data):
        *state, batch = data
        batches.append([keras.ops.convert_to_numpy(array) for array in batch if array is not None])
        return ({"loss": 0.0}, *state) if state else {"loss": 0.0}

    def learn(self, sequence, **options):
        """Fit, and return the batches that training saw."""
        self.trained.clear()
        self.fit(sequence, verbose=0, **options)
        return list(self.trained)


def equal(one, other) -> bool:
    """Whether two lists of batches are the same; dtypes too, but for PyTorch, which knows no uint16."""
    dtypes = keras.backend.backend() != "torch"
    forms = [
        [[(array.dtype if dtypes else None, array.tolist()) for array in batch] for batch in batches]
        for batches in (one, other)
    ]
    return forms[0] == forms[1]


@pytest.fixture
def sequence(numbered):
    """Return a function that makes a StoreSequence of 41 batches, the last of 3 samples, in 7 windows."""

    def make(batch_size=BATCH, **options):
        return seekless.StoreSequence(
            numbered.store, batch_size, **{"dtype": None, "window_bytes": numbered.window_bytes, **options}
        )

    return make


@pytest.fixture
def epochs(numbered):
    """Return a function that gives the batches of epochs as they should be."""

    def expected(*numbers, batch_size=BATCH, **options):
        options = {"dtype": None, "window_bytes": numbered.window_bytes, **options}
        return [batch for epoch in numbers for batch in numbered.store.batches(batch_size, epoch=epoch, **options)]

    return expected


def test_keras_sees_its_sizes(sequence):
    shuffled, part = sequence(), sequence(64, split=(0.0, 0.5), shuffle=False)
    assert (len(shuffled), shuffled.num_batches, shuffled.samples) == (41, 41, 403)
    assert (len(part), part.num_batches, part.samples) == (4, 4, 202)
    assert (shuffled.workers, shuffled.use_multiprocessing) == (1, False)


# fit


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


# by hand


def test_a_loop_sees_an_epoch_after_the_other(sequence, epochs):
    train = sequence(seed=1)
    assert equal(list(train), epochs(0, seed=1))
    assert equal([batch for _ in range(2) for batch in train], epochs(1, 2, seed=1))


def test_train_on_batch_in_a_loop(sequence, epochs):
    train, model, trained = sequence(seed=1), Seen(), []
    for _ in range(3):
        for x, y in train:
            model.train_on_batch(x, y)
            trained.append((x, y))
    assert equal(trained, epochs(0, 1, 2, seed=1))


@pytest.mark.parametrize(
    ("asked", "epoch"),
    [(0, 0), (1, 0), (2, 0), (3, 1), (40, 1), (41, 1)],
    ids=["none", "look-ahead of one", "look-ahead of two", "cut", "cut near the end", "whole"],
)
def test_a_look_ahead_is_not_lost_and_a_longer_pass_is_over(sequence, epochs, asked, epoch):
    train = sequence(seed=1)
    assert train.num_batches == 41
    first = [train[index] for index in range(asked)]
    assert equal(first, epochs(0, seed=1)[:asked])
    assert equal(list(train), epochs(epoch, seed=1))


def test_a_pass_needs_no_beginning(sequence, epochs):
    train = sequence(seed=1)
    assert equal([train[0] for _ in range(82)], epochs(0, 1, seed=1))


def test_shuffled_the_index_is_no_position(sequence, epochs):
    train = sequence(seed=1)
    mixed = np.random.default_rng(0).permutation(41)
    assert equal([train[int(index)] for index in mixed], epochs(0, seed=1))


def test_not_shuffled_the_index_is_the_batch(sequence, epochs):
    held, whole = sequence(shuffle=False), epochs(0, shuffle=False)
    for index in [0, 1, 2, 40, 17, 17, 18, 3]:
        assert equal([held[index]], [whole[index]])


@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
@pytest.mark.parametrize("index", [-1, 41, 1000])
def test_an_index_out_of_range_is_an_index_error_and_costs_nothing(sequence, epochs, shuffle, index):
    train = sequence(shuffle=shuffle, seed=1)
    with pytest.raises(IndexError, match=f"found batch {index}, expected 0 to 40"):
        train[index]
    assert equal([train[0]], epochs(0, shuffle=shuffle, seed=1)[:1])


def test_an_empty_part_has_no_batch_to_ask_for(sequence):
    empty = sequence(split=(0.5, 0.5))
    assert len(empty) == empty.samples == 0
    assert list(empty) == []
    with pytest.raises(IndexError, match="found batch 0"):
        empty[0]


def test_threads_that_ask_at_once_get_each_batch_once(sequence, numbered):
    train, found, start = sequence(seed=1), [], threading.Barrier(4)

    def ask(indices):
        start.wait(10)
        for index in indices:
            found.append(train[index])

    assert train.num_batches == 41
    threads = [threading.Thread(target=ask, args=(range(first, 41, 4),)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(number for batch in found for number in numbered.numbers(batch)) == list(range(403))


def test_two_over_one_store_do_not_disturb_each_other(sequence, epochs):
    one, other = sequence(seed=1), sequence(seed=2)
    pairs = list(zip(one, other, strict=True))
    assert equal([a for a, _ in pairs], epochs(0, seed=1))
    assert equal([b for _, b in pairs], epochs(0, seed=2))


# what a batch is


def test_a_batch_is_x_and_y(tiny_store):
    x, y = seekless.StoreSequence(str(tiny_store), 32)[0]
    assert (x.dtype, x.shape) == (np.float32, (32, 6, 6))
    assert (y.dtype, y.shape) == (np.int64, (32,))
    assert 0.9 < x.max() <= 1


def test_the_options_reach_the_batches(tiny_store):
    options = {"split": (0.1, 0.8), "seed": 3, "window_bytes": 720, "one_hot": True, "dtype": "float64"}
    made = list(seekless.StoreSequence(tiny_store, 16, **options))
    assert equal(made, list(seekless.batches(tiny_store, 16, **options)))
    assert made[0][0].dtype == np.float64
    assert made[0][1].shape == (16, 10)


def test_without_targets_a_batch_is_x_alone(make_store):
    batch = seekless.StoreSequence(make_store(np.arange(40, dtype=np.uint8)), 16, shuffle=False)[0]
    assert isinstance(batch, np.ndarray)
    assert batch.tolist() == list(range(16))


def test_the_test_part_is_in_the_stores_order(make_store):
    store = make_store(np.arange(40, dtype=np.uint8), boundaries=(30, 40))
    train, test = (seekless.StoreSequence(store, 30, split=part, dtype=None) for part in ("train", "test"))
    assert test[0].tolist() == list(range(30, 40))
    assert sorted(train[0].tolist()) == list(range(30))


# copies, errors, threads


@pytest.mark.parametrize("asked", [0, 2, 15, 41])
def test_a_copy_by_pickle_goes_on_where_the_original_stands(sequence, epochs, asked):
    train = sequence(seed=1)
    iterator = iter(train)
    for _ in range(asked):
        next(iterator)
    copy = pickle.loads(pickle.dumps(train))
    expected = epochs(0, 1, seed=1)[asked : asked + 41]
    assert equal([copy[0] for _ in range(41)], expected)
    assert equal([train[0] for _ in range(41)], expected)


WRONG = {
    "no batch": ({"batch_size": 0}, "batch_size: found 0, expected 1 or more"),
    "shuffle": ({"shuffle": "ful"}, "shuffle: found 'ful', expected 'window', 'batch', 'full' or False"),
    "dtype": ({"dtype": "uint8"}, "dtype: found 'uint8', expected a float dtype"),
    "no dtype": ({"dtype": "picture"}, "dtype: found 'picture', expected a float dtype"),
    "split": ({"split": (0.9, 0.1)}, r"split: found \(0.9, 0.1\), expected 'train', 'test' or two fractions"),
    "no parts": ({"split": "train"}, "split='train': found no recorded parts"),
    "one_hot": ({"one_hot": True}, "one_hot: found targets that are no classes in .*numbered.h5, expected classes"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_told_at_once(sequence, options, message):
    with pytest.raises(OptionError, match=message):
        sequence(**options)


def test_a_missing_store_is_told_at_once(tmp_path):
    with pytest.raises(StoreNotFoundError, match=r"data\.h5: found no such file"):
        seekless.StoreSequence(tmp_path / "data.h5")


@pytest.fixture
def damaged(numbered):
    """Flip a bit in block 20, which no window that comes early in the store's order holds."""
    with open(numbered.store.path, "r+b") as file:
        offset = int(numbered.store.tables["x"].offset[20])
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.usefixtures("damaged")
def test_a_damaged_block_is_named_again_whenever_it_is_asked_for(sequence, reading):
    held = sequence(shuffle=False)
    assert held[0][0].shape == (10, 3, 2)
    for _ in range(2):
        with pytest.raises(StoreFormatError, match=r"numbered\.h5: block 20 of x is damaged"):
            held[14]
        assert not reading()


@pytest.mark.usefixtures("damaged")
def test_fit_ends_with_the_name_of_a_damaged_block(sequence):
    # TensorFlow raises an error of its own, with the text of ours in it.
    with pytest.raises(Exception, match=r"numbered\.h5: block 20 of x is damaged"):
        Seen().learn(sequence(shuffle=False), shuffle=False)


def test_no_thread_is_left_after_a_whole_pass(sequence, reading):
    train = sequence()
    list(train)
    assert not reading()


def test_no_thread_is_left_of_one_that_somebody_keeps(sequence, reading):
    train = sequence()
    train[0]
    assert not reading()
    train[1]


# what Keras may do beside a plain fit


class StopAt(keras.callbacks.Callback):
    """Stop training after some steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch + 1 == self.steps


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras', where steps are no multiple of three
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras takes one step at once on PyTorch")
@pytest.mark.parametrize("at_once", [3, 50])
def test_several_steps_in_one_execution_lose_nothing(sequence, epochs, at_once):
    train, model = sequence(seed=1), Seen(steps_per_execution=at_once)
    for epoch in (0, 2):
        assert equal(model.learn(train, epochs=2), epochs(epoch, epoch + 1, seed=1))
        model.compile(run_eagerly=True, steps_per_execution=at_once)


def test_stopped_trainings_one_after_the_other_use_an_epoch_each(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    for epoch in range(6):
        assert equal(model.learn(train, callbacks=[StopAt(epoch % 3 + 1)]), epochs(epoch, seed=1)[: epoch % 3 + 1])
        if epoch % 2:
            model.compile(run_eagerly=True)
    assert equal(model.learn(train), epochs(6, seed=1))


def test_initial_epoch_names_the_epochs_of_keras_not_ours(sequence, epochs):
    train, model = sequence(seed=1), Seen()
    assert equal(model.learn(train, initial_epoch=3, epochs=5), epochs(0, 1, seed=1))
    assert equal(model.learn(train, initial_epoch=5, epochs=6), epochs(2, seed=1))


@pytest.mark.parametrize("shuffle", ["window", False], ids=str)
@pytest.mark.parametrize(("steps", "count", "after"), [(60, 2, 3), (82, 1, 2), (30, 4, 3), (3, 5, 1)])
def test_keras_epochs_that_do_not_fit_are_slices_of_one_pass(sequence, epochs, shuffle, steps, count, after):
    options = {"shuffle": shuffle, "seed": 1}
    train, model = sequence(**options), Seen()
    for first in (0, after):
        seen = model.learn(train, epochs=count, steps_per_epoch=steps)
        assert equal(seen, epochs(*range(first, first + 4), **options)[: steps * count])
    assert len(train) == train.num_batches == 41
    assert equal(model.learn(train), epochs(2 * after, **options))
    with pytest.raises(IndexError, match="found batch 41"):
        train[41]


def test_they_go_on_beside_an_evaluation_and_after_a_stop(sequence, epochs):
    held, model = sequence(shuffle=False), Seen()
    train = sequence(seed=1)
    seen = model.learn(train, epochs=2, steps_per_epoch=50, validation_data=held, validation_steps=41)
    assert equal(seen, epochs(0, 1, 2, seed=1)[:100])
    assert equal(model.tested, 2 * epochs(0, shuffle=False))
    assert equal(model.learn(train, steps_per_epoch=50, callbacks=[StopAt(3)]), epochs(3, seed=1)[:3])
    assert equal(model.learn(train, steps_per_epoch=50), epochs(5, 6, seed=1)[:50])
    model.tested.clear()
    model.evaluate(held, verbose=0)
    assert equal(model.tested, epochs(0, shuffle=False))


def test_an_evaluation_of_more_steps_than_there_are_batches_ends_with_them(sequence, epochs):
    held, model = sequence(shuffle=False), Seen()
    with pytest.warns(UserWarning, match="ran out of data"):  # Keras' own
        model.evaluate(held, steps=60, verbose=0)
    assert equal(model.tested, epochs(0, shuffle=False))


def test_the_rest_of_an_epoch_in_slices_goes_on_into_the_next(sequence, epochs):
    train = sequence(seed=1)
    train.restore(train.state_at(1, 30))
    assert equal(Seen().learn(train, epochs=3, steps_per_epoch=20), epochs(1, 2, 3, seed=1)[30:90])


def test_several_workers_and_processes_change_no_batch(sequence, epochs):
    options = {"workers": 4, "use_multiprocessing": True, "max_queue_size": 3}
    train, model = sequence(seed=1, **options), Seen()
    assert (train.workers, train.use_multiprocessing) == (1, False)  # what Keras is told
    assert equal(model.learn(train, epochs=2), epochs(0, 1, seed=1))


def mirrored(x, y, rng):
    return (x[:, ::-1] if rng.random() < 0.5 else x) + rng.integers(3, dtype=x.dtype), y


def test_use_multiprocessing_changes_only_where_the_transform_runs(sequence, epochs):
    train, model = sequence(seed=1, transform=mirrored, use_multiprocessing=True, workers=2), Seen()
    assert equal(model.learn(train, epochs=2), epochs(0, 1, seed=1, transform=mirrored))
    held = sequence(shuffle=False, transform=mirrored, use_multiprocessing=True)
    assert equal(list(held), epochs(0, shuffle=False, transform=mirrored))


def test_the_options_of_ranks_reach_the_batches(sequence, epochs):
    for rank in range(3):
        options = {"shard": (rank, 3), "drop_remainder": True, "seed": 1, "shuffle": "batch"}
        train = sequence(**options)
        assert (len(train), train.samples) == (13, 130)
        assert equal(Seen().learn(train, epochs=2), epochs(0, 1, **options))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"max_queue_size": 0}], ids=str)
def test_no_workers_are_told(sequence, wrong):
    with pytest.raises(OptionError, match=r"workers, max_queue_size: found .* expected 1 or more of each"):
        sequence(**wrong)


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


# resume


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

"""The Keras dataset of a store, asked by hand: each batch once, in the order of the epoch."""

import pickle
import threading

import numpy as np
import pytest
from kit.seen import Seen, equal

import seekless
from seekless.errors import OptionError, StoreFormatError, StoreNotFoundError


def test_keras_sees_its_sizes(sequence):
    shuffled, part = sequence(), sequence(64, split=(0.0, 0.5), shuffle=False)
    assert (len(shuffled), shuffled.num_batches, shuffled.samples) == (41, 41, 403)
    assert (len(part), part.num_batches, part.samples) == (4, 4, 202)
    assert (shuffled.workers, shuffled.use_multiprocessing) == (1, False)


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

"""A store's tf.data.Dataset gives the Sequence's batches bit for bit, in its order, epoch after epoch."""

import keras
import numpy as np
import pytest
from kit.batches import OPTIONS, bits, shifted

import seekless
from seekless.loader import tensorflow as module

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

BATCH = 10


@pytest.fixture(autouse=True)
def _slabs(monkeypatch):
    """Slabs of several batches, and several an epoch."""
    monkeypatch.setattr(module, "SLAB_BYTES", 50 * 12)


def batches(dataset):
    return list(dataset.as_numpy_iterator())


SOME = ("stored values", "float16", "a rank, transformed", "dropped and transformed")


@pytest.mark.parametrize("slab", [1, 1 << 20], ids=["slabs of a batch", "one slab"])
@pytest.mark.parametrize("options", [OPTIONS[name] for name in SOME], ids=SOME)
def test_slabs_of_any_size_give_the_sequences_batches(sequence, monkeypatch, options, slab):
    monkeypatch.setattr(module, "SLAB_BYTES", slab * 12)
    held, other = sequence(**options), sequence(**options)
    dataset = other.to_tf_dataset()
    for _ in range(2):
        assert bits(batches(dataset)) == bits(held)
    assert other.state() == held.state()


STORED = {
    "pictures": (np.uint8, 1, 255, "uint8"),
    "deep pictures": (np.uint16, 1, 65535, "uint16"),
    "narrowed": (np.uint8, 255, 1, "float32"),
    "narrowed pictures": (np.uint16, 255, 255, "float64"),
    "narrowed much": (np.uint16, 65535, 65535, "float64"),
    "tenths": (np.int16, 10, 1, "float32"),
    "floats": (np.float32, 1, 1, "float32"),
    "scaled floats": (np.float32, 1, 255, "float32"),
    "doubles": (np.float64, 1, 1, "float64"),
    "large numbers": (np.int64, 1, 1, "int64"),
    "large numbers scaled": (np.uint32, 1, 255, "uint32"),
    "yes and no": (np.bool_, 1, 1, "bool"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of large numbers to float16
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", None])
@pytest.mark.parametrize(("stored", "divisor", "scale", "logical"), STORED.values(), ids=STORED)
def test_values_are_divided_once_as_in_the_sequence(make_store, stored, divisor, scale, logical, dtype):
    if np.dtype(stored).kind in "iu":
        highest = min(np.iinfo(stored).max, 2**40)
        x = np.linspace(0, highest, 65536).astype(stored)
    else:
        x = np.random.default_rng(0).normal(0, 100, 4096).astype(stored)
    store = make_store(x.reshape(-1, 16), block=64, divisor=divisor, scale=scale, logical=logical)
    held, other = (seekless.StoreSequence(store, 100, seed=2, dtype=dtype) for _ in range(2))
    assert bits(batches(other.to_tf_dataset())) == bits(held)


def test_no_compiler_changes_a_bit(make_store):
    store = make_store(np.arange(65536, dtype=np.uint16).reshape(-1, 64), scale=65535)
    held, other = (seekless.StoreSequence(store, 64, shuffle=False) for _ in range(2))
    dataset = other.to_tf_dataset()

    @tf.function  # whose optimizer makes a multiplication of a division by a constant
    def total():
        values = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
        for number, x in dataset.enumerate():
            values = values.write(tf.cast(number, tf.int32), x)
        return values.concat()

    assert bits([total().numpy()]) == bits([np.concatenate(list(held))])


def test_one_hot_and_weights_come_along(make_store):
    x = np.arange(100, dtype=np.uint8)
    store = make_store(x, x.astype(np.int64) % 7)
    held, other = (seekless.StoreSequence(store, 16, one_hot=True) for _ in range(2))
    assert bits(batches(other.to_tf_dataset())) == bits(held)
    assert other.to_tf_dataset().element_spec[1] == tf.TensorSpec((None, 7), tf.float32)


def test_sample_weights_are_the_third_item(make_store):
    y = np.arange(40) % 4
    store, weights = make_store(np.arange(40, dtype=np.uint8), y), make_store(y / 8, name="weights.h5")
    store.tables["sample_weight"] = weights.tables["x"]
    held, other = (seekless.StoreSequence(store, 16, one_hot=True, shuffle=False) for _ in range(2))
    assert [len(batch) for batch in held] == [3, 3, 3]
    held = seekless.StoreSequence(store, 16, one_hot=True, shuffle=False)
    assert bits(batches(other.to_tf_dataset())) == bits(held)


def test_without_targets_an_element_is_no_tuple(make_store):
    store = make_store(np.arange(40, dtype=np.uint8).reshape(-1, 1))
    assert isinstance(seekless.StoreSequence(store, 16).to_tf_dataset().element_spec, tf.TensorSpec)


def test_shapes_are_known_as_far_as_they_can_be(sequence):
    assert [spec.shape for spec in sequence().to_tf_dataset().element_spec] == [(None, 3, 2), (None,)]
    dropped = sequence(drop_remainder=True).to_tf_dataset()
    assert [spec.shape for spec in dropped.element_spec] == [(10, 3, 2), (10,)]


# which epoch an iteration is


def test_an_iteration_that_nobody_begins_uses_no_epoch_and_one_that_is_cut_uses_one(sequence):
    held, other = sequence(), sequence()
    dataset = other.to_tf_dataset()
    unused = iter(dataset)
    assert bits(dataset.take(3).as_numpy_iterator()) == bits(list(held)[:3])
    assert bits(batches(dataset)) == bits(held)
    assert bits(batches(other.to_tf_dataset())) == bits(held)  # another one of the same Sequence goes on
    assert bits(other) == bits(held)  # and so does the Sequence
    del unused


def test_two_iterations_side_by_side_are_two_epochs(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset()
    pairs = list(zip(dataset.as_numpy_iterator(), dataset.as_numpy_iterator(), strict=True))
    assert bits(one for one, _ in pairs) == bits(held)
    assert bits(other for _, other in pairs) == bits(held)


def test_repeated_it_goes_on_for_ever(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset().repeat()
    assert bits(dataset.take(100).as_numpy_iterator()) == bits([*held, *held, *held][:100])


def test_a_dataset_of_the_rest_of_an_epoch_gives_no_whole_one(sequence):
    train = sequence()
    train.restore(train.state_at(2, 30))
    dataset = train.to_tf_dataset()
    assert len(batches(dataset)) == 11
    with pytest.raises(
        tf.errors.OpError, match="found a pass of 41 batches, expected 11, as when the dataset was made"
    ):
        batches(dataset)


# Keras

only_here = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras runs on another backend")


class Seen(keras.Model):
    """A model without weights that notes every batch it is trained with."""

    def __init__(self):
        super().__init__()
        self.trained = []
        self.compile(run_eagerly=True)

    def train_step(self, batch):
        self.trained.append(tuple(array.numpy() for array in batch))
        return {"loss": 0.0}

    def learn(self, dataset, **options):
        self.trained.clear()
        self.fit(dataset, verbose=0, shuffle=False, **options)
        return list(self.trained)


@only_here
def test_fits_go_on_with_the_epochs(sequence):
    held, dataset, model = sequence(), sequence().to_tf_dataset(), Seen()
    assert bits(model.learn(dataset, epochs=2)) == bits([*held, *held])
    assert bits(model.learn(dataset)) == bits(held)
    model.compile(run_eagerly=True, steps_per_execution=7)
    assert bits(model.learn(dataset, epochs=2)) == bits([*held, *held])


@only_here
@pytest.mark.parametrize("steps", [10, 20, 40])
def test_keras_epochs_shorter_than_an_epoch_are_slices_of_it(sequence, steps):
    options = {"split": (0.0, 400 / 403)}  # 40 batches
    held, dataset, model = sequence(**options), sequence(**options).to_tf_dataset(), Seen()
    for _ in range(2):
        assert bits(model.learn(dataset, epochs=40 // steps, steps_per_epoch=steps)) == bits(held)


@only_here
def test_longer_ones_too_where_it_repeats(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset().repeat()
    assert bits(Seen().learn(dataset, epochs=2, steps_per_epoch=60)) == bits([*held, *held, *held][:120])


@only_here
def test_the_state_of_a_training_counts_steps_that_are_finished(sequence, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 5

    train, rest = sequence(), sequence()
    saving = seekless.SaveState(train)
    seen = Seen().learn(train.to_tf_dataset(), callbacks=[saving, Stop()])
    assert (saving.state().epoch, saving.state().steps) == (0, 6)
    rest.restore(saving.state())
    seen += Seen().learn(rest.to_tf_dataset())
    assert bits(seen) == bits(sequence())


@only_here
def test_evaluate_and_predict_keep_the_stores_order(make_store):
    x = np.arange(40, dtype=np.float32).reshape(-1, 1)
    dataset = seekless.StoreSequence(make_store(x), 16, shuffle=False).to_tf_dataset()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    for _ in range(2):
        assert model.predict(dataset, verbose=0).ravel().tolist() == list(range(40))


# errors, threads


@pytest.mark.usefixtures("damaged")
def test_the_error_of_a_damaged_block_is_kept(sequence, reading):
    train = sequence(shuffle=False)
    dataset = train.to_tf_dataset()
    with pytest.raises(tf.errors.OpError, match=r"numbered\.h5: block 20 of x is damaged"):
        batches(dataset)
    assert isinstance(train.error, seekless.StoreError)
    assert not reading()


def test_a_dataset_that_was_left_is_not_freed_by_a_thread_that_it_waits_for(sequence, reading):
    for epoch in range(20):
        left = iter(sequence().to_tf_dataset())
        next(left)
        cycle = [left]
        cycle.append(cycle)
        del left, cycle
        assert len(batches(sequence().to_tf_dataset())) == 41, epoch
    assert not reading()


EMPTY = {
    "no samples": {"split": (0.5, 0.5)},
    "no samples to transform": {"split": (0.5, 0.5), "transform": shifted},
    "no whole batch": {"batch_size": 500, "drop_remainder": True, "dtype": "float16"},
}


@pytest.mark.parametrize("options", EMPTY.values(), ids=EMPTY)
def test_where_there_is_no_batch_the_dataset_is_empty(sequence, options):
    dataset = sequence(**options).to_tf_dataset()
    assert int(dataset.cardinality()) == 0
    assert batches(dataset) == []

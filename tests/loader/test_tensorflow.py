"""A store's tf.data.Dataset gives the Sequence's batches bit for bit, in its order, epoch after epoch."""

import sys

import keras
import numpy as np
import pytest

import seekless
from seekless.errors import MissingExtraError
from seekless.loader import tensorflow as module

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

BATCH = 10


@pytest.fixture(autouse=True, params=[1, 50, 1 << 20], ids=["slabs of a batch", "small slabs", "one slab"])
def _slabs(request, monkeypatch):
    """Slabs of one batch, of several, of more than an epoch."""
    monkeypatch.setattr(module, "SLAB_BYTES", request.param * 12)


one_size = pytest.mark.parametrize("_slabs", [50], indirect=True)


@pytest.fixture
def sequence(numbered):
    """Return a function that makes a StoreSequence of 41 batches, the last of 3 samples, in 7 windows."""

    def make(batch_size=BATCH, **options):
        return seekless.StoreSequence(
            numbered.store, batch_size, **{"dtype": None, "window_bytes": numbered.window_bytes, "seed": 1, **options}
        )

    return make


def bits(batches):
    """Batches in a form that is equal where they are the same bit for bit."""
    arrays = [batch if isinstance(batch, tuple) else (batch,) for batch in batches]
    return [[(a.dtype, a.shape, np.ascontiguousarray(a).tobytes()) for a in map(np.asarray, batch)] for batch in arrays]


def batches(dataset):
    return list(dataset.as_numpy_iterator())


def shifted(x, y, rng):
    return np.broadcast_to(rng.random(dtype=np.float32), (len(x), 2)), y + rng.integers(9)


OPTIONS = {
    "stored values": {},
    "float32": {"dtype": "float32"},
    "float64": {"dtype": "float64"},
    "float16": {"dtype": "float16"},
    "batch": {"shuffle": "batch"},
    "full": {"shuffle": "full"},
    "in order": {"shuffle": False},
    "a part": {"split": (0.2, 0.7)},
    "dropped": {"drop_remainder": True},
    "a rank": {"shard": (1, 3)},
    "a rank, dropped": {"shard": (2, 3), "drop_remainder": True},
    "transformed": {"transform": shifted, "dtype": "float32"},
    "a rank, transformed": {"shard": (1, 3), "transform": shifted},
    "dropped and transformed": {"drop_remainder": True, "transform": shifted, "batch_size": 200},
    "one batch": {"batch_size": 1000},
    "one each": {"batch_size": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_gives_the_sequences_batches_epoch_after_epoch(sequence, options):
    held, other = sequence(**options), sequence(**options)
    dataset = other.to_tf_dataset()
    assert int(dataset.cardinality()) == len(held)
    for _ in range(3):
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


@one_size
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


@one_size
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


@one_size
def test_one_hot_and_weights_come_along(make_store):
    x = np.arange(100, dtype=np.uint8)
    store = make_store(x, x.astype(np.int64) % 7)
    held, other = (seekless.StoreSequence(store, 16, one_hot=True) for _ in range(2))
    assert bits(batches(other.to_tf_dataset())) == bits(held)
    assert other.to_tf_dataset().element_spec[1] == tf.TensorSpec((None, 7), tf.float32)


@one_size
def test_sample_weights_are_the_third_item(make_store):
    y = np.arange(40) % 4
    store, weights = make_store(np.arange(40, dtype=np.uint8), y), make_store(y / 8, name="weights.h5")
    store.tables["sample_weight"] = weights.tables["x"]
    held, other = (seekless.StoreSequence(store, 16, one_hot=True, shuffle=False) for _ in range(2))
    assert [len(batch) for batch in held] == [3, 3, 3]
    held = seekless.StoreSequence(store, 16, one_hot=True, shuffle=False)
    assert bits(batches(other.to_tf_dataset())) == bits(held)


@one_size
@pytest.mark.parametrize("dtype", ["float32", None], ids=str)
@pytest.mark.parametrize("transform", [None, lambda x, y, rng: (x + 1, y)], ids=["plain", "transformed"])
def test_without_targets_x_comes_alone(make_store, dtype, transform):
    store = make_store(np.arange(40, dtype=np.uint8).reshape(-1, 1))
    held, other = (seekless.StoreSequence(store, 16, dtype=dtype, transform=transform) for _ in range(2))
    dataset = other.to_tf_dataset()
    assert isinstance(dataset.element_spec, tf.TensorSpec)
    assert bits(batches(dataset)) == bits(held)


@pytest.fixture
def two_inputs(tmp_path):
    """300 samples of a picture and of seven numbers, with weights."""
    rng = np.random.default_rng(0)
    x = {"image": rng.integers(0, 256, (300, 5, 5, 3), dtype=np.uint8), "depth": rng.random((300, 7), dtype=np.float32)}
    path = tmp_path / "two.h5"
    seekless.write(path, x, y=rng.integers(0, 4, 300), sample_weight=rng.random(300, dtype=np.float32))
    return path


def two_outputs(x, y, rng):
    return {**x, "depth": x["depth"] + rng.random(dtype=np.float32)}, {"class": y, "odd": y % 2}


TWO = {
    "float32": {},
    "stored values": {"dtype": None},
    "float16": {"dtype": "float16"},
    "one-hot, dropped": {"one_hot": True, "drop_remainder": True},
    "transformed": {"transform": two_outputs},
}


@one_size
@pytest.mark.parametrize("options", TWO.values(), ids=TWO)
def test_several_inputs_come_by_name(two_inputs, options):
    def form(batch):
        return tf.nest.map_structure(lambda a: (a.dtype, a.shape, np.ascontiguousarray(a).tobytes()), batch)

    held, other = (seekless.StoreSequence(two_inputs, 32, **options) for _ in range(2))
    dataset = other.to_tf_dataset()
    for _ in range(2):
        assert [form(batch) for batch in batches(dataset)] == [form(batch) for batch in held]


@one_size
def test_shapes_are_known_as_far_as_they_can_be(sequence):
    assert [spec.shape for spec in sequence().to_tf_dataset().element_spec] == [(None, 3, 2), (None,)]
    dropped = sequence(drop_remainder=True).to_tf_dataset()
    assert [spec.shape for spec in dropped.element_spec] == [(10, 3, 2), (10,)]


@one_size
def test_the_transform_gets_its_own_random_numbers_in_processes_too(sequence):
    options = {"transform": shifted, "use_multiprocessing": True, "workers": 2}
    assert bits(batches(sequence(**options).to_tf_dataset())) == bits(sequence(transform=shifted))


# which epoch an iteration is


@one_size
def test_an_iteration_that_nobody_begins_uses_no_epoch_and_one_that_is_cut_uses_one(sequence):
    held, other = sequence(), sequence()
    dataset = other.to_tf_dataset()
    unused = iter(dataset)
    assert bits(dataset.take(3).as_numpy_iterator()) == bits(list(held)[:3])
    assert bits(batches(dataset)) == bits(held)
    assert bits(batches(other.to_tf_dataset())) == bits(held)  # another one of the same Sequence goes on
    assert bits(other) == bits(held)  # and so does the Sequence
    del unused


@one_size
def test_two_iterations_side_by_side_are_two_epochs(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset()
    pairs = list(zip(dataset.as_numpy_iterator(), dataset.as_numpy_iterator(), strict=True))
    assert bits(one for one, _ in pairs) == bits(held)
    assert bits(other for _, other in pairs) == bits(held)


@one_size
def test_repeated_it_goes_on_for_ever(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset().repeat()
    assert bits(dataset.take(100).as_numpy_iterator()) == bits([*held, *held, *held][:100])


def test_restored_it_gives_the_rest_of_its_epoch(sequence):
    held, other = sequence(), sequence(seed=5)
    state = held.state_at(2, 30)
    for restored in (held, other):
        restored.restore(state)
    dataset = other.to_tf_dataset()
    assert int(dataset.cardinality()) == 11
    assert bits(batches(dataset)) == bits(held)
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


@one_size
@only_here
def test_fits_go_on_with_the_epochs(sequence):
    held, dataset, model = sequence(), sequence().to_tf_dataset(), Seen()
    assert bits(model.learn(dataset, epochs=2)) == bits([*held, *held])
    assert bits(model.learn(dataset)) == bits(held)
    model.compile(run_eagerly=True, steps_per_execution=7)
    assert bits(model.learn(dataset, epochs=2)) == bits([*held, *held])


@one_size
@only_here
@pytest.mark.parametrize("steps", [10, 20, 40])
def test_keras_epochs_shorter_than_an_epoch_are_slices_of_it(sequence, steps):
    options = {"split": (0.0, 400 / 403)}  # 40 batches
    held, dataset, model = sequence(**options), sequence(**options).to_tf_dataset(), Seen()
    for _ in range(2):
        assert bits(model.learn(dataset, epochs=40 // steps, steps_per_epoch=steps)) == bits(held)


@one_size
@only_here
def test_longer_ones_too_where_it_repeats(sequence):
    held, dataset = sequence(), sequence().to_tf_dataset().repeat()
    assert bits(Seen().learn(dataset, epochs=2, steps_per_epoch=60)) == bits([*held, *held, *held][:120])


@one_size
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


@one_size
@only_here
def test_evaluate_and_predict_keep_the_stores_order(make_store):
    x = np.arange(40, dtype=np.float32).reshape(-1, 1)
    dataset = seekless.StoreSequence(make_store(x), 16, shuffle=False).to_tf_dataset()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    for _ in range(2):
        assert model.predict(dataset, verbose=0).ravel().tolist() == list(range(40))


# errors, threads


@pytest.fixture
def damaged(numbered):
    """Flip a bit in block 20."""
    with open(numbered.store.path, "r+b") as file:
        offset = int(numbered.store.tables["x"].offset[20])
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@one_size
@pytest.mark.usefixtures("damaged")
def test_a_damaged_block_is_named(sequence, reading):
    train = sequence(shuffle=False)
    dataset = train.to_tf_dataset()
    with pytest.raises(tf.errors.OpError, match=r"numbered\.h5: block 20 of x is damaged"):
        batches(dataset)
    assert isinstance(train.error, seekless.StoreError)
    assert not reading()


@one_size
def test_no_thread_is_left_of_an_iteration_that_is_cut(sequence, reading):
    dataset = sequence().to_tf_dataset()
    iterator = iter(dataset)
    next(iterator)
    del iterator
    assert not reading()
    batches(dataset)
    assert not reading()


@one_size
def test_without_tensorflow_the_extra_is_named(sequence, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r'found no TensorFlow .* pip install "seekless\[tensorflow\]"'):
        sequence().to_tf_dataset()


EMPTY = {
    "no samples": {"split": (0.5, 0.5)},
    "no samples to transform": {"split": (0.5, 0.5), "transform": shifted},
    "no whole batch": {"batch_size": 500, "drop_remainder": True, "dtype": "float16"},
}


@one_size
@pytest.mark.parametrize("options", EMPTY.values(), ids=EMPTY)
def test_where_there_is_no_batch_the_dataset_is_empty(sequence, options):
    dataset = sequence(**options).to_tf_dataset()
    assert int(dataset.cardinality()) == 0
    assert batches(dataset) == []

"""Batches of several inputs, of weighed samples and of targets of any dtype, as Keras takes them on every backend."""

import pickle

import keras
import numpy as np
import pytest

import seekless
from seekless.errors import LoaderError
from seekless.loader.batches import BatchMaker
from seekless.loader.options import BatchOptions

N, BATCH = 203, 10
NUMBER = np.arange(N)
# Each input of a sample shows the sample's number.
INPUTS = {"image": np.repeat(NUMBER, 12).reshape(N, 3, 4).astype(np.uint8), "age": NUMBER * 0.5}
WEIGHT = np.random.default_rng(2).random(N)


@pytest.fixture
def path(tmp_path):
    """A store of both inputs, four classes by number, and weights."""
    where = tmp_path / "data.h5"
    seekless.write(where, INPUTS, NUMBER % 4, sample_weight=WEIGHT, compression="none", block_bytes=200)
    return where


def numbers_of(batch):
    """Which samples a batch holds; all of a sample must stand together."""
    x, y, weight = batch
    numbers = np.rint(np.asarray(x["age"]) * 2).astype(int)
    assert np.array_equal(np.rint(np.asarray(x["image"]) * 255), INPUTS["image"][numbers])
    assert np.array_equal(y, numbers % 4)
    assert np.array_equal(weight, WEIGHT[numbers])
    return numbers.tolist()


def two_inputs(as_dict, outputs=4):
    """A model of both inputs, its weights drawn anew from one seed."""
    keras.utils.set_random_seed(3)
    image, age = keras.Input((3, 4), name="image"), keras.Input((), name="age")
    parts = [keras.layers.Flatten()(image), keras.layers.Reshape((1,))(age / 100)]
    answer = keras.layers.Dense(outputs, activation="softmax")(keras.layers.Concatenate()(parts))
    model = keras.Model({"image": image, "age": age} if as_dict else [image, age], answer)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False])
@pytest.mark.parametrize("window_bytes", [60 * 20, 1 << 20])
def test_samples_stay_whole_and_come_once(path, shuffle, window_bytes):
    store = seekless.open(path)
    batches = list(store.batches(BATCH, shuffle=shuffle, window_bytes=window_bytes, seed=1))
    assert sorted(number for batch in batches for number in numbers_of(batch)) == NUMBER.tolist()


def test_a_window_counts_the_bytes_of_all_inputs(path):
    maker = BatchMaker(seekless.open(path), BatchOptions(BATCH, window_bytes=600))
    assert maker.store.header.sample_bytes == 12 + 2
    assert maker.sizes.window == 600 // 14
    assert seekless.StoreSequence(path, BATCH, window_bytes=600).describe().window_bytes <= 600


@pytest.mark.parametrize("as_dict", [False, True], ids=["a list of inputs", "a dictionary"])
def test_fit_evaluate_and_predict_with_two_named_inputs(path, as_dict):
    sequence = seekless.StoreSequence(path, BATCH)
    x, y, weight = sequence[0]
    assert sorted(x) == ["age", "image"]
    model = two_inputs(as_dict)
    history = model.fit(sequence, epochs=2, verbose=0).history
    again = two_inputs(as_dict)
    store = seekless.open(path)
    losses = []
    for epoch in range(2):
        for x, y, weight in store.batches(BATCH, epoch=epoch):
            losses.append((float(again.train_on_batch(x, y, sample_weight=weight)), len(y)))
    for mine, other in zip(model.get_weights(), again.get_weights(), strict=True):
        assert np.allclose(mine, other, rtol=1e-4, atol=1e-5)
    ordered = seekless.StoreSequence(path, BATCH, shuffle=False)
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(model.evaluate(ordered, verbose=0))
    found = model.predict(ordered, verbose=0)
    whole = {"image": store["x/image"] / np.float32(255), "age": store["x/age"].astype(np.float32)}
    assert np.allclose(found, model.predict(whole, verbose=0, batch_size=BATCH), atol=1e-5)


def test_a_store_without_targets_gives_the_dictionary_alone(tmp_path):
    seekless.write(tmp_path / "data.h5", INPUTS, compression="none", shuffle=False)
    sequence = seekless.StoreSequence(tmp_path / "data.h5", BATCH, shuffle=False)
    assert np.array_equal(sequence[1]["age"], INPUTS["age"][10:20])
    assert two_inputs(False).predict(sequence, verbose=0).shape == (N, 4)


def test_weights_weigh(tmp_path):
    """With every weight on the samples of one target, that is what is learnt."""
    y = (NUMBER % 2).astype(np.float32)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    learnt = {}
    for name, weight in {"odd": NUMBER % 2, "even": 1 - NUMBER % 2}.items():
        seekless.write(tmp_path / f"{name}.h5", np.ones((N, 1)), y, sample_weight=weight, compression="none")
        model.set_weights([np.full((1, 1), 0.5)])
        model.fit(seekless.StoreSequence(tmp_path / f"{name}.h5", 10), epochs=4, verbose=0)
        learnt[name] = float(model.get_weights()[0][0, 0])
    assert learnt["odd"] == pytest.approx(1, abs=0.02)
    assert learnt["even"] == pytest.approx(0, abs=0.02)


def double(x, y, rng):
    return {"image": x["image"] * 0, "age": x["age"] + rng.integers(2, 3)}, y


def to_two_outputs(x, y, rng):
    return x, {"one": y[:, 0], "both": y}


def shorter(x, y, rng):
    return {**x, "age": x["age"][1:]}, y


def test_a_transform_gets_the_dictionary(path):
    sequence = seekless.StoreSequence(path, 50, shuffle=False, transform=double, one_hot=True)
    x, y, weight = sequence[1]
    plain, _, kept = seekless.StoreSequence(path, 50, shuffle=False)[1]
    assert np.array_equal(x["age"], plain["age"] + 2)
    assert not x["image"].any()
    assert y.shape == (50, 4)
    assert np.array_equal(weight, kept)


def test_a_transform_may_give_several_outputs(tmp_path):
    y = np.random.default_rng(1).random((N, 2), np.float32)
    seekless.write(tmp_path / "data.h5", INPUTS["image"], y, compression="none")
    image = keras.Input((3, 4))
    flat = keras.layers.Flatten()(image)
    outputs = {"one": keras.layers.Dense(1, name="one")(flat), "both": keras.layers.Dense(2, name="both")(flat)}
    model = keras.Model(image, outputs)
    model.compile("sgd", {"one": "mse", "both": "mse"})
    sequence = seekless.StoreSequence(tmp_path / "data.h5", BATCH, transform=to_two_outputs)
    assert np.isfinite(model.fit(sequence, verbose=0).history["loss"]).all()


def test_a_transform_that_shortens_one_input_is_told(path):
    with pytest.raises(LoaderError, match="transform: found 49 and 50 and 50 and 50 samples, expected as many x as y"):
        next(seekless.open(path).batches(50, transform=shorter))


def test_state_class_weights_and_copies_are_as_with_one_input(path):
    sequence = seekless.StoreSequence(path, BATCH, seed=5)
    assert sequence.class_weights() == {n: pytest.approx(N / (4 * (n == NUMBER % 4).sum())) for n in range(4)}
    first = [numbers_of(sequence[index]) for index in range(7)]
    other = seekless.StoreSequence(path, BATCH, seed=5)
    other.restore(sequence.state())
    copy = pickle.loads(pickle.dumps(other))
    rest = [numbers_of(batch) for batch in other]
    assert rest == [numbers_of(batch) for batch in copy]
    assert sorted(number for numbers in (*first, *rest) for number in numbers) == NUMBER.tolist()


FEW = np.random.default_rng(4).integers(0, 2, (N, 3))
TARGETS = {
    "classes of int8": ((NUMBER % 4).astype("i1"), "i8", "sparse_categorical_crossentropy"),
    "classes of uint64": ((NUMBER % 4).astype("u8"), "i8", "sparse_categorical_crossentropy"),
    "classes of bool": (NUMBER % 2 > 0, "i8", "sparse_categorical_crossentropy"),
    "names": (np.array(["a", "b", "é", "d"])[NUMBER % 4], "i8", "sparse_categorical_crossentropy"),
    "float64": (NUMBER / 7, "f8", "mse"),
    "float32": ((NUMBER / 7).astype("f4"), "f4", "mse"),
    "float16": ((NUMBER / 7).astype("f2"), "f2", "mse"),
    "vectors of float32": ((FEW / 3).astype("f4"), "f4", "mse"),
    "vectors of int64": (FEW * 5 - 2, "i8", "mse"),
    "several labels of uint8": (FEW.astype("u1"), "u1", "binary_crossentropy"),
    "several labels of bool": (FEW > 0, "?", "binary_crossentropy"),
    "masks of bool": (INPUTS["image"] % 2 > 0, "?", "binary_crossentropy"),
    "pictures of uint16": (INPUTS["image"].astype("u2"), "u2", "mse"),
}


@pytest.mark.parametrize(("y", "dtype", "loss"), TARGETS.values(), ids=TARGETS)
def test_targets_of_any_dtype(tmp_path, y, dtype, loss):
    expected = np.unique(y, return_inverse=True)[1].reshape(-1) if y.dtype.kind == "U" else y
    for name in ("data.npy.d", "data.h5"):
        seekless.write(tmp_path / name, INPUTS["image"], y, compression="none", block_bytes=200)
        store = seekless.open(tmp_path / name)
        assert store["y"].dtype == dtype
        assert np.array_equal(store["y"][np.argsort(store.keys)], expected)
    sequence = seekless.StoreSequence(store, BATCH, window_bytes=600)
    _, batch = sequence[0]
    assert (batch.dtype, batch.shape) == (np.dtype(dtype), (BATCH, *expected.shape[1:]))
    classes = loss.startswith("sparse")
    shape = (4,) if classes else expected.shape[1:] or (1,)
    layers = [
        keras.Input((3, 4)),
        keras.layers.Flatten(),
        keras.layers.Dense(int(np.prod(shape)), activation="sigmoid"),
    ]
    model = keras.Sequential([*layers, keras.layers.Reshape(shape)])
    model.compile("sgd", loss)
    assert np.isfinite(model.fit(sequence, verbose=0).history["loss"]).all()
    assert sequence.describe().blocks > 1

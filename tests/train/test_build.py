"""From --model to a compiled model: what is built, loaded and called, and what does not fit."""

import sys

import keras
import numpy as np
import pytest

from seekless.errors import OptionError, TrainError
from seekless.train.build import build_model, outputs_of, precision, wants_one_hot
from seekless.train.options import Options
from seekless.train.targets import Targets

CLASSES, NUMBERS = Targets("class", 4), Targets("number", shape=(3,))
NETS = """
import keras

def plain(shape, outputs):
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(outputs, activation="softmax")]
    return keras.Sequential(layers)

def compiled(shape, outputs):
    model = plain(shape, outputs)
    model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy", metrics=["mae", "accuracy"])
    return model

def on_schedule(shape, outputs):
    model = plain(shape, outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model

class Grown(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.dense = keras.layers.Dense(outputs)
    def call(self, x):
        return self.dense(keras.ops.reshape(x, (keras.ops.shape(x)[0], -1)))

def subclassed(shape, outputs):
    return Grown(outputs)

def none(shape, outputs):
    return None

def wrong(shape, outputs):
    return plain(shape, outputs + 1)

def two_inputs(shape, outputs):
    a, b = keras.Input(shape), keras.Input(shape)
    return keras.Model([a, b], keras.layers.Flatten()(a + b))

def two_outputs(shape, outputs):
    a = keras.Input(shape)
    return keras.Model(a, [keras.layers.Flatten()(a), keras.layers.Flatten()(a)])

not_callable = 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module in the current folder."""
    (tmp_path / "my_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    yield "my_nets"
    sys.modules.pop("my_nets", None)


def built(model="lenet", *, shape=(8, 8), targets=CLASSES, **options):
    return build_model(Options("data.h5", model=model, **options), shape, targets)


def test_a_named_model_is_compiled_for_classes_or_for_numbers():
    model = built()
    assert (type(model.optimizer).__name__, float(model.optimizer.learning_rate)) == ("Adam", pytest.approx(1e-3))
    assert (model.loss, model.layers[-1].activation) == ("sparse_categorical_crossentropy", keras.activations.softmax)
    model = built("lenet-wide", targets=NUMBERS)
    assert (model.loss, model.layers[-1].activation) == ("mse", keras.activations.linear)
    assert model.output_shape == (None, 3)


def test_what_is_given_is_taken():
    model = built(optimizer="sgd", learning_rate=0.25, loss="mae", metrics=("mse",))
    assert (type(model.optimizer).__name__, float(model.optimizer.learning_rate)) == ("SGD", 0.25)
    assert model.loss == "mae"
    model.evaluate(np.zeros((2, 8, 8)), np.zeros((2, 4)), verbose=0)
    assert set(model.get_metrics_result()) == {"loss", "mse"}
    assert type(built(optimizer="AdamW").optimizer).__name__ == "AdamW"


def test_a_function_is_called_with_the_shape_and_the_outputs(nets):
    path = list(sys.path)
    model = built(f"{nets}:plain", targets=NUMBERS)
    assert (model.input_shape, model.output_shape, model.loss) == ((None, 8, 8), (None, 3), "mse")
    assert sys.path == path


def test_a_subclassed_model_is_taken_too(nets):
    model = built(f"{nets}:subclassed")
    assert outputs_of(model, (8, 8), "--model x") == (4,)


def test_a_compiled_model_keeps_what_it_has(nets):
    model = built(f"{nets}:compiled")
    assert (float(model.optimizer.learning_rate), model.loss) == (0.5, "categorical_crossentropy")
    assert wants_one_hot(model, CLASSES)


def test_a_compiled_model_takes_what_is_given(nets):
    assert float(built(f"{nets}:compiled", learning_rate=0.125).optimizer.learning_rate) == 0.125
    model = built(f"{nets}:compiled", optimizer="adam")
    assert (type(model.optimizer).__name__, model.loss) == ("Adam", "categorical_crossentropy")
    model.evaluate(np.zeros((2, 8, 8)), np.eye(4)[:2], verbose=0)
    assert set(model.get_metrics_result()) == {"loss", "mae", "accuracy"}
    model = built(
        f"{nets}:compiled", loss="sparse_categorical_crossentropy", metrics=("accuracy",), learning_rate=0.125
    )
    assert (type(model.optimizer).__name__, float(model.optimizer.learning_rate)) == ("SGD", 0.125)
    assert not wants_one_hot(model, CLASSES)


def test_a_saved_model_goes_on_with_its_weights(nets, tmp_path):
    model = built(f"{nets}:compiled")
    model.save("one.keras")
    loaded = built("one.keras")
    assert all(map(np.array_equal, loaded.get_weights(), model.get_weights()))
    assert float(loaded.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize(("sample", "model"), [((8, 8), (8, 8, 1)), ((8, 8, 1), (8, 8)), ((8, 8), (None, 8))])
def test_a_last_axis_of_one_is_no_matter(tmp_path, sample, model):
    layers = [keras.Input(model), keras.layers.Flatten() if None not in model else keras.layers.GlobalMaxPooling1D()]
    keras.Sequential([*layers, keras.layers.Dense(4)]).save(tmp_path / "m.keras")
    loaded = built(str(tmp_path / "m.keras"), shape=sample)
    assert loaded.predict_on_batch(np.zeros((2, *sample), np.float32)).shape == (2, 4)


@pytest.mark.parametrize(
    ("sample", "found"),
    [((28, 28), "28 x 28"), ((64,), "64"), ((), "one value"), ((8, 8, 3), "8 x 8 x 3")],
    ids=["larger", "a line", "a number", "colour"],
)
def test_samples_that_a_saved_model_cannot_take_are_told(nets, tmp_path, sample, found):
    layers = [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(4)]
    keras.Sequential(layers).save("one.keras")
    with pytest.raises(
        TrainError, match=rf"--model one\.keras: found samples of shape {found}, expected 8 x 8, which is"
    ):
        built("one.keras", shape=sample)


WRONG = {
    "no module": ("nowhere:build", OptionError, "--model nowhere:build: found no module nowhere, expected one in the"),
    "no function": (
        "my_nets:deep",
        OptionError,
        r"found no function deep in .*my_nets\.py, expected deep\(sample_shape",
    ),
    "no callable": ("my_nets:not_callable", OptionError, r"found no function not_callable in .*my_nets\.py"),
    "no model": ("my_nets:none", TrainError, "found a function that returns NoneType, expected a keras.Model"),
    "outputs": (
        "my_nets:wrong",
        TrainError,
        "found a model that gives 5 for a sample, expected 4: the targets are 4 cl",
    ),
    "inputs": ("my_nets:two_inputs", TrainError, "found a model of 2 inputs, expected one input"),
    "two outputs": ("my_nets:two_outputs", TrainError, "found a model of 2 outputs, expected one output"),
    "no file": ("gone.keras", OptionError, r"found no file gone\.keras, expected a model that Keras saved"),
    "no model file": (
        "bad.keras",
        TrainError,
        r"found bad\.keras, which Keras cannot load \(.+\), expected a whole model",
    ),
}


@pytest.mark.parametrize(("model", "error", "message"), WRONG.values(), ids=WRONG)
def test_a_model_that_does_not_do_is_told(nets, tmp_path, model, error, message):
    (tmp_path / "bad.keras").write_text("not a model")
    with pytest.raises(error, match=message):
        built(model)


def test_a_module_that_a_module_lacks_is_no_matter_of_ours(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import gone_for_good\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="gone_for_good"):
        built("lacking:build")


def test_a_rate_for_a_schedule_is_told(nets):
    with pytest.raises(
        OptionError, match=r"--learning-rate: found 0\.1 for a model whose optimizer follows a schedule"
    ):
        built(f"{nets}:on_schedule", learning_rate=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": "adom"}, "--optimizer: found 'adom', expected one of Adadelta, .*SGD"),
        ({"loss": "adom"}, "--loss: found 'adom', expected auto, or the name of a Keras loss"),
        ({"metrics": ("acc", "adom")}, "--metrics: found 'adom', expected names of Keras metrics"),
    ],
)
def test_a_name_that_keras_does_not_know_is_told(given, message):
    with pytest.raises(OptionError, match=message):
        built(**given)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ("sparse_categorical_crossentropy", False),
        ("categorical_crossentropy", True),
        ("mse", True),
        (keras.losses.CategoricalHinge(), True),
        (keras.losses.SparseCategoricalCrossentropy(), False),
        (lambda true, predicted: keras.ops.mean(predicted), False),
    ],
    ids=["sparse", "categorical", "mse", "object", "sparse object", "the user's own"],
)
def test_losses_are_given_the_targets_they_want(loss, rows):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model.compile(loss=loss)
    assert wants_one_hot(model, CLASSES) is rows
    assert not wants_one_hot(model, NUMBERS)


def test_one_output_for_two_classes_is_taken_as_it_is(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")]).save(tmp_path / "m.keras")
    model = built(str(tmp_path / "m.keras"), shape=(2,), targets=Targets("class", 2), loss="binary_crossentropy")
    assert not wants_one_hot(model, Targets("class", 2))


def test_mixed_precision_computes_in_16_bits_and_leaves_no_trace():
    before = keras.config.dtype_policy().name
    with precision(mixed=True):
        model = built()
    assert keras.config.dtype_policy().name == before
    assert model.layers[1].compute_dtype in ("float16", "bfloat16")
    assert (model.layers[1].variable_dtype, model.layers[-1].compute_dtype) == ("float32", "float32")
    with precision(mixed=False):
        assert built().layers[1].compute_dtype == "float32"

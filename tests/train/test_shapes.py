"""Training from a store of several inputs and of weighed samples: models of one's own take them, LeNets say why not."""

import csv
import sys

import numpy as np
import pytest

import seekless
from seekless.errors import OptionError, TrainError
from seekless.train.build import build_model, check_input, outputs_of
from seekless.train.fit import train_model
from seekless.train.options import METHODS, Options
from seekless.train.shapes import of_store, samples_in
from seekless.train.targets import Targets
from seekless.train.trained import evaluate, predict

SHAPES = {"age": (), "image": (4, 3)}
NETS = """
import keras

def two(shapes, outputs):
    inputs = [keras.Input(shape, name=name) for name, shape in shapes.items()]
    flat = [keras.layers.Reshape((1,))(one) if len(one.shape) == 1 else keras.layers.Flatten()(one) for one in inputs]
    answer = keras.layers.Dense(outputs, activation="softmax")(keras.layers.Concatenate()(flat))
    return keras.Model(inputs, answer)

def one(shapes, outputs):
    return keras.Sequential([keras.Input((4, 3), name="picture"), keras.layers.Flatten(), keras.layers.Dense(outputs)])

class Grown(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.dense = keras.layers.Dense(outputs)
    def call(self, x):
        return self.dense(keras.ops.reshape(x["image"], (-1, 12)))

def grown(shapes, outputs):
    return Grown(outputs)
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module in the current folder."""
    (tmp_path / "several_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    yield "several_nets"
    sys.modules.pop("several_nets", None)


@pytest.fixture
def path(tmp_path):
    """A store whose class the age tells, and in which only samples of class 1 count."""
    y = np.arange(200) % 2
    image = np.random.default_rng(1).integers(0, 256, (200, 4, 3)).astype(np.uint8)
    x = {"image": image, "age": y * 4.0 - 2}
    seekless.write(tmp_path / "data.h5", x, y, compression="none")
    return tmp_path / "data.h5"


def test_shapes_and_samples_of_one_and_of_several(path, tmp_path):
    assert of_store(seekless.open(path)) == SHAPES
    seekless.write(tmp_path / "one.h5", np.zeros((5, 2, 3)))
    assert of_store(seekless.open(tmp_path / "one.h5")) == (2, 3)
    assert samples_in({"a": np.zeros((4, 2)), "b": np.zeros(4)}) == samples_in(np.zeros((4, 2))) == 4


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_ones_own_learns_from_both_inputs(nets, path, tmp_path, method):
    options = Options(
        str(path),
        out=str(tmp_path / "runs"),
        quiet=True,
        model=f"{nets}:two",
        epochs=5,
        method=method,
        learning_rate=0.05,
    )
    result = train_model(options)
    assert result.accuracy > 0.9
    run = str(result.folder)
    assert evaluate(run, str(path))["accuracy"] > 0.9
    assert predict(run, str(path), str(tmp_path / "out.csv"), progress=False) == 200
    with open(tmp_path / "out.csv", newline="") as file:
        lines = {line["key"]: int(line["class"]) for line in csv.DictReader(file)}
    store = seekless.open(path)
    right = [lines[key] == y for key, y in zip(store.keys, store["y"].tolist(), strict=True)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_samples_weigh(nets, tmp_path, method):
    y = np.arange(200) % 2
    x = {"image": np.zeros((200, 4, 3), np.uint8), "age": np.zeros(200)}
    seekless.write(tmp_path / "data.h5", x, y, sample_weight=y == 1, compression="none")
    options = Options("data.h5", quiet=True, model=f"{nets}:two", epochs=4, method=method, learning_rate=0.1)
    result = train_model(options)
    predict(str(result.folder), "data.h5", "out.csv", progress=False)
    with open("out.csv", newline="") as file:
        assert {line["class"] for line in csv.DictReader(file)} == {"1"}


def test_weights_of_samples_and_of_classes_are_not_taken_together(nets, tmp_path):
    seekless.write(tmp_path / "data.h5", np.zeros((20, 8, 8)), np.arange(20) % 2, sample_weight=np.ones(20))
    with pytest.raises(
        OptionError, match=r"--class-weight: found weights of samples in data\.h5, expected none beside it"
    ):
        train_model(Options("data.h5", quiet=True, class_weight="balanced"))


def test_a_subclassed_model_is_asked_with_a_dictionary(nets):
    model = build_model(Options("data.h5", model=f"{nets}:grown"), SHAPES, Targets("class", 4))
    check_input(model, SHAPES, "--model x")
    assert outputs_of(model, SHAPES, "--model x") == (4,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("lenet", "--model lenet: found samples of the inputs age, image, expected one input; give a model that takes"),
        ("lenet-wide", "--model lenet-wide: found samples of the inputs age, image, expected one input"),
        ("several_nets:one", "found the inputs age of one value, image of 4 x 3, expected picture of 4 x 3, which is"),
    ],
)
def test_a_model_of_one_input_is_refused(nets, path, model, message):
    with pytest.raises(TrainError, match=message):
        train_model(Options(str(path), quiet=True, model=model))


def test_inputs_of_other_shapes_are_refused(nets, path):
    model = build_model(Options("data.h5", model=f"{nets}:two"), SHAPES, Targets("class", 4))
    with pytest.raises(
        TrainError, match=r"found the inputs age of one value, image of 5 x 3, expected .* image of 4 x 3"
    ):
        check_input(model, {"age": (), "image": (5, 3)}, "--model x")

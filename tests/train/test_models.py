"""The two LeNets are the article's, to the last parameter."""

import keras
import numpy as np
import pytest

from seekless.errors import TrainError
from seekless.train.models import MODELS, lenet, lenet_wide
from seekless.train.options import MODEL_NAMES


def test_every_model_that_can_be_named_is_there():
    assert tuple(MODELS) == MODEL_NAMES


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)], ids=["height x width", "with a channel"])
@pytest.mark.parametrize(("build", "parameters"), [(lenet, 105_166), (lenet_wide, 1_256_080)], ids=["lenet", "wide"])
def test_parameters_are_as_many_as_the_articles(build, parameters, shape):
    model = build(shape, 10)
    assert model.count_params() == parameters
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    ("build", "filters", "dense"),
    [(lenet, [6, 16], [120, 64]), (lenet_wide, [20, 50], [500])],
    ids=["lenet", "wide"],
)
def test_layers_are_the_articles(build, filters, dense):
    layers = build((28, 28), 10).layers
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    full = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
    poolings = [layer for layer in layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [layer.filters for layer in convolutions] == filters
    assert [layer.units for layer in full] == [*dense, 10]
    assert len(poolings) == 2
    for layer in convolutions:
        assert (layer.kernel_size, layer.padding, layer.activation) == ((5, 5), "same", keras.activations.relu)
        assert isinstance(layer.kernel_initializer, keras.initializers.HeUniform)
    for layer in full:
        assert layer.activation == (keras.activations.softmax if layer is full[-1] else keras.activations.relu)
        assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
    for layer in poolings:
        assert (layer.pool_size, layer.strides) == ((2, 2), (2, 2))


@pytest.mark.parametrize("build", [lenet, lenet_wide], ids=["lenet", "wide"])
@pytest.mark.parametrize(
    ("shape", "classes"),
    [((28, 28, 3), 10), ((4, 4), 2), ((9, 30, 4), 3)],
    ids=["colour", "smallest", "odd sides"],
)
def test_probabilities_come_out(build, shape, classes):
    found = build(shape, classes)(np.random.default_rng(0).random((5, *shape), np.float32))
    assert found.shape == (5, classes)
    assert np.asarray(found).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((), "one value"),
        ((784,), "784"),
        ((28, 3), "28 x 3"),
        ((3, 28, 28), "3 x 28 x 28"),
        ((2, 28, 28, 1), "2 x 28 x 28 x 1"),
    ],
    ids=["a number", "a line", "too narrow", "channels first", "a film"],
)
def test_samples_that_are_no_pictures_are_told(name, shape, found):
    message = f"--model {name}: found samples of shape {found}, expected pictures: .*4 x 4 or larger"
    with pytest.raises(TrainError, match=message):
        MODELS[name](shape, 10)


@pytest.mark.parametrize("build", [lenet, lenet_wide], ids=["lenet", "wide"])
def test_numbers_come_out_as_they_are(build):
    model = build((8, 8), 3, linear=True)
    assert model.layers[-1].activation == keras.activations.linear
    assert model.output_shape == (None, 3)

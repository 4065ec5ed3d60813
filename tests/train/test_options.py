"""Options check themselves and name themselves as the user typed them."""

import pytest

from seekless.errors import OptionError
from seekless.train.options import Options


def test_a_store_is_enough():
    options = Options(store="data.h5")
    assert (options.model, options.method, options.epochs, options.batch_size) == ("lenet", "fit", 5, 64)
    assert (options.learning_rate, options.seed, options.test_fraction, options.out) == (1e-3, 0, None, "runs")


WRONG = {
    "model": ({"model": "alexnet"}, "--model: found 'alexnet', expected one of lenet, lenet-wide"),
    "method": ({"method": "guess"}, "--method: found 'guess', expected one of fit, train-on-batch"),
    "epochs": ({"epochs": 0}, "--epochs: found 0, expected 1 or more"),
    "batch size": ({"batch_size": -1}, "--batch-size: found -1, expected 1 or more"),
    "rate 0": ({"learning_rate": 0.0}, r"--learning-rate: found 0\.0, expected a number above 0"),
    "rate infinite": ({"learning_rate": float("inf")}, "--learning-rate: found inf, expected a number above 0"),
    "rate nan": ({"learning_rate": float("nan")}, "--learning-rate: found nan, expected a number above 0"),
    "seed": ({"seed": -1}, "--seed: found -1, expected 0 to 4294967295"),
    "large seed": ({"seed": 2**32}, "--seed: found 4294967296, expected 0 to 4294967295"),
    "no test": ({"test_fraction": 0.0}, r"--test-fraction: found 0\.0, expected a number between 0 and 1"),
    "all test": ({"test_fraction": 1.0}, r"--test-fraction: found 1\.0, expected a number between 0 and 1"),
    "two sources": ({"files": "data"}, "--store, --files: found both, expected one: a store, or a folder"),
    "no source": ({"store": None}, "--store, --files: found neither, expected one: a store, or a folder"),
    "labels": ({"labels": "target.csv"}, "--labels: found together with --store, expected only with --files"),
    "size": ({"size": (8, 8)}, "--size: found together with --store, expected only with --files"),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_an_option_error(given, message):
    with pytest.raises(OptionError, match=message):
        Options(**{"store": "data.h5", **given})


@pytest.mark.parametrize(
    "given",
    [{"seed": 2**32 - 1}, {"test_fraction": 0.5}, {"epochs": 1, "batch_size": 1}, {"learning_rate": 1e-9}],
    ids="-".join,
)
def test_values_at_the_edge_are_taken(given):
    assert Options(store="data.h5", **given)


def test_decoding_names_only_what_is_given():
    options = Options(files="data", labels="target.csv", size=(8, 9), channels=1)
    assert options.decoding == {"labels": "target.csv", "size": (8, 9), "channels": 1}

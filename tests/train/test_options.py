"""Options check themselves and name themselves as the user typed them."""

import json

import pytest

from seekless.errors import OptionError
from seekless.train.options import Options


def test_a_store_is_enough():
    options = Options(store="data.h5")
    assert (options.model, options.method, options.epochs, options.batch_size) == ("lenet", "fit", 5, 64)
    assert (options.learning_rate, options.seed, options.test_fraction, options.out) == (None, 0, None, "runs")
    assert options.decoding == {}


WRONG = {
    "model": ({"model": "alexnet"}, "--model: found 'alexnet', expected one of lenet, lenet-wide, package"),
    "path": ({"model": "models/net.py:build"}, r"--model: found 'models/net.py:build', expected one of lenet"),
    "method": ({"method": "guess"}, "--method: found 'guess', expected one of fit, train-on-batch"),
    "epochs": ({"epochs": 0}, "--epochs: found 0, expected 1 or more"),
    "batch size": ({"batch_size": -1}, "--batch-size: found -1, expected 1 or more"),
    "rate 0": ({"learning_rate": 0.0}, r"--learning-rate: found 0\.0, expected a number above 0"),
    "rate infinite": ({"learning_rate": float("inf")}, "--learning-rate: found inf, expected a number above 0"),
    "rate nan": ({"learning_rate": float("nan")}, "--learning-rate: found nan, expected a number above 0"),
    "seed": ({"seed": -1}, "--seed: found -1, expected 0 to 4294967295"),
    "large seed": ({"seed": 2**32}, "--seed: found 4294967296, expected 0 to 4294967295"),
    "no patience": ({"rank_timeout": 0.0}, r"--rank-timeout: found 0\.0, expected seconds above 0"),
    "no test": ({"test_fraction": 0.0}, r"--test-fraction: found 0\.0, expected a number between 0 and 1"),
    "all test": ({"test_fraction": 1.0}, r"--test-fraction: found 1\.0, expected a number between 0 and 1"),
    "two sources": ({"files": "data"}, "--store, --files: found both, expected one: a store, or a folder"),
    "no source": ({"store": None}, "--store, --files: found neither, expected one: a store, or a folder"),
    "labels": ({"labels": "target.csv"}, "--labels: found together with --store, expected only with --files"),
    "column": ({"target_columns": ("a",)}, "--target-column: found together with --store, expected only with --files"),
    "skip": ({"skip_rows": 1}, "--skip-rows: found together with --store, expected only with --files"),
    "window": (
        {"store": None, "files": "data", "window_bytes": 9},
        "--window-bytes: found together with --files, expected only with --store",
    ),
    "workers of files": (
        {"store": None, "files": "data", "workers": 2},
        "--workers: found together with --files, expected only with --store",
    ),
    "no workers": ({"workers": 0}, "--workers: found 0, expected 1 or more"),
    "never saved": ({"save_every": 0.0}, r"--save-every: found 0\.0, expected seconds above 0"),
    "no window": ({"window_bytes": 0}, "--window-bytes: found 0, expected 1 or more"),
    "mixed files": (
        {"store": None, "files": "data", "shuffle": "window"},
        "--shuffle: found 'window' with --files, expected full or none",
    ),
    "shuffle": ({"shuffle": "some"}, "--shuffle: found 'some', expected one of window, batch, full, none"),
    "backend": ({"backend": "mxnet"}, "--backend: found 'mxnet', expected one of tensorflow, jax, torch"),
    "weights": ({"class_weight": "equal"}, "--class-weight: found 'equal', expected one of balanced"),
    "no validation": (
        {"validation_fraction": 0.0},
        r"--validation-fraction: found 0\.0, expected a number between 0 and",
    ),
    "patience": ({"early_stopping": 0}, "--early-stopping: found 0, expected 1 or more"),
    "name": ({"name": "../x"}, "--name: found '../x', expected the name of a folder, without a path"),
    "no name": ({"name": ""}, "--name: found '', expected the name of a folder"),
    "board": (
        {"tensorboard": True, "method": "train-on-batch"},
        "--tensorboard: found with --method train-on-batch, expected --method fit",
    ),
    "precision": (
        {"mixed_precision": True, "model": "a.keras"},
        r"--mixed-precision: found with a\.keras, whose layers keep the precision they were saved with",
    ),
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


@pytest.mark.parametrize(
    ("model", "function"),
    [
        ("nets:build", ("nets", "build")),
        ("my.nets.deep:make_2", ("my.nets.deep", "make_2")),
        ("lenet", None),
        ("run/model.keras", None),
    ],
)
def test_a_function_is_told_from_a_file(model, function):
    assert Options("data.h5", model=model).model_function == function


def test_every_option_goes_into_the_configuration():
    found = Options("data.h5", metrics=("accuracy", "mae"), window_bytes=9).as_dict()
    assert set(found) == set(Options.__dataclass_fields__)
    assert (found["metrics"], found["window_bytes"]) == (("accuracy", "mae"), 9)


def test_options_come_back_from_json():
    options = Options(
        files="data",
        target_columns=("a", "b"),
        shape=(2, 3),
        columns=(0, 1),
        size=(4, 5),
        metrics=("mae",),
        save_every=1.5,
    )
    assert Options.from_dict(json.loads(json.dumps(options.as_dict()))) == options


def test_options_of_another_version_are_told():
    with pytest.raises(OptionError, match="options: found deadline, which this version of seekless does not know"):
        Options.from_dict({"store": "a.h5", "deadline": 3})

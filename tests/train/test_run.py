"""What happens from epoch to epoch: the best model, when to stop, and every option by either method."""

import importlib.util
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from seekless.errors import MissingExtraError, OptionError
from seekless.train.fit import train_model
from seekless.train.options import METHODS, Options
from seekless.train.run import check_tensorboard

pytestmark = pytest.mark.usefixtures("quick")


def trained(path, tmp_path, **options):
    given = {"out": str(tmp_path / "runs"), "quiet": True, "epochs": 1, "batch_size": 50, **options}
    return train_model(Options(str(path), **given))


@pytest.fixture
def scripted(monkeypatch):
    """Let `evaluate` give losses of a script, one after the other, whatever the model; the weights count the epochs."""

    def play(losses):
        left = iter(losses)
        evaluate = keras.Model.evaluate

        def scripted_evaluate(self, *arguments, **words):
            found = evaluate(self, *arguments, **words)
            return {**found, "loss": next(left, 99.0)}

        monkeypatch.setattr(keras.Model, "evaluate", scripted_evaluate)

    return play


@pytest.mark.parametrize("method", METHODS)
def test_early_stopping_tests_the_best_model(learnable, tmp_path, scripted, method, capsys):
    scripted([3.0, 1.0, 2.0, 2.0, 7.0])
    options = {"method": method, "epochs": 9, "early_stopping": 2, "validation_fraction": 0.2, "quiet": False}
    result = trained(learnable(), tmp_path, **options)
    assert [epoch["val_loss"] for epoch in result.history] == [3.0, 1.0, 2.0, 2.0]
    assert (result.best, result.loss) == (2, 7.0)
    assert "stopped: epoch 2 was the best, and 2 since were no better\n" in capsys.readouterr().out
    x = np.random.default_rng(0).random((5, 8, 8), np.float32)
    best, last = (keras.models.load_model(result.folder / name) for name in ("model-best.keras", "model.keras"))
    assert not np.allclose(best(x), last(x))
    assert int(best.optimizer.iterations) == 2 * 6
    assert int(last.optimizer.iterations) == 4 * 6


def test_early_stopping_without_a_validation_part_says_what_that_means(learnable, tmp_path, capsys):
    trained(learnable(), tmp_path, early_stopping=3, quiet=False)
    assert "--early-stopping looks at the test part, so its result will flatter the model" in capsys.readouterr().err


def test_a_validation_part_is_named_and_kept_out_of_the_test(learnable, tmp_path, capsys):
    result = trained(learnable(), tmp_path, validation_fraction=0.25, quiet=False)
    first, epoch, *_ = capsys.readouterr().out.splitlines()
    assert first == "lenet, 260 parameters: 270 samples to train, 90 to validate, 40 to test"
    assert "  val loss " in epoch
    assert json.loads((result.folder / "config.json").read_text())["samples"] == {
        "train": 270,
        "validation": 90,
        "test": 40,
    }


OPTIONS = {
    "optimizer": {"optimizer": "sgd", "learning_rate": 0.1},
    "loss": {"loss": "categorical_crossentropy"},
    "metrics": {"metrics": ("accuracy", "sparse_top_k_categorical_accuracy")},
    "class weight": {"class_weight": "balanced"},
    "class weight of rows": {"class_weight": "balanced", "loss": "categorical_crossentropy"},
    "mixed precision": {"mixed_precision": True},
    "order": {"shuffle": "none", "window_bytes": 64 * 50},
    "name": {"name": "my run"},
}


@pytest.mark.parametrize("given", OPTIONS.values(), ids=OPTIONS)
def test_every_option_works_with_both_methods_alike(learnable, tmp_path, given):
    path = learnable(200)
    results = [trained(path, tmp_path / method, method=method, epochs=2, batch_size=60, **given) for method in METHODS]
    one, other = ([*result.history[-1].values()] for result in results)
    assert list(results[0].history[0]) == list(results[1].history[0])
    tolerance = 0.1 if "mixed_precision" in given else 2e-3
    assert one == pytest.approx(other, rel=tolerance, abs=tolerance)
    config = json.loads((results[0].folder / "config.json").read_text())
    for name, value in given.items():
        assert config["options"][name] == (list(value) if isinstance(value, tuple) else value)
    assert results[0].folder.name == given.get("name", "data-1")


def test_weights_let_a_rare_class_count(make_store, tmp_path):
    """Of samples that all look alike the common class is the answer, unless each class counts alike."""
    y = np.array([0] * 90 + [1] * 10).repeat(4)
    y = np.random.default_rng(0).permutation(y)
    path = make_store(np.full((400, 8, 8), 100, np.uint8), y)
    options = {"epochs": 6, "learning_rate": 0.05}
    answers = []
    for weight in (None, "balanced"):
        result = trained(path, tmp_path, class_weight=weight, **options)
        model = keras.models.load_model(result.folder / "model.keras")
        answers.append(np.asarray(model(np.full((1, 8, 8), 100 / 255, np.float32)))[0, 1])
    assert answers[0] < 0.25
    assert 0.35 < answers[1] < 0.65


def test_weights_for_numbers_are_refused(make_store, tmp_path):
    path = make_store(np.zeros((40, 8, 8), np.uint8), np.linspace(0, 1, 40), kind="number")
    with pytest.raises(OptionError, match="--class-weight: found targets that are one number, expected classes"):
        trained(path, tmp_path, class_weight="balanced")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [1, 2])
def test_numbers_are_learnt(make_store, tmp_path, method, width):
    y = np.random.default_rng(0).random((400, width))
    x = np.broadcast_to(np.rint(255 * y).astype(np.uint8).repeat(8 // width, axis=1)[:, None, :], (400, 8, 8))
    path = make_store(np.ascontiguousarray(x), y[:, 0] if width == 1 else y, kind="number")
    result = trained(path, tmp_path, method=method, epochs=12, learning_rate=0.02)
    assert list(result.scores) == ["loss", "mae"]
    assert result.scores["mae"] < 0.1  # 0.25 without having learnt
    assert str(result).splitlines()[1].startswith("Test mae: 0.")
    assert not {"confusion.png", "mistakes.png"} & set(result.files)


def test_a_function_of_the_users_is_trained(learnable, tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(
        "import keras\n\ndef build(shape, outputs):\n    layers = [keras.Input(shape), keras.layers.Flatten()]\n"
        "    return keras.Sequential([*layers, keras.layers.Dense(outputs, activation='softmax')])\n"
    )
    monkeypatch.chdir(tmp_path)
    result = trained(learnable(), tmp_path, model="own_nets:build", epochs=8, learning_rate=0.05)
    sys.modules.pop("own_nets")
    assert result.accuracy > 0.9
    again = trained(tmp_path / "data.h5", tmp_path, model=str(result.folder / "model.keras"), epochs=1)
    assert again.history[0]["loss"] < result.history[0]["loss"]


def test_training_that_waits_for_data_says_once_what_would_help(tiny_csv, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seekless.train.waiting.NOTICED", 0.0)
    monkeypatch.setattr("seekless.train.waiting.WORTH_SAYING", -1.0)
    train_model(Options(files=str(tiny_csv.root), out=str(tmp_path), epochs=2, batch_size=16))
    said = [line for line in capsys.readouterr().err.splitlines() if "convert the files to a store" in line]
    assert len(said) == 1


def test_advice_on_a_store_says_by_what_it_is_read(learnable, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("seekless.train.waiting.NOTICED", 0.0)
    monkeypatch.setattr("seekless.train.waiting.WORTH_SAYING", -1.0)
    trained(learnable(), tmp_path, quiet=False)
    (said,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("training waits for data "))
    assert "; the store is read by pread: " in said


# TensorBoard


@pytest.fixture
def packages(monkeypatch):
    """Let some packages be missing."""
    find = importlib.util.find_spec

    def missing(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find(name))

    return missing


@pytest.mark.parametrize("name", ["tensorflow", "tensorboard"])
def test_a_package_that_tensorboard_needs_is_named(packages, learnable, tmp_path, name):
    packages(name)
    message = f"--tensorboard: found no package {name}, which Keras writes it with; pip install {name}"
    if name == "tensorflow":
        with pytest.raises(MissingExtraError, match=message):
            check_tensorboard()
        return
    with pytest.raises(MissingExtraError, match=message):
        trained(learnable(), tmp_path, tensorboard=True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs the package tensorboard")
def test_tensorboard_finds_its_events(learnable, tmp_path):
    result = trained(learnable(), tmp_path, tensorboard=True)
    kinds = {Path(path).parent.name for path in (result.folder / "tensorboard").rglob("events.out.*")}
    assert kinds == {"train", "validation"}

"""A training from store to folder: what the model is given, what the numbers mean, what is left."""

import csv
import json
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from seekless.errors import SourceError, StoreFormatError, TrainError
from seekless.loader.sequence import StoreSequence
from seekless.train.fit import train_model
from seekless.train.models import MODELS
from seekless.train.options import METHODS, Options


def options(path, tmp_path, **others) -> Options:
    return Options(str(path), out=str(tmp_path / "runs"), **{"quiet": True, **others})


# a real model


@pytest.mark.parametrize("method", METHODS)
def test_a_model_learns_and_leaves_a_folder_that_shows_it(learnable, tmp_path, capsys, method):
    path = learnable(name="digits.h5")
    result = train_model(options(path, tmp_path, method=method, epochs=3, learning_rate=3e-3, quiet=False))
    assert result.accuracy > 0.9
    assert result.folder == tmp_path / "runs" / "digits-1"
    left = {file.name for file in result.folder.iterdir()}
    assert left - {"mistakes.png"} == {
        *("model.keras", "model-best.keras", "checkpoint.npz", "history.csv", "history.png", "confusion.png"),
        *("result.json", "config.json", "log.txt"),
    }
    assert ("mistakes.png" in left) == (result.accuracy < 1)

    test = StoreSequence(path, 40, split=(0.9, 1.0), shuffle=False)
    loss, accuracy = keras.models.load_model(result.folder / "model.keras").evaluate(test, verbose=0)
    assert (loss, accuracy) == pytest.approx((result.loss, result.accuracy), rel=1e-4)

    with open(result.folder / "history.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line.pop("epoch") for line in lines] == ["1", "2", "3"]
    history = [{name: float(value) for name, value in line.items()} for line in lines]
    assert history == result.history
    assert list(history[0]) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert (history[-1]["val_loss"], history[-1]["val_accuracy"]) == pytest.approx((result.loss, result.accuracy))
    assert history[-1]["loss"] < history[0]["loss"]

    with Image.open(result.folder / "history.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 504))

    config = json.loads((result.folder / "config.json").read_text())
    assert set(config) == {"data", "options", "samples", "versions"}
    assert (config["options"]["method"], config["options"]["epochs"]) == (method, 3)
    assert config["samples"] == {"train": 360, "test": 40}
    assert config["data"]["store"] == str(path)
    assert {"seekless", "keras", "numpy", "h5py", "python", "backend"} <= set(config["versions"])

    shown = capsys.readouterr().out
    first, *lines = shown.splitlines()
    logged = (result.folder / "log.txt").read_text().splitlines()
    assert [logged[0], *logged[6:]][: 1 + len(lines)] == [first, *lines]
    assert [line.split()[0] for line in logged[1:6]] == ["reader", "order", "window", "batch", "labels"]
    assert first == "lenet, 18,376 parameters: 360 samples to train, 40 to test"
    assert [line.split("  ")[0] for line in lines[::2]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(re.match(r" {11}[\d,]+ samples/s, \d+% of it waiting for data", line) for line in lines[1::2])
    assert all(len(line) < 80 for line in lines)
    last, line = history[-1], lines[-2]
    assert f"loss {last['loss']:.4f} acc {last['accuracy']:.4f}" in line
    assert f"test loss {last['val_loss']:.4f} acc {last['val_accuracy']:.4f}" in line


def test_the_same_seed_gives_the_same_training_by_either_method(learnable, tmp_path):
    """The same weights at first and the same batches in the same order; rounding is left to TensorFlow's threads."""
    path, methods = learnable(200), ("fit", "fit", "train-on-batch")
    histories = [train_model(options(path, tmp_path, epochs=1, seed=1, method=method)).history for method in methods]
    one, same, other = (list(history[0].values()) for history in histories)
    assert one == pytest.approx(same, rel=1e-3)
    assert one == pytest.approx(other, rel=1e-3)


def test_loose_files_train_too(tiny_csv, tmp_path):
    result = train_model(Options(files=str(tiny_csv.root), out=str(tmp_path), quiet=True, epochs=1))
    assert result.folder.name == "data-1"
    assert np.isfinite(result.loss)
    config = json.loads((result.folder / "config.json").read_text())
    assert config["data"]["files"] == str(tiny_csv.root)
    assert config["samples"] == {"train": 117, "test": 13}


def test_samples_that_the_model_cannot_take_are_told_and_no_run_is_begun(make_store, tmp_path):
    path = make_store(np.zeros((40, 784), np.uint8), np.arange(40) % 3)
    with pytest.raises(TrainError, match="--model lenet: found samples of shape 784, expected pictures"):
        train_model(options(path, tmp_path))
    assert not (tmp_path / "runs").exists()


# a model that notes what it is given


class Noting:
    """Stands where a model stands; its loss is the number of the batch, its accuracy that of the samples seen."""

    def __init__(self, shape, classes, linear):
        self.shape, self.classes, self.linear = shape, classes, linear
        self.epochs, self.tests = [], []
        self.ended, self.resets = True, 0
        self.variables, self.metrics_variables = [], []

    def compile(self, *, optimizer, loss, metrics):
        self.optimizer = optimizer
        self.compiled = (type(optimizer).__name__, float(optimizer.learning_rate), loss, metrics)

    def count_params(self):
        return 7

    def reset_metrics(self):
        self.resets += 1

    def predict_on_batch(self, x):
        return np.tile(np.array([[0.5, 0.3, 0.2]]), (len(x), 1))

    def train_on_batch(self, x, y, return_dict, **weights):
        self.weights = weights
        if self.ended:
            self.epochs.append([])
            self.ended = False
        self.epochs[-1].append((x, y))
        return {"loss": float(len(self.epochs[-1])), "accuracy": 1.0 if len(self.epochs[-1]) % 2 else 0.0}

    def evaluate(self, data, verbose, return_dict, callbacks=()):
        self.tests.append(list(data))
        self.ended = True
        return {"loss": 2.5, "accuracy": 0.125}

    def save(self, path):
        Path(path).write_text("saved")


@pytest.fixture
def noting(monkeypatch):
    """The models that were built by the name of "lenet"."""
    built = []
    monkeypatch.setitem(
        MODELS, "lenet", lambda *arguments, **words: built.append(Noting(*arguments, **words)) or built[-1]
    )
    return built


def numbers(batches) -> list[int]:
    return [round(float(sample[0, 0])) for x, _ in batches for sample in x]


def test_train_on_batch_sees_each_sample_once_an_epoch_and_none_of_the_test(numbered, tmp_path, noting):
    result = train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=3, batch_size=50))
    (model,) = noting
    assert (model.shape, model.classes) == ((4, 4), 3)
    assert model.compiled == ("Adam", pytest.approx(1e-3), "sparse_categorical_crossentropy", ["accuracy"])
    assert model.weights == {}
    assert [sorted(numbers(epoch)) for epoch in model.epochs] == 3 * [list(range(117))]
    assert len({tuple(numbers(epoch)) for epoch in model.epochs}) == 3
    assert [numbers(test) for test in model.tests] == 4 * [list(range(117, 130))]  # each epoch, and at the end
    for x, y in model.epochs[0]:
        assert y.tolist() == (np.rint(x[:, 0, 0]) % 3).tolist()
    assert (result.loss, result.accuracy) == (2.5, 0.125)
    assert (result.folder / "model.keras").read_text() == "saved"


def test_train_on_batch_means_weigh_each_batch_by_its_samples(numbered, tmp_path, noting):
    result = train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=2, batch_size=50))
    assert [len(x) for x, _ in noting[0].epochs[0]] == [50, 50, 17]
    for logs in result.history:
        assert logs["loss"] == pytest.approx((50 * 1 + 50 * 2 + 17 * 3) / 117)
        assert logs["accuracy"] == pytest.approx((50 + 17) / 117)
        assert (logs["val_loss"], logs["val_accuracy"]) == (2.5, 0.125)


def test_the_recorded_test_part_is_used_unless_a_fraction_is_given(numbered, tmp_path, noting):
    path = numbered(boundaries=(100, 130))
    train_model(options(path, tmp_path, method="train-on-batch", epochs=1))
    train_model(options(path, tmp_path, method="train-on-batch", epochs=1, test_fraction=0.5))
    assert [sorted(numbers(model.epochs[0])) for model in noting] == [list(range(100)), list(range(65))]
    assert [numbers(model.tests[-1]) for model in noting] == [list(range(100, 130)), list(range(65, 130))]


def test_runs_are_numbered_and_kept(numbered, tmp_path, noting):
    path = numbered(name="digits.h5")
    run = options(path, tmp_path, method="train-on-batch", epochs=1)
    assert [train_model(run).folder.name for _ in range(3)] == ["digits-1", "digits-2", "digits-3"]
    assert all((tmp_path / "runs" / f"digits-{number}" / "model.keras").exists() for number in (1, 2, 3))


def test_the_seed_draws_the_order_of_the_samples(numbered, tmp_path, noting):
    for seed in (1, 1, 2):
        train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=1, seed=seed))
    one, same, other = (numbers(model.epochs[0]) for model in noting)
    assert one == same
    assert one != other


def test_quiet_prints_nothing(numbered, tmp_path, noting, capfd):
    train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=1))
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_of_a_run_that_ended_no_epoch(numbered, tmp_path, noting, monkeypatch):
    def stopped(self, x, y, return_dict):
        raise KeyboardInterrupt

    monkeypatch.setattr(Noting, "train_on_batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_model(options(numbered(), tmp_path, method="train-on-batch"))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_model_that_cannot_be_saved_leaves_no_half_of_it(numbered, tmp_path, noting, monkeypatch, capsys):
    def full(self, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Noting, "save", full)
    with pytest.raises(OSError, match="No space left"):
        train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=1))
    assert not list(tmp_path.rglob("*.keras"))


def test_history_is_written_after_each_epoch(numbered, tmp_path, noting, monkeypatch, capfd):
    def stopped(self, x, y, return_dict):
        if len(self.tests) == 2:
            raise KeyboardInterrupt
        return {"loss": 1.0, "accuracy": 1.0}

    monkeypatch.setattr(Noting, "train_on_batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=5))
    folder = tmp_path / "runs" / "data-1"
    message = f"{folder}: saved after epoch 2 of 5; model-best.keras is that of epoch 1; go on by: "
    message += f"train --continue {folder}\n"
    assert message in capfd.readouterr().err
    assert (folder / "log.txt").read_text().endswith(message)
    assert len((folder / "history.csv").read_text().splitlines()) == 3
    left = {file.name for file in folder.iterdir()}
    assert left == {"checkpoint.npz", "config.json", "history.csv", "history.png", "log.txt", "model-best.keras"}


def test_without_matplotlib_training_goes_on_and_says_so_once(numbered, tmp_path, noting, monkeypatch, capsys):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.font_manager"):
        monkeypatch.setitem(sys.modules, name, None)
    result = train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=3, quiet=False))
    said = [line for line in capsys.readouterr().err.splitlines() if "matplotlib" in line]
    assert said == ['history.png is not drawn: found no matplotlib; install it with pip install "seekless[plot]"']
    assert len(result.history) == 3
    left = {file.name for file in result.folder.iterdir()}
    assert left == {
        *("checkpoint.npz", "config.json", "history.csv", "log.txt", "mistakes.png", "model-best.keras"),
        *("model.keras", "result.json"),
    }


# errors in the middle of a training


def test_an_error_that_is_not_of_the_data_stays_what_it_is(numbered, tmp_path, noting, monkeypatch):
    monkeypatch.setattr(Noting, "save", lambda self, path: None)
    monkeypatch.setattr(Noting, "evaluate", lambda self, data, verbose, return_dict, callbacks=(): 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_model(options(numbered(), tmp_path, method="train-on-batch", epochs=1))


def damage(path, block: int) -> None:
    offset = int(StoreSequence(path).store.tables["x"].offset[block])
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_damaged_block_is_named(learnable, tmp_path, monkeypatch, method, part):
    """The block is read last, long after TensorFlow has taken over, which makes an error of its own of ours."""
    path = learnable(boundaries=(200, 400))
    monkeypatch.setitem(StoreSequence.__init__.__kwdefaults__, "window_bytes", 64 * 25)
    order = StoreSequence(path, split=part)._maker.order(0)
    block = order.ranges(order.windows - 1)[0][0] // 7 if part == "train" else 57
    damage(path, block)
    with pytest.raises(StoreFormatError, match=rf"data\.h5: block {block} of x is damaged"):
        train_model(options(path, tmp_path, method=method, epochs=1, batch_size=16))


@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_is_no_sample_is_named(tiny_csv, tmp_path, method):
    (tiny_csv.root / "train" / "00033.csv").write_text("no numbers")
    with pytest.raises(SourceError, match=r"00033\.csv: found "):
        train_model(
            Options(files=str(tiny_csv.root), out=str(tmp_path), method=method, epochs=1, batch_size=4, quiet=True)
        )

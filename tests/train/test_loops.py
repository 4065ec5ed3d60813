"""A training that is stopped and gone on with ends as one that never stopped, bit for bit, by either method."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from seekless.train.checkpoint import read_checkpoint
from seekless.train.fit import continue_training, train_model
from seekless.train.options import METHODS, Options
from seekless.train.past import read_past
from seekless.train.run import Run

NETS = """
import keras
from keras import layers


def build(shape, outputs):
    return keras.Sequential([
        keras.Input(shape), layers.Flatten(), layers.Dense(12, activation="relu"), layers.BatchNormalization(),
        layers.Dropout(0.3), layers.GaussianNoise(0.1), layers.Dense(outputs, activation="softmax"),
    ])


def averaged(shape, outputs):
    model = build(shape, outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.9)
    model.compile(keras.optimizers.Adam(rate, use_ema=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Models with random layers, which a run finds in the current folder; and no pictures, which take time."""
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seekless.train.run.draw_history", lambda *arguments, **words: None)
    monkeypatch.setattr("seekless.train.result.draw_confusion", lambda *arguments: None)
    yield
    sys.modules.pop("nets", None)


def options(name, **others) -> Options:
    return Options(**{"store": "data.h5", "model": "nets:build", "epochs": 4, "batch_size": 20, "name": name, **others})


def left_by(name):
    """Return all that has to be equal: weights, what random layers and the optimizer hold, and what was measured."""
    folder = Path("runs") / name
    checkpoint = read_checkpoint(folder)
    values = [value.tobytes() for group in ("model", "optimizer") for value in checkpoint.values[group]]
    models = []
    for file in ("model.keras", "model-best.keras"):
        model = keras.models.load_model(folder / file)
        models.append([np.ascontiguousarray(value).tobytes() for value in model.get_weights()])
    written = [(folder / file).read_bytes() for file in ("history.csv", "result.json")]
    return values, models, written, checkpoint.facts()["history"], checkpoint.best


KILLED = """
import os, signal, sys
from seekless.train.backend import start_keras
start_keras(quiet=True)
from seekless.train import run
kill, step, count = int(sys.argv.pop(1)), run.Run.step, 0
def counted(self, done, logs):
    global count
    count += 1
    if count % 3 == 0:
        self._saved_at = float("-inf")
    step(self, done, logs)
    if count == kill:
        os.kill(os.getpid(), signal.SIGKILL)
run.Run.step = counted
from seekless.train.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_is_killed_five_times_ends_as_one_that_never_was(learnable, nets, method):
    learnable()
    given = {"method": method, "validation_fraction": 0.1, "class_weight": "balanced", "early_stopping": 4}
    train_model(options("whole", quiet=True, **given))
    first = ["--store", "data.h5", "--model", "nets:build", "--epochs", "4", "--batch-size", "20", "--name", "killed"]
    first += ["--method", method, "--validation-fraction", "0.1", "--class-weight", "balanced", "--early-stopping", "4"]
    places = []
    for number, kill in enumerate((8, 5, 20, 13, 11)):
        arguments = ["--continue", "runs/killed"] if number else first
        command = [sys.executable, "-c", KILLED, str(kill), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        place = read_checkpoint(Path("runs/killed")).place
        places.append((place.epoch, place.steps))
    # 324 samples are 17 steps of an epoch; saved is each third step of a process, and the end of an epoch.
    assert places == [(0, 6), (0, 9), (1, 10), (2, 5), (2, 14)]
    result = continue_training(read_past("runs/killed"))
    assert len(result.history) == 4
    assert left_by("killed") == left_by("whole")


class Stop(BaseException):
    """Ends a training where it stands, with nothing saved, as a kill does."""


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function that lets trainings do something after so many steps, and save each third of them."""
    step = Run.step

    def prepare(steps, act):
        count = 0

        def counted(self, done, logs):
            nonlocal count
            count += 1
            if count % 3 == 0:
                self._saved_at = float("-inf")
            step(self, done, logs)
            if count == steps:
                act()

        monkeypatch.setattr(Run, "step", counted)

    return prepare


def stop():
    raise Stop


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


FILES = {"store": None, "files": "data", "batch_size": 9}
CASES = {
    "store order": {"shuffle": "none"},
    "scattered": {"shuffle": "full", "method": "train-on-batch"},
    "averaged weights": {"model": "nets:averaged"},
    "rows of classes": {"loss": "categorical_crossentropy", "metrics": ("accuracy", "auc")},
    "16 bits": {"mixed_precision": True, "method": "train-on-batch"},
    "files": FILES,
    "files by a loop": {**FILES, "method": "train-on-batch"},
}


@pytest.mark.parametrize("given", CASES.values(), ids=CASES)
def test_what_was_not_saved_is_done_again_alike(learnable, tiny_csv, nets, stop_after, given):
    learnable(200)
    given = {"epochs": 3, "quiet": True, **given}
    train_model(options("whole", **given))
    stop_after(14, stop)  # amid the second epoch
    with pytest.raises(Stop):
        train_model(options("cut", **given))
    stop_after(4, stop)
    with pytest.raises(Stop):
        continue_training(read_past("runs/cut", quiet=True))
    stop_after(0, stop)
    continue_training(read_past("runs/cut", quiet=True))
    assert left_by("cut") == left_by("whole")


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_saves_the_step_it_came_in(learnable, nets, stop_after, capsys, method):
    learnable(200)
    given = {"method": method, "epochs": 2, "batch_size": 20}
    train_model(options("whole", **given))
    stop_after(13, interrupt)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_model(options("cut", **given))
    assert signal.getsignal(signal.SIGINT) is before
    place = read_checkpoint(Path("runs/cut")).place
    # The signal comes after step 4 of epoch 2 is counted, and is acted on at the end of the next.
    assert (place.epoch, place.steps) == (1, 5)
    saved = "runs/cut: saved in epoch 2 of 2, after 5 of 9 batches; go on by: train --continue runs/cut\n"
    assert capsys.readouterr().err == saved
    stop_after(0, stop)
    continue_training(read_past("runs/cut"))
    assert left_by("cut") == left_by("whole")
    log = Path("runs/cut/log.txt").read_text()
    assert saved + "runs/cut: going on in epoch 2 of 2, after 5 of 9 batches\nepoch 2/2 " in log
    assert log.count("epoch 1/2 ") == log.count("epoch 2/2 ") == 1


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_while_the_other_part_is_looked_at_leaves_the_epoch_trained(learnable, nets, monkeypatch, method):
    learnable(200)
    given = {"method": method, "epochs": 2, "batch_size": 20, "quiet": True}
    train_model(options("whole", **given))
    check, count = Run.check, []

    def checked(self):
        if self.trained is not None:
            count.append(1)
            if len(count) == 2:  # after the last step, and after the first batch of the other part
                interrupt()
        check(self)

    monkeypatch.setattr(Run, "check", checked)
    with pytest.raises(KeyboardInterrupt):
        train_model(options("cut", **given))
    monkeypatch.setattr(Run, "check", check)
    place = read_checkpoint(Path("runs/cut")).place
    assert (place.epoch, place.steps) == (0, 9)
    continue_training(read_past("runs/cut", quiet=True))
    assert left_by("cut") == left_by("whole")


def test_a_run_that_is_gone_on_with_for_more_epochs_is_one_of_as_many(learnable, nets, capsys):
    learnable(200)
    train_model(options("whole", epochs=3, quiet=True))
    train_model(options("more", epochs=1, quiet=True))
    continue_training(read_past("runs/more", epochs=3, quiet=True))
    assert left_by("more") == left_by("whole")
    assert json.loads(Path("runs/more/config.json").read_text())["options"]["epochs"] == 3
    capsys.readouterr()
    again = continue_training(read_past("runs/more"))
    assert capsys.readouterr().out == "runs/more: finished, 3 of 3 epochs; a larger --epochs goes further\n"
    assert again.scores == json.loads(Path("runs/more/result.json").read_text())["test"]


def test_a_run_that_was_killed_after_its_last_epoch_is_tested(learnable, nets, monkeypatch, capsys):
    learnable(200)
    train_model(options("whole", epochs=1, quiet=True))
    with monkeypatch.context() as patch:
        patch.setattr("seekless.train.fit.finish", lambda run: stop())
        with pytest.raises(Stop):
            train_model(options("cut", epochs=1, quiet=True))
    capsys.readouterr()
    continue_training(read_past("runs/cut"))
    assert capsys.readouterr().out.startswith("runs/cut: all epochs have ended; what is left is the test\n")
    assert left_by("cut") == left_by("whole")


def test_early_stopping_counts_the_epochs_before_the_stop(learnable, nets, stop_after, capsys):
    learnable(200)
    given = {"epochs": 9, "early_stopping": 2, "validation_fraction": 0.2, "optimizer": "sgd", "learning_rate": 9.0}
    whole = train_model(options("whole", quiet=True, **given))
    assert len(whole.history) < 9
    stop_after(8 * (len(whole.history) - 1) + 5, stop)
    with pytest.raises(Stop):
        train_model(options("cut", quiet=True, **given))
    stop_after(0, stop)
    capsys.readouterr()
    continue_training(read_past("runs/cut"))
    assert f"stopped: epoch {whole.best} was the best, and 2 since were no better\n" in capsys.readouterr().out
    assert left_by("cut") == left_by("whole")
    continue_training(read_past("runs/cut"))
    assert f"finished; --early-stopping 2 ended it after epoch {len(whole.history)}\n" in capsys.readouterr().out


def test_a_checkpoint_holds_the_place_and_every_variable(learnable, nets, stop_after):
    learnable(200)
    stop_after(7, stop)
    with pytest.raises(Stop):
        train_model(options("cut", quiet=True))
    with zipfile.ZipFile("runs/cut/checkpoint.npz") as archive:
        groups = {name.split("-")[0] for name in archive.namelist()}
    assert groups == {"facts.json", "model", "optimizer", "metrics"}
    checkpoint = read_checkpoint(Path("runs/cut"))
    assert checkpoint.place.steps == 6
    assert [
        int(value) for value in checkpoint.values["optimizer"] if value.shape == () and value.dtype.kind == "i"
    ] == [6]

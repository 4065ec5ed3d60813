"""Several processes stop together when one is asked to, and go on as if they had not; the first alone writes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from seekless.errors import TrainError
from seekless.train import fit
from seekless.train.checkpoint import read_checkpoint
from seekless.train.fit import continue_training, train_model
from seekless.train.options import METHODS, Options
from seekless.train.past import read_past
from seekless.train.ranks import Ranks

NETS = """
import keras
from keras import layers


def build(shape, outputs):
    return keras.Sequential([
        keras.Input(shape), layers.Flatten(), layers.Dense(12, activation="relu"), layers.Dropout(0.3),
        layers.Dense(outputs, activation="softmax"),
    ])
"""
# The train command, of which rank 1 gets Ctrl-C after the third step of the second epoch.
STOPPED = """
import os, runpy, signal, sys
from seekless.train.run import Run

step = Run.step

def interrupted(run, done, logs):
    if run.ranks.rank == 1 and (run.epoch, done) == (1, 3):
        os.kill(os.getpid(), signal.SIGINT)
    step(run, done, logs)

Run.step = interrupted
sys.argv[0] = "seekless"
runpy.run_module("seekless", run_name="__main__")
"""


def values(folder: Path) -> list[np.ndarray]:
    found = read_checkpoint(folder).values
    return [*found["model"], *found["optimizer"]]


@pytest.mark.parametrize("method", ["fit", pytest.param("train-on-batch", marks=pytest.mark.slow)])
def test_ranks_that_were_stopped_go_on_as_if_they_had_not_been(backend, run, learnable, tmp_path, method):
    (tmp_path / "nets.py").write_text(NETS)
    begin = ["train", "--store", str(learnable(1003)), "--model", "nets:build", "--epochs", "3", "--batch-size", "20"]
    begin += ["--method", method, "--rank-timeout", "60"]
    for code, said in run(["-m", "seekless", *begin, "--name", "whole"], backend, 2, tmp_path):
        assert code == 0, said
    for code, said in run(["-c", STOPPED, *begin, "--name", "stopped"], backend, 2, tmp_path):
        assert code == 130, said
    whole, stopped = tmp_path / "runs/whole", tmp_path / "runs/stopped"
    place = read_checkpoint(stopped).place
    assert (place.epoch, place.steps) == (1, 16)
    [(code, said)] = run(["-m", "seekless", "train", "--continue", "runs/stopped"], backend, 1, tmp_path)
    assert code == 2, said
    assert "--continue runs/stopped: found 1 processes that train together, expected 2, which share the epoch" in said
    first, second = run(["-m", "seekless", "train", "--continue", "runs/stopped"], backend, 2, tmp_path)
    assert first[0] == 0, first[1]
    assert second[0] == 0, second[1]
    assert "going on in epoch 2 of 3, after 16 of 23 batches" in first[1]
    assert "going on" not in second[1]
    assert "Test" not in second[1]
    for one, other in zip(values(whole), values(stopped), strict=True):
        np.testing.assert_array_equal(one, other)
    found, expected = (read_checkpoint(folder).history for folder in (stopped, whole))
    assert found[2] == pytest.approx(expected[2])
    results = [json.loads((folder / "result.json").read_text()) for folder in (stopped, whole)]
    assert results[0]["test"] == pytest.approx(results[1]["test"])


@pytest.fixture
def as_rank(monkeypatch):
    """Return a function that lets this process be one of two ranks, of which the other does nothing."""

    def become(rank: int, ranks: type[Ranks] = Ranks) -> None:
        monkeypatch.setattr(fit, "join", lambda timeout: ranks(rank, 2))

    return become


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("quick")
def test_another_rank_than_the_first_writes_and_says_nothing(learnable, tmp_path, as_rank, capsys, method):
    as_rank(1)
    options = Options(str(learnable()), out=str(tmp_path / "runs"), epochs=2, method=method, early_stopping=1)
    result = train_model(options)
    assert len(result.history) == 2
    assert result.files == []
    assert not (tmp_path / "runs").exists()
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("quick")
def test_another_rank_that_diverges_names_its_samples(make_store, tmp_path, as_rank):
    as_rank(1)
    x = np.full((40, 4), np.nan, np.float32)
    store = make_store(x, np.arange(40) % 2, keys=[f"s{number:03}" for number in range(40)])
    with pytest.raises(TrainError, match=r"runs/data, rank 1: found loss nan in epoch 1 .* are s\d+, s\d+, s\d+ and"):
        train_model(Options(str(store), out=str(tmp_path / "runs"), batch_size=10))
    assert not (tmp_path / "runs").exists()


class Elsewhere(Ranks):
    """Ranks of which the first has another checkpoint."""

    def total(self, values):
        return values + 1


@pytest.mark.usefixtures("quick")
def test_ranks_do_not_go_on_from_different_places(learnable, tmp_path, as_rank):
    folder = train_model(Options(str(learnable()), out=str(tmp_path / "runs"), epochs=1)).folder
    as_rank(1, Elsewhere)
    message = (
        f"rank 1: found {folder / 'checkpoint.npz'} of epoch 2 after 0 batches, expected that of the first rank, which "
        "is another; go on in a folder that all ranks see"
    )
    with pytest.raises(TrainError, match=re.escape(message)):
        continue_training(read_past(str(folder), epochs=2))

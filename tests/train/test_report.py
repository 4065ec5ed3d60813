"""What a run leaves: numbered folders, a table, a picture, its configuration."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from seekless.errors import MissingExtraError
from seekless.train.report import draw_history, new_run_folder, write_config, write_history

HISTORY = [
    {"loss": 1.5, "accuracy": 0.1 + 0.2, "val_loss": 1.25, "val_accuracy": 0.5},
    {"loss": 0.5, "accuracy": 0.75, "val_loss": 1 / 3, "val_accuracy": 1.0},
]


def test_runs_are_numbered(tmp_path):
    out = tmp_path / "deep" / "runs"
    made = [new_run_folder(out, "data").name for _ in range(3)] + [new_run_folder(out, "other").name]
    assert made == ["data-1", "data-2", "data-3", "other-1"]
    assert sorted(path.name for path in out.iterdir()) == sorted(made)


def test_no_run_takes_the_place_of_another(tmp_path):
    (tmp_path / "data-1").write_text("a file of the user's")
    (tmp_path / "data-3").mkdir()
    (tmp_path / "data-3" / "model.keras").write_text("trained for days")
    assert [new_run_folder(tmp_path, "data").name for _ in range(2)] == ["data-2", "data-4"]
    assert (tmp_path / "data-3" / "model.keras").read_text() == "trained for days"


def test_the_history_is_a_line_an_epoch_and_gives_its_numbers_back(tmp_path):
    write_history(tmp_path, HISTORY[:1])
    write_history(tmp_path, HISTORY)
    with open(tmp_path / "history.csv", newline="") as file:
        head, *lines = csv.reader(file)
    assert head == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [[float(value) for value in line] for line in lines] == [
        [number, *logs.values()] for number, logs in enumerate(HISTORY, 1)
    ]


def test_the_configuration_is_json_that_reads_back(tmp_path):
    config = {"options": {"seed": 3, "model": "lenet", "test_fraction": None}, "data": {"store": "d\u00e4ta.h5"}}
    write_config(tmp_path, config)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) == config


def drawn(folder) -> np.ndarray:
    with Image.open(folder / "history.png") as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def near(pixels, colour: str) -> int:
    """How many pixels have nearly a colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((abs(pixels - wanted).max(axis=2) < 12).sum())


@pytest.mark.parametrize("epochs", [1, 2], ids=["one epoch", "two epochs"])
def test_the_picture_shows_both_parts_in_both_panels(tmp_path, epochs):
    draw_history(tmp_path, HISTORY[:epochs], "lenet, data-1")
    pixels = drawn(tmp_path)
    assert pixels.shape == (504, 1200, 3)
    assert near(pixels, "#ffffff") > 0.8 * 504 * 1200
    for panel in (pixels[:, :600], pixels[:, 600:]):
        assert near(panel, "#2a6f97") > 50  # train
        assert near(panel, "#d1495b") > 50  # test


def test_the_picture_shows_every_column(tmp_path):
    pictures = set()
    for name in [None, *HISTORY[0]]:
        history = [{**HISTORY[0], name: 0.9}, HISTORY[1]] if name else HISTORY
        draw_history(tmp_path, history, "lenet, data-1")
        pictures.add((tmp_path / "history.png").read_bytes())
    assert len(pictures) == 5
    draw_history(tmp_path, HISTORY, "lenet, data-1")
    assert (tmp_path / "history.png").read_bytes() in pictures


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_training_that_went_wrong_is_drawn_all_the_same(tmp_path, value):
    draw_history(tmp_path, [{**HISTORY[0], "loss": value, "val_loss": value}, HISTORY[1]], "lenet, data-1")
    assert drawn(tmp_path).shape == (504, 1200, 3)


def test_without_matplotlib_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'found no matplotlib; install it with pip install "seekless\[plot\]"'):
        draw_history(tmp_path, HISTORY, "lenet, data-1")
    assert not (tmp_path / "history.png").exists()

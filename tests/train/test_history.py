"""The history of a run, as a table and as a picture."""

import csv
import sys

import numpy as np
import pytest
from PIL import Image

from seekless.errors import MissingExtraError
from seekless.train.history import draw_history, figure_of, ordered, write_history

HISTORY = [
    {"loss": 1.5, "accuracy": 0.1 + 0.2, "val_loss": 1.25, "val_accuracy": 0.5},
    {"loss": 0.5, "accuracy": 0.75, "val_loss": 1 / 3, "val_accuracy": 1.0},
]


def test_the_history_is_a_line_an_epoch_and_gives_its_numbers_back(tmp_path):
    write_history(tmp_path, HISTORY[:1])
    write_history(tmp_path, HISTORY)
    with open(tmp_path / "history.csv", newline="") as file:
        head, *lines = csv.reader(file)
    assert head == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [[float(value) for value in line] for line in lines] == [
        [number, *logs.values()] for number, logs in enumerate(HISTORY, 1)
    ]


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


def test_many_metrics_make_many_panels(tmp_path):
    sizes = []
    for count in range(1, 6):
        names = ["loss", "accuracy", "b", "c", "d"][:count]
        logs = {name: 0.5 for name in (*names, *(f"val_{name}" for name in names))}
        draw_history(tmp_path, [logs, logs], "lenet, data-1")
        sizes.append(drawn(tmp_path).shape[:2])
    assert sizes == [(504, 1200), (504, 1200), (504, 1800), (1008, 1200), (1008, 1800)]


def test_the_best_epoch_is_marked(tmp_path):
    draw_history(tmp_path, HISTORY, "lenet, data-1", watched="validation")
    plain = drawn(tmp_path)
    draw_history(tmp_path, HISTORY, "lenet, data-1", watched="validation", best=2)
    assert near(drawn(tmp_path), "#d1495b") > near(plain, "#d1495b") + 50


def test_a_name_that_is_no_formula_is_drawn(tmp_path):
    draw_history(tmp_path, HISTORY, "lenet, $\\frac$ \u9dfa")
    assert drawn(tmp_path).shape == (504, 1200, 3)


def test_the_loss_comes_first_and_the_train_part_before_the_other():
    logs = {"accuracy": 1, "val_accuracy": 2, "val_loss": 3, "loss": np.float32(4)}
    assert list(ordered(logs).items()) == [("loss", 4.0), ("accuracy", 1.0), ("val_loss", 3.0), ("val_accuracy", 2.0)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.97125, "0.9712"), (0.0, "0.0000"), (2e-5, "2e-05"), (1234567.0, "1.235e+06"), (float("nan"), "nan")],
)
def test_figures_keep_digits_that_say_something(value, text):
    assert figure_of(value) == text

"""confusion.png: few classes with their counts, many with the worst of them."""

import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from seekless.errors import MissingExtraError
from seekless.train.confusion import MOST_CLASSES, draw_confusion
from seekless.train.confusion import _chosen as chosen
from seekless.train.confusion import _counts as counts
from seekless.train.outcome import Outcome
from seekless.train.targets import Targets


def outcome(classes, mistakes=()) -> Outcome:
    pairs = Counter({(number, number): 10 for number in range(classes)})
    return Outcome(pairs + Counter({pair: 5 for pair in mistakes}), [])


def drawn(tmp_path, classes, mistakes=(), names=None) -> np.ndarray:
    draw_confusion(tmp_path, outcome(classes, mistakes), Targets("class", classes, names), "lenet, data-1")
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize("classes", [1, 30, 100])
def test_any_number_of_classes_can_be_drawn(tmp_path, classes):
    pixels = drawn(tmp_path, classes)
    assert max(pixels.shape) < 2000
    assert (pixels.sum(axis=2) < 250).sum() > 500  # the diagonal is dark


def test_a_mistake_is_seen(tmp_path):
    assert (drawn(tmp_path, 10) != drawn(tmp_path, 10, [(3, 5)])).any()


@pytest.mark.parametrize("name", ["$x_1$ of $", "a very long name that no picture has the room to write", "鷺"])
def test_names_of_any_kind_are_drawn(tmp_path, name):
    pixels = drawn(tmp_path, 2, names=(name, "dog"))
    assert max(pixels.shape) < 1200


def test_of_many_classes_those_with_the_most_mistakes_are_chosen():
    found = chosen(outcome(100, [(7, 90), (7, 91), (50, 7)]), 100)
    assert len(found) == MOST_CLASSES
    assert {7, 50, 90, 91} <= set(found)
    assert found == sorted(found)


def test_counts_stand_where_they_belong():
    table = counts(outcome(4, [(1, 3)]), [1, 3])
    assert table.tolist() == [[10, 5], [0, 10]]


def test_without_matplotlib_the_message_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        MissingExtraError, match=r'confusion\.png is not drawn: found no matplotlib; .*"seekless\[plot\]"'
    ):
        drawn(tmp_path, 2)
    assert list(tmp_path.iterdir()) == []

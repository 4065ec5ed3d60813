"""mistakes.png: the worst mistakes with what they are and what they were taken for."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from seekless.train.mistakes import draw_mistakes
from seekless.train.outcome import Mistake, Outcome
from seekless.train.targets import Targets

COLOUR = (10, 220, 30)
NAMES = ("cat", "a name that is too long to stand under a picture in two lines of it", "Grünspecht", "鷺の仲間")


def drawn(tmp_path, count, *, names=NAMES, shape=(28, 28)) -> np.ndarray:
    picture = Image.fromarray(np.full((*shape, 3), COLOUR, np.uint8))
    worst = [Mistake(n, n % 4, (n + 1) % 4, 1 - n / 50, picture) for n in range(count)]
    targets = Targets("class", 4, names)
    draw_mistakes(tmp_path, Outcome(Counter({(0, 1): count, (0, 0): 9}), worst), targets, "lenet, data-1")
    with Image.open(tmp_path / "mistakes.png") as sheet:
        return np.asarray(sheet.convert("RGB")).astype(int)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_every_mistake_is_on_the_sheet(tmp_path, count):
    pixels = drawn(tmp_path, count)
    assert (pixels == COLOUR).all(axis=2).sum() == count * 28 * 28
    assert ((pixels[..., 0] > 150) & (pixels[..., 1] < 90)).sum() > 20 * count  # red letters


def test_eight_stand_in_a_row(tmp_path):
    assert drawn(tmp_path, 8).shape[1] == drawn(tmp_path, 40).shape[1] == 14 + 8 * 142
    assert drawn(tmp_path, 40).shape[0] > 3 * drawn(tmp_path, 8).shape[0]


def test_classes_without_names_are_drawn_by_their_numbers(tmp_path):
    assert drawn(tmp_path, 3, names=None).shape[0] < drawn(tmp_path, 3).shape[0]


def test_thin_samples_leave_no_gap(tmp_path):
    assert drawn(tmp_path, 3, shape=(10, 100)).shape[0] < drawn(tmp_path, 3, shape=(100, 10)).shape[0]

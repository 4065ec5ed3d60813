"""Which samples are pictures, and how one is drawn small."""

import numpy as np
import pytest

from seekless.store.tile import is_picture, pixels, tile


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        *(((28, 28), True), ((9, 4, 1), True), ((9, 4, 3), True), ((9, 4, 4), True)),
        *(((9, 4, 2), False), ((9,), False), ((), False), ((0, 4), False), ((2, 3, 4, 3), False)),
    ],
)
def test_pictures_are_told_from_other_samples(shape, drawn):
    assert is_picture(shape) is drawn


def test_values_between_the_ends_are_gray_and_those_beyond_are_cut():
    found = pixels(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf]]), 0, 1)
    assert found.tolist() == [[0, 0, 128, 255, 255, 0, 255]]
    assert pixels(np.full((2, 2, 1), 7, np.uint8), 0, 255).shape == (2, 2)


@pytest.mark.parametrize(("shape", "size"), [((10, 20), (100, 50)), ((200, 100), (50, 100)), ((100, 3, 4), (3, 100))])
def test_a_tile_fits_its_side(shape, size):
    picture = tile(np.zeros(shape, np.uint8), 100)
    assert picture.mode == "RGB"
    assert picture.size == size


def test_what_is_transparent_lies_over_a_checkerboard():
    found = np.asarray(tile(np.zeros((100, 100, 4), np.uint8), 100))
    assert set(found.ravel().tolist()) == {224, 255}

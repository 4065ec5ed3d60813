"""Samples as small pictures."""

import numpy as np
import pytest

from seekless.train.tile import tile


@pytest.mark.parametrize(
    ("shape", "size"),
    [((28, 28), (112, 112)), ((30, 60, 3), (60, 30)), ((400, 200, 1), (56, 112)), ((1000, 1), (1, 112))],
    ids=["enlarged by a whole factor", "as large as it is", "reduced", "thin"],
)
def test_tiles_fit(shape, size):
    assert tile(np.zeros(shape, np.float32)).size == size


def test_values_from_0_to_1_are_drawn_as_they_are():
    picture = np.asarray(tile(np.array([[0.0, 0.2], [0.4, 0.8]], np.float32)))
    assert sorted(set(picture[..., 0].ravel().tolist())) == [0, 51, 102, 204]


@pytest.mark.parametrize("values", [[[-5.0, 0.0], [0.0, 5.0]], [[1e308, 0], [0, -1e308]], [[np.nan, np.inf], [3, 7]]])
def test_other_values_reach_from_black_to_white(values):
    picture = np.asarray(tile(np.array(values)))
    assert (picture.min(), picture.max()) == (0, 255)


def test_one_value_everywhere_is_drawn_all_the_same():
    assert np.asarray(tile(np.full((4, 4), 7.0))).max() == 0
    assert np.asarray(tile(np.full((4, 4), np.nan))).max() == 0

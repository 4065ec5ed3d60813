"""Which arrays are pictures, and which of them PNG files hold."""

import numpy as np
import pytest

from seekless.convert.pictures import is_png, picture_scale


@pytest.mark.parametrize(
    ("shape", "dtype", "scale", "png"),
    [
        ((4, 5), "u1", 255, True),
        ((4, 5, 1), "u1", 255, True),
        ((4, 5, 3), "u1", 255, True),
        ((4, 5, 4), "u1", 255, True),
        ((4, 5, 2), "u1", 1, False),
        ((3, 4, 5), "u1", 1, False),
        ((4, 5), "u2", 65535, True),
        ((4, 5, 1), "u2", 65535, True),
        ((4, 5, 3), "u2", 65535, False),
        ((20,), "u1", 1, False),
        ((), "u1", 1, False),
        ((4, 5), "f4", 1, False),
        ((4, 5), "?", 1, False),
    ],
)
def test_pictures(shape, dtype, scale, png):
    assert picture_scale(shape, np.dtype(dtype)) == scale
    assert is_png(shape, np.dtype(dtype)) is png

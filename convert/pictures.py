"""Which arrays are pictures: told by shape and dtype alone."""

from typing import Any

import numpy as np

__all__ = ["is_png", "picture_scale"]

CHANNELS = (1, 3, 4)
LARGEST = {"uint8": 255, "uint16": 65535}


def picture_scale(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return what training divides samples by: for pictures their largest value, so that they come as 0 to 1; else 1.

    Args:
        shape: The shape of one sample; of a picture (height, width), or that and 1, 3 or 4 channels.
        dtype: The dtype of its values; of a picture uint8 or uint16.
    """
    return LARGEST.get(dtype.name, 1) if _is_picture(shape) else 1


def is_png(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether a PNG file that Pillow writes gives samples back: pictures of 8 bits, and gray ones of 16.

    Args:
        shape: The shape of one sample.
        dtype: The dtype of its values.
    """
    gray = len(shape) == 2 or shape[-1:] == (1,)
    return _is_picture(shape) and (dtype == np.uint8 or (dtype == np.uint16 and gray))


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in CHANNELS)

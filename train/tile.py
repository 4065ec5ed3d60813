"""A sample as a small picture, of the values that the model sees."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seekless.store.tile import pixels
from seekless.store.tile import tile as picture_tile

__all__ = ["tile"]

# Pixels of the longest side.
TILE = 112


def tile(sample: npt.NDArray[Any]) -> Image.Image:
    """Return a sample as a picture of at most TILE x TILE pixels.

    Args:
        sample: As the model sees it, (height, width) or (height, width, channels). 0 to 1 is black to white; where it
            has other values, its least and largest are.
    """
    finite = sample[np.isfinite(sample)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return picture_tile(pixels(sample, low, max(high, float(np.nextafter(low, np.inf)))), TILE)

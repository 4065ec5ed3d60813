"""A sample as a small picture, of the values that the model sees."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["is_picture", "tile"]

# Pixels of the longest side.
TILE = 112


def is_picture(shape: tuple[int, ...]) -> bool:
    """Return whether samples of a shape can be drawn: height x width, or that with 1, 3 or 4 channels."""
    return min(shape, default=0) > 0 and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))


def tile(sample: npt.NDArray[Any]) -> Image.Image:
    """Return a sample as a picture of at most TILE x TILE pixels.

    Args:
        sample: As the model sees it, (height, width) or (height, width, channels). 0 to 1 is black to white; where it
            has other values, its least and largest are.
    """
    values = sample[:, :, 0] if sample.shape[2:] == (1,) else sample
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    # Halved first: the difference of two large doubles may be infinite.
    shares = (values.astype(np.float64) / 2 - low / 2) / max(high / 2 - low / 2, np.finfo(float).tiny)
    pixels = np.rint(np.nan_to_num(shares, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    longest = max(image.size)
    if longest <= TILE:
        factor = TILE // longest
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).convert("RGB")
    size = [max(1, round(side * TILE / longest)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BOX).convert("RGB")

"""A sample as a small picture: of a contact sheet, or of what a model is wrong about."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["is_picture", "pixels", "tile"]

Pixels = npt.NDArray[np.uint8]

# What shows through where samples are transparent.
CHECKS = (224, 255)


def is_picture(shape: tuple[int, ...]) -> bool:
    """Return whether samples of a shape can be drawn: height x width, or that with 1, 3 or 4 channels."""
    return min(shape, default=0) > 0 and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))


def pixels(sample: npt.NDArray[Any], low: float, high: float) -> Pixels:
    """Return what is drawn of a sample; what is not a number is black.

    Args:
        sample: (height, width), or that with 1, 3 or 4 channels.
        low: The value that is drawn black.
        high: The value that is drawn white; larger than `low`.

    Returns:
        uint8, (height, width) or (height, width, 3 or 4).
    """
    if sample.dtype == np.uint8 and (low, high) == (0, 255):
        drawn = sample
    else:
        # Halved first: the difference of two large doubles may be infinite.
        half = (sample.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)
        drawn = np.rint(np.nan_to_num(half, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * 255).astype(np.uint8)
    return drawn[:, :, 0] if drawn.shape[2:] == (1,) else drawn


def tile(drawn: Pixels, side: int) -> Image.Image:
    """Return a picture of at most side x side pixels: small ones are enlarged by a whole factor, large ones reduced.

    Args:
        drawn: As `pixels` gives it; transparent ones lie over a checkerboard.
        side: Pixels of the longest side.
    """
    image = Image.fromarray(drawn)
    longest = max(image.size)
    if longest <= side:
        factor = side // longest
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    else:
        size = [max(1, round(own * side / longest)) for own in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.BOX, reducing_gap=2.0)
    if image.mode == "RGBA":
        image = Image.alpha_composite(_checkerboard(image.size), image)
    return image.convert("RGB")


def _checkerboard(size: tuple[int, int]) -> Image.Image:
    """Return what shows through where samples are transparent."""
    rows, columns = np.ogrid[: size[1], : size[0]]
    light = np.where((rows // 8 + columns // 8) % 2, *CHECKS).astype(np.uint8)
    return Image.fromarray(light).convert("RGBA")

"""Decode one picture to one array, as Pillow reads it; resize it and set its channels where asked."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from seekless.errors import DecodeError, OptionError
from seekless.source.image_open import MAX_PIXELS, PNG_SIGNATURE, opened, refusing
from seekless.source.image_png import png_pixels

__all__ = ["IMAGE_SUFFIXES", "ImageDecoder", "Resize"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})

Resize = Literal["stretch", "fit", "crop"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_OPAQUE_AND_SCALE = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes PNG, JPEG, BMP, GIF, TIFF and WebP: the values that Pillow gives, always (height, width, channels).

    Of several frames or pages the first is taken, and EXIF orientation is applied. Without `channels`, the mode that
    Pillow opens a file in decides: 1-bit (0 and 255) and gray give 1 channel; palette, RGB, CMYK and YCbCr 3; all of
    these with transparency, gray with alpha among them, 4. (A GIF is gray where its palette is 0 to 255, else palette.)

    Gray of 16 bits is uint16. Color of 16 bits a channel is uint8, its high bytes, as Pillow reads it. A TIFF of 32-bit
    integers is int32, one of floats float32. Gray of more than 8 bits has no transparency.

    Attributes:
        size: (height, width) to resize to, in pixels; None leaves every picture as it is.
        resize: "stretch" ignores the picture's proportions; "fit" keeps them and pads with black (transparent black
            where there is alpha), the picture in the middle; "crop" keeps them, fills the size and cuts what stands
            over, half on each side. Each as `Image.resize`, `ImageOps.pad` and `ImageOps.fit` do by default, bicubic;
            channels are set first. 16-bit values are rounded and clipped.
        channels: 1 (gray), 3 (RGB) or 4 (RGBA). Transparency is dropped, not blended; where there is none, alpha is
            opaque: `scale_for` the dtype.
    """

    size: tuple[int, int] | None = None
    resize: Resize = "stretch"
    channels: Literal[1, 3, 4] | None = None

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            OptionError: A value cannot be used.
        """
        if self.size is not None:
            _check_size(self.size)
        if self.resize not in get_args(Resize):
            raise OptionError(f"--resize: found {self.resize!r}, expected one of {', '.join(get_args(Resize))}")
        if self.channels not in (None, *_MODES):
            raise OptionError(f"--channels: found {self.channels!r}, expected 1 (gray), 3 (RGB) or 4 (RGBA)")

    def scale_for(self, dtype: npt.DTypeLike) -> int:
        """Return what values of a dtype are divided by for training.

        Args:
            dtype: The dtype of a decoded picture.

        Returns:
            255 for uint8, 65535 for uint16, else 1.
        """
        return _OPAQUE_AND_SCALE.get(np.dtype(dtype).name, 1)

    def __call__(self, data: bytes) -> npt.NDArray[np.generic]:
        """Decode one file.

        Args:
            data: The whole file; its format is found from its contents.

        Returns:
            uint8, or uint16, int32 or float32 for deep gray, (height, width, channels), perhaps read-only.

        Raises:
            DecodeError: The file is empty, no picture, cut short or damaged, has too many pixels, or holds NaN.
        """
        if data.startswith(PNG_SIGNATURE):
            pixels = png_pixels(data)
            if pixels is not None:
                if self.size is None and self.channels is None:
                    return pixels
                with refusing("PNG"):
                    return self._shallow(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
        with opened(data) as picture:
            deep = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
            return self._deep(picture) if deep else self._shallow(picture)

    def _shallow(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """Return a picture of 8 bits a channel: uint8, (height, width, channels)."""
        mode = _natural_mode(picture) if self.channels is None else _MODES[self.channels]
        return np.atleast_3d(np.asarray(self._resized(_converted(picture, mode))))

    def _deep(self, picture: Image.Image) -> npt.NDArray[np.generic]:
        """Return a gray picture of more than 8 bits: uint16, int32 or float32, (height, width, channels)."""
        values: npt.NDArray[Any] = np.asarray(picture)
        dtype = np.dtype({"I": np.int32, "F": np.float32}.get(picture.mode, np.uint16))
        if dtype.kind == "f" and not np.isfinite(values).all():
            raise DecodeError("values that are NaN or infinite", "finite numbers")
        if dtype == np.uint16 and self.size is not None:
            # By floats: Pillow 13 resizes 16-bit pictures too, but where bicubic overshoots, wrongly (by up to 4,306).
            resized = self._resized(Image.fromarray(values.astype(np.float32)))
            values = np.rint(np.asarray(resized)).clip(0, 65535)
        else:
            values = np.asarray(self._resized(picture))
        values = np.atleast_3d(values.astype(dtype))
        if self.channels in (None, 1):
            return values
        color = np.repeat(values, 3, axis=2)
        opaque = np.full_like(values, self.scale_for(dtype))
        return color if self.channels == 3 else np.concatenate([color, opaque], axis=2)

    def _resized(self, picture: Image.Image) -> Image.Image:
        """Return the picture at the size asked for."""
        if self.size is None or picture.size == self.size[::-1]:
            return picture
        height, width = self.size
        if self.resize == "stretch":
            return picture.resize((width, height))
        if self.resize == "crop":
            return ImageOps.fit(picture, (width, height))
        # As ImageOps.pad does, except that a thin line keeps one pixel of its width: there it would vanish.
        if picture.width * height >= picture.height * width:
            inside = (width, max(1, round(picture.height / picture.width * width)))
        else:
            inside = (max(1, round(picture.width / picture.height * height)), height)
        padded = Image.new(picture.mode, (width, height))
        corner = (round((width - inside[0]) * 0.5), round((height - inside[1]) * 0.5))
        padded.paste(picture.resize(inside), corner)
        return padded


def _check_size(size: tuple[int, int]) -> None:
    wanted = "expected height x width in pixels, such as 256x256"
    if not isinstance(size, tuple) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise OptionError(f"--size: found {size!r}, {wanted}")
    height, width = size
    if min(size) < 1:
        raise OptionError(f"--size: found {height}x{width}, {wanted}")
    if height * width > MAX_PIXELS:
        raise OptionError(f"--size: found {height}x{width}, {wanted}, at most {MAX_PIXELS:,} pixels in all")


def _natural_mode(picture: Image.Image) -> str:
    if picture.has_transparency_data:
        return "RGBA"
    return "L" if picture.mode in ("1", "L") else "RGB"


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    if picture.mode in ("LAB", "La"):  # Pillow converts these two only one step at a time
        return picture.convert("RGB" if picture.mode == "LAB" else "LA").convert(mode)
    return picture if picture.mode == mode else picture.convert(mode)

"""The first frame is taken, turned as EXIF says and resized as Pillow resizes."""

import numpy as np
import pytest
from kit.pictures import (
    DEEP,
    DEEP_KINDS,
    GRAY_PNG,
    HEIGHT,
    KINDS,
    WIDTH,
    assert_same,
    encoded,
    opened,
    part,
    picture,
    pillow,
)
from PIL import Image, ImageOps

from seekless.source.image import ImageDecoder


def test_the_first_frame_or_page_is_taken():
    for kind in ("PNG", "GIF", "TIFF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        pages = [Image.new("L", (3, 2), 200), Image.new("L", (3, 2), 10)]
        data = encoded(pages[0], kind, save_all=True, append_images=pages[1:], **options)
        assert opened(data).n_frames == 2
        assert ImageDecoder(channels=1)(data).ravel().tolist() == [200] * 6, kind


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "I;16"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
        ("TIFF", "RGB"),
        ("TIFF", "I;16B"),
        ("WEBP", "RGB"),
    ],
)
def test_exif_orientation_is_applied(kind, mode, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(picture(mode), kind, exif=exif.tobytes() if kind == "PNG" else exif)
    with opened(data) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert expected.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    found = ImageDecoder()(data)
    np.testing.assert_array_equal(found, np.atleast_3d(expected), strict=mode != "I;16B")
    assert found.dtype.isnative


def test_exif_behind_the_pixels_counts_too():
    exif = Image.Exif()
    exif[274] = 6
    data = GRAY_PNG[:-12] + part(b"eXIf", exif.tobytes()[6:]) + GRAY_PNG[-12:]
    assert_same(ImageDecoder()(data), np.rot90(ImageDecoder()(GRAY_PNG), -1))


def test_broken_exif_leaves_the_picture_as_it_lies():
    data = encoded(picture("L"), "WEBP", lossless=True, exif=b"Exif\0\0nothing of the kind")
    assert_same(ImageDecoder(channels=1)(data), pillow(data, "L"))


SIZES = {"smaller": (5, 7), "larger": (31, 40), "wide": (4, 60), "tall": (60, 4), "one-pixel": (1, 1), "same": (11, 13)}
RESIZED = {
    "stretch": lambda image, size: image.resize(size),
    "fit": ImageOps.pad,
    "crop": ImageOps.fit,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("resize", RESIZED)
@pytest.mark.parametrize("name", ["png-1-bit", "png-gray", "png-palette", "png-rgba", "jpeg-color", "jpeg-cmyk"])
def test_resizing_is_pillows(name, resize, size):
    data, mode = KINDS[name]
    with opened(data) as image:
        expected = np.asarray(RESIZED[resize](image.convert(mode), size[::-1]))
    assert_same(ImageDecoder(size, resize)(data), expected.reshape(*size, -1))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("resize", RESIZED)
@pytest.mark.parametrize("name", ["png", "tiff-big-endian"])
def test_16_bits_stay_right_when_resized(name, resize, size):
    floats = np.asarray(RESIZED[resize](Image.fromarray(DEEP.astype(np.float32)), size[::-1]))
    found = ImageDecoder(size, resize)(DEEP_KINDS[name][0])
    assert_same(found, np.clip(np.rint(floats), 0, 65535).astype(np.uint16)[..., None])


@pytest.mark.parametrize(("name", "dtype"), [("tiff-integers", np.int32), ("tiff-floats", np.float32)])
def test_other_deep_gray_resizes_too(name, dtype):
    data, values = DEEP_KINDS[name]
    expected = np.asarray(Image.fromarray(values).resize((7, 5)))
    assert_same(ImageDecoder((5, 7))(data), expected.astype(dtype)[..., None])


def test_fit_pads_with_black_and_keeps_a_line_thin():
    white = encoded(Image.new("L", (100, 1), 255), "PNG")
    found = ImageDecoder((5, 10), "fit")(white)[..., 0]
    assert found[2].tolist() == [255] * 10
    assert np.delete(found, 2, axis=0).max() == 0


def test_fit_pads_with_transparent_black():
    found = ImageDecoder((4, 8), "fit")(encoded(Image.new("RGBA", (4, 4), (9, 9, 9, 255)), "PNG"))
    assert found[0, 0].tolist() == [0, 0, 0, 0]
    assert found[0, 4].tolist() == [9, 9, 9, 255]


def test_crop_cuts_both_sides_alike():
    bars = np.repeat(np.array([[0, 255, 255, 0]], np.uint8), 2, axis=0)
    assert ImageDecoder((2, 2), "crop")(encoded(Image.fromarray(bars), "PNG")).min() == 255


def test_size_is_height_then_width_after_turning():
    exif = Image.Exif()
    exif[274] = 6
    data = encoded(picture("RGB"), "JPEG", exif=exif)
    assert ImageDecoder((3, 9))(data).shape == (3, 9, 3)
    turned = ImageDecoder()(data)
    assert turned.shape == (WIDTH, HEIGHT, 3)
    assert_same(ImageDecoder((WIDTH, HEIGHT), "fit")(data), turned)

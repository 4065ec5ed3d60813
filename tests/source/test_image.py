"""Every picture decodes to Pillow's own values."""

import pickle
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.pictures import (
    COLOR,
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
    png,
    rows_of,
    tiff,
    wide,
)
from PIL.PngImagePlugin import PngImageFile

from seekless.errors import OptionError
from seekless.source import image_png
from seekless.source.image import IMAGE_SUFFIXES, ImageDecoder
from seekless.source.image_png import png_pixels


@pytest.mark.parametrize(("data", "mode"), KINDS.values(), ids=KINDS)
def test_a_picture_has_pillows_values_and_its_own_channels(data, mode):
    assert_same(ImageDecoder()(data), pillow(data, mode))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("data", [data for data, _ in KINDS.values()], ids=KINDS)
def test_channels_are_set_as_pillow_converts(data, channels):
    found = ImageDecoder(channels=channels)(data)
    with opened(data) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about palettes with transparency
        start = image.convert({"LAB": "RGB", "La": "LA"}[image.mode]) if image.mode in ("LAB", "La") else image
        expected = np.asarray(start.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
    assert_same(found, expected.reshape(*expected.shape[:2], channels))


@pytest.mark.parametrize(("data", "values"), DEEP_KINDS.values(), ids=DEEP_KINDS)
def test_deep_gray_keeps_every_value(data, values):
    gray = ImageDecoder()(data)
    assert_same(gray, values[..., None])
    assert_same(ImageDecoder(channels=1)(data), gray)
    assert_same(ImageDecoder(channels=3)(data), np.repeat(gray, 3, axis=2))
    alpha = np.full_like(gray, ImageDecoder().scale_for(values.dtype))
    assert_same(ImageDecoder(channels=4)(data), np.concatenate([gray, gray, gray, alpha], axis=2))


@pytest.mark.skipif("tiff-gray-alpha-multiplied" not in KINDS, reason="Pillow 13 reads it first")
def test_multiplied_alpha_is_taken_apart():
    data = tiff(2, 1, [(277, 2), (338, 1)], bytes([50, 100, 90, 255]))
    assert ImageDecoder()(data).tolist() == [[[127, 127, 127, 100], [90, 90, 90, 255]]]


def test_one_bit_is_0_and_255():
    assert ImageDecoder()(png(8, 1, 1, 0, b"\0\xa1")).ravel().tolist() == [255, 0, 255, 0, 0, 0, 0, 255]


@pytest.mark.parametrize(("channels", "color"), [(3, 2), (4, 6)], ids=["rgb", "rgba"])
def test_16_bit_color_becomes_the_high_byte(channels, color):
    values, rows = wide(channels)
    assert_same(ImageDecoder()(png(WIDTH, HEIGHT, 16, color, rows)), (values >> 8).astype(np.uint8))


def test_transparency_is_dropped_not_blended():
    data = encoded(picture("RGBA"), "PNG")
    assert_same(ImageDecoder(channels=3)(data), ImageDecoder()(data)[..., :3])


@given(st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_short_way_is_exact_for_every_filter(data):
    color, channels = data.draw(st.sampled_from([(0, 1), (2, 3), (6, 4)]))
    width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows = random.integers(0, 256, (height, 1 + width * channels), np.uint8)
    rows[:, 0] = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    file = png(width, height, 8, color, rows.tobytes())
    for load in {image_png._load, None}:  # with libspng where it is there, and without
        with patch.object(image_png, "_load", load):
            found = png_pixels(file)
        assert found is not None
        assert_same(found, pillow(file, {1: "L", 3: "RGB", 4: "RGBA"}[channels]))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_what_pillow_writes_goes_the_short_way(mode, monkeypatch):
    data, values = encoded(picture(mode), "PNG"), np.atleast_3d(np.asarray(picture(mode)))
    smaller = np.atleast_3d(np.asarray(picture(mode).resize((4, 5))))
    monkeypatch.setattr(PngImageFile, "load", None)  # the long way would need it
    assert_same(ImageDecoder()(data), values)
    assert_same(ImageDecoder((5, 4))(data), smaller)
    assert_same(ImageDecoder()(in_parts(data)), values)


def in_parts(data):
    """The same PNG, its pixels in parts of 7 bytes."""
    at = data.index(b"IDAT") - 4
    packed = data[at + 8 : -16]
    parts = [part(b"IDAT", packed[start : start + 7]) for start in range(0, len(packed), 7)]
    return data[:at] + b"".join(parts) + data[-12:]


def test_the_short_way_gives_way_where_pillow_is_not_as_known(monkeypatch):
    monkeypatch.setattr(image_png, "core", object())
    monkeypatch.setattr(image_png, "_load", None)
    assert png_pixels(GRAY_PNG) is None
    assert_same(ImageDecoder()(GRAY_PNG), COLOR[..., :1])


@pytest.mark.parametrize("error", [RuntimeError, ValueError, MemoryError])
def test_what_libspng_does_not_take_pillow_decodes(error, monkeypatch):
    def load(data):
        raise error("pyspng: could not decode image")

    monkeypatch.setattr(image_png, "_load", load)
    assert_same(png_pixels(GRAY_PNG), COLOR[..., :1])


def test_more_pixels_than_needed_are_left_alone():
    more = np.random.default_rng(5).bytes(200_000)
    for depth, dtype in ((8, np.uint8), (16, np.uint16)):
        found = ImageDecoder()(png(3, 1, depth, 0, b"\0" + bytes([1, 2, 3, 4, 5, 6]) + more))
        assert_same(found, np.array([[[1], [2], [3]]] if depth == 8 else [[[258], [772], [1286]]], dtype))


def test_the_value_that_marks_lacking_rows_is_a_value_like_others():
    values = np.full((3, 5, 1), 0x5B, np.uint8)
    assert_same(ImageDecoder()(png(5, 3, 8, 0, rows_of(values))), values)


def test_suffixes_are_lower_case_and_the_formats_of_the_message():
    assert sorted(IMAGE_SUFFIXES) == [".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"]


def test_a_decoder_pickles_and_is_frozen():
    decoder = ImageDecoder((256, 128), "crop", 3)
    assert pickle.loads(pickle.dumps(decoder)) == decoder
    assert hash(decoder) == hash(ImageDecoder((256, 128), "crop", 3))
    with pytest.raises(AttributeError, match="size"):
        decoder.size = None


@pytest.mark.parametrize(
    ("dtype", "scale"), [("uint8", 255), (np.uint16, 65535), (np.dtype(">u2"), 65535), ("int32", 1), ("float32", 1)]
)
def test_scale_follows_the_dtype(dtype, scale):
    assert ImageDecoder().scale_for(dtype) == scale


BAD_OPTIONS = {
    "zero": ({"size": (0, 5)}, r"--size: found 0x5, expected height x width in pixels, such as 256x256"),
    "one-number": ({"size": 256}, "--size: found 256, expected height x width"),
    "three": ({"size": (1, 2, 3)}, r"--size: found \(1, 2, 3\), expected"),
    "fractions": ({"size": (1.5, 2)}, r"--size: found \(1.5, 2\), expected"),
    "too-large": ({"size": (10_000, 10_000)}, r"--size: found 10000x10000, .*, at most 89,478,485 pixels in all"),
    "resize": ({"resize": "zoom"}, "--resize: found 'zoom', expected one of stretch, fit, crop"),
    "channels": ({"channels": 2}, r"--channels: found 2, expected 1 \(gray\), 3 \(RGB\) or 4 \(RGBA\)"),
}


@pytest.mark.parametrize(("options", "text"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_a_bad_option_is_named_as_it_is_typed(options, text):
    with pytest.raises(OptionError, match=text):
        ImageDecoder(**options)

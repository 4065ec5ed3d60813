"""Every picture decodes to Pillow's own values or is refused in plain words."""

import io
import pickle
import struct
import threading
import warnings
import zlib
from unittest.mock import patch

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps
from PIL.PngImagePlugin import PngImageFile

from seekless.errors import DecodeError, OptionError
from seekless.source import image_open, image_png
from seekless.source.image import IMAGE_SUFFIXES, ImageDecoder
from seekless.source.image_png import png_pixels

HEIGHT, WIDTH = 11, 13
COLOR = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
COLOR[: HEIGHT // 2] //= 16  # so that one half differs from the other, and overshoots where it is resized
DEEP = (COLOR[..., 0].astype(np.uint16) << 8) | COLOR[..., 1]


def picture(mode):
    """A picture of any mode, no two rows, columns or channels of it alike."""
    if mode == "I;16":
        return Image.fromarray(DEEP)
    if mode == "I;16B":
        return Image.frombytes("I;16B", (WIDTH, HEIGHT), DEEP.astype(">u2").tobytes())
    if mode == "I":
        return Image.fromarray(DEEP.astype(np.int32) * 1000 - 30_000_000)
    if mode == "F":
        return Image.fromarray(DEEP.astype(np.float32) / 7 - 1000)
    color = Image.fromarray(COLOR)
    if mode == "LAB":
        return Image.frombytes("LAB", color.size, color.tobytes())
    made = color.convert("L").convert("LA") if mode == "LA" else color.convert(mode)
    if mode in ("LA", "RGBA"):
        made.putalpha(Image.fromarray(np.ascontiguousarray(COLOR[..., 2])))
    return made


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def part(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *parts, interlace=0):
    """A PNG file from its bare rows, each with the number of its filter in front."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    pixels = part(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + b"".join(parts) + pixels + part(b"IEND", b"")


def rows_of(values):
    return b"".join(b"\0" + row.tobytes() for row in values)


def wide(channels):
    """16-bit values as a PNG holds them, and the bytes of its rows."""
    values = np.random.default_rng(4).integers(0, 65536, (HEIGHT, WIDTH, channels), np.uint16)
    return values, rows_of(values.astype(">u2"))


def tiff(width, height, tags=(), data=b""):
    """A TIFF file of 8-bit gray, one value a pixel or as the tags say."""
    held = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 279: len(data), **dict(tags)}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, held[tag]) for tag in sorted(held) if tag != 258)
    depth = struct.pack("<HHIHH", 258, 3, held[277], 8, 8 if held[277] == 2 else 0)
    fields = fields[:24] + depth + fields[24:]
    return (b"II*\0" + struct.pack("<IH", 8, len(held)) + fields + bytes(4)).ljust(200, b"\0") + data


def bmp_header(width, height):
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


CLEAR_GRAY = part(b"tRNS", struct.pack(">H", int(COLOR[0, 0, 0])))
CLEAR_COLOR = part(b"tRNS", struct.pack(">3H", *COLOR[0, 0].tolist()))
GRAY_ROWS = rows_of(np.ascontiguousarray(COLOR[..., 0]))
GRAY_PNG = png(WIDTH, HEIGHT, 8, 0, GRAY_ROWS)
PALETTE = picture("P")

# What a file is, how it is made, and the mode in which Pillow's values are taken; the channels follow from that.
KINDS = {
    "png-1-bit": (encoded(picture("1"), "PNG"), "L"),
    "png-gray": (encoded(picture("L"), "PNG"), "L"),
    "png-gray-2-bit": (png(4, 1, 2, 0, b"\0\x1b"), "L"),
    "png-gray-one-color-clear": (png(WIDTH, HEIGHT, 8, 0, GRAY_ROWS, CLEAR_GRAY), "RGBA"),
    "png-gray-alpha": (encoded(picture("LA"), "PNG"), "RGBA"),
    "png-palette": (encoded(PALETTE, "PNG"), "RGB"),
    "png-palette-one-clear": (encoded(PALETTE, "PNG", transparency=PALETTE.getpixel((0, 0))), "RGBA"),
    "png-palette-half-clear": (encoded(PALETTE, "PNG", transparency=bytes(range(128))), "RGBA"),
    "png-rgb": (encoded(picture("RGB"), "PNG"), "RGB"),
    "png-rgb-one-color-clear": (png(WIDTH, HEIGHT, 8, 2, rows_of(COLOR), CLEAR_COLOR), "RGBA"),
    "png-rgba": (encoded(picture("RGBA"), "PNG"), "RGBA"),
    "png-rgb-16-bit": (png(WIDTH, HEIGHT, 16, 2, wide(3)[1]), "RGB"),
    "png-gray-alpha-16-bit": (png(WIDTH, HEIGHT, 16, 4, wide(2)[1]), "RGBA"),
    "png-with-text": (png(WIDTH, HEIGHT, 8, 0, GRAY_ROWS, part(b"tEXt", b"Comment\0hello")), "L"),
    "png-and-more-after-it": (GRAY_PNG + b"more", "L"),
    "png-interlaced": (png(2, 2, 8, 0, b"\0\1\0\2\0\3\4", interlace=1), "L"),
    "png-animated": (encoded(picture("RGB"), "PNG", save_all=True, append_images=[Image.new("RGB", (13, 11))]), "RGB"),
    "jpeg-gray": (encoded(picture("L"), "JPEG"), "L"),
    "jpeg-color": (encoded(picture("RGB"), "JPEG"), "RGB"),
    "jpeg-progressive": (encoded(picture("RGB"), "JPEG", progressive=True), "RGB"),
    "jpeg-cmyk": (encoded(picture("CMYK"), "JPEG"), "RGB"),
    "bmp-1-bit": (encoded(picture("1"), "BMP"), "L"),
    "bmp-gray": (encoded(picture("L"), "BMP"), "L"),
    "bmp-palette": (encoded(PALETTE, "BMP"), "RGB"),
    "bmp-color": (encoded(picture("RGB"), "BMP"), "RGB"),
    "bmp-32-bit": (encoded(picture("RGBA"), "BMP"), "RGB"),
    "gif-gray": (encoded(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(8, 32)), "GIF"), "L"),
    "gif-palette": (encoded(PALETTE, "GIF"), "RGB"),
    "gif-clear": (encoded(PALETTE, "GIF", transparency=PALETTE.getpixel((0, 0))), "RGBA"),
    "gif-frames": (encoded(PALETTE, "GIF", save_all=True, append_images=[Image.new("P", (13, 11))]), "RGB"),
    "tiff-1-bit": (encoded(picture("1"), "TIFF", compression="group4"), "L"),
    "tiff-gray": (encoded(picture("L"), "TIFF", compression="packbits"), "L"),
    "tiff-gray-alpha": (encoded(picture("LA"), "TIFF"), "RGBA"),
    "tiff-gray-alpha-multiplied": (tiff(2, 1, [(277, 2), (338, 1)], bytes([50, 100, 90, 255])), "RGBA"),
    "tiff-palette": (encoded(PALETTE, "TIFF"), "RGB"),
    "tiff-color": (encoded(picture("RGB"), "TIFF", compression="tiff_lzw"), "RGB"),
    "tiff-alpha": (encoded(picture("RGBA"), "TIFF", compression="tiff_adobe_deflate"), "RGBA"),
    "tiff-cmyk": (encoded(picture("CMYK"), "TIFF"), "RGB"),
    "tiff-ycbcr": (encoded(picture("YCbCr"), "TIFF"), "RGB"),
    "tiff-lab": (encoded(picture("LAB"), "TIFF"), "RGB"),
    "tiff-pages": (encoded(picture("RGB"), "TIFF", save_all=True, append_images=[Image.new("RGB", (5, 4))]), "RGB"),
    "webp-color": (encoded(picture("RGB"), "WEBP"), "RGB"),
    "webp-lossless": (encoded(picture("RGB"), "WEBP", lossless=True), "RGB"),
    "webp-alpha": (encoded(picture("RGBA"), "WEBP"), "RGBA"),
    "webp-frames": (encoded(picture("RGB"), "WEBP", save_all=True, append_images=[Image.new("RGB", (13, 11))]), "RGB"),
}
if int(PIL.__version__.split(".")[0]) < 13:  # which refuses the one, and cannot read back the other of an odd size
    del KINDS["tiff-gray-alpha-multiplied"], KINDS["tiff-ycbcr"]
DEEP_KINDS = {
    "png": (encoded(picture("I;16"), "PNG"), DEEP),
    "png-one-value-clear": (png(WIDTH, HEIGHT, 16, 0, rows_of(DEEP.astype(">u2")), CLEAR_GRAY), DEEP),
    "tiff-little-endian": (encoded(picture("I;16"), "TIFF"), DEEP),
    "tiff-big-endian": (encoded(picture("I;16B"), "TIFF"), DEEP),
    "tiff-integers": (encoded(picture("I"), "TIFF"), np.asarray(picture("I"))),
    "tiff-floats": (encoded(picture("F"), "TIFF"), np.asarray(picture("F"))),
}
ALL = {name: data for kinds in (KINDS, DEEP_KINDS) for name, (data, _) in kinds.items()}


def pillow(data, mode):
    """Pillow's values of a file: uint8, (height, width, channels)."""
    with opened(data) as image:
        start = image.convert("LA") if image.mode == "La" else image
        values = np.asarray(start.convert(mode))
    return values.reshape(*values.shape[:2], -1)


def as_channels(mode):
    return {"L": 1, "RGB": 3, "RGBA": 4}[mode]


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, expected, strict=True)


# ---------------------------------------------------------------------------------------------------- values


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


# ---------------------------------------------------------------------------------------------------- frames, EXIF


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


# ---------------------------------------------------------------------------------------------------- size

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


# ---------------------------------------------------------------------------------------------------- bad input

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
WHOLE = "expected a whole PNG picture"
BAD = {
    "nothing": (b"", r"found an empty file \(0 bytes\), expected a PNG, JPEG, BMP, GIF, TIFF or WebP picture"),
    "html": (b"\n<html><head><title>404</title>", "found text that begins with '<html', expected a PNG, JPEG"),
    "doctype": (b"\xef\xbb\xbf<!DOCTYPE html>\n<html>", "found text that begins with '<!DOCTYPE', expected"),
    "spaces": (b"  \n\n", "found text that begins with '', expected"),
    "csv": (b"0.5,0.25\n1.0,0.0\n", "found text that begins with '0.5,0.25', expected"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "found text that begins with '%!PS-Adobe-3.0', exp"),
    "pdf": (b"%PDF-1.7\n", "found text that begins with '%PDF-1.7', expected"),
    "pdf-as-pillow-writes-it": (encoded(picture("L"), "PDF"), "begin.* with '?(25 50 44 46|%PDF)"),
    "ppm": (encoded(picture("L"), "PPM"), "found .* expected a PNG, JPEG"),
    "ico": (b"\0\0\1\0\1\0\x10\x10\0\0", "found bytes that begin with 00 00 01 00 01 00 10 10, expected a PNG"),
    "elf": (b"\x7fELF\2\1\1\0\0\0", "found bytes that begin with 7f 45 4c 46 02 01 01 00, expected"),
    "png-of-8-bytes": (PNG_HEAD, f"found a PNG picture that breaks off after 8 bytes, {WHOLE}"),
    "png-half": (GRAY_PNG[:-30], f"found a PNG picture that breaks off after [0-9]+ bytes, {WHOLE}"),
    "png-without-end": (GRAY_PNG[:-12], f"found a PNG picture that breaks off after [0-9]+ bytes, {WHOLE}"),
    "png-of-3-rows": (png(WIDTH, HEIGHT, 8, 0, GRAY_ROWS[:42]), rf"breaks off .pixels of 42 bytes of 154., {WHOLE}"),
    "png-of-3-rows-of-16-bits": (png(4, 4, 16, 2, bytes(75)), rf"breaks off .pixels of 75 bytes of 100., {WHOLE}"),
    "png-of-3-rows-of-bits": (png(9, 4, 1, 3, bytes(9), part(b"PLTE", bytes(6))), r"pixels of 9 bytes of 12.,"),
    "png-of-3-rows-in-7-passes": (png(3, 3, 8, 0, bytes(9), interlace=1), r"pixels of 9 bytes of 15.,"),
    "png-of-half-a-row": (png(WIDTH, HEIGHT, 8, 0, GRAY_ROWS[:40]), r"breaks off .pixels of 40 bytes of 154.,"),
    "png-of-no-pixels": (png(1, 1, 8, 0, b"")[:33] + part(b"IEND", b""), r"breaks off .pixels of 0 bytes of 2.,"),
    "png-bad-stream": (GRAY_PNG[:33] + part(b"IDAT", b"abcd") + GRAY_PNG[-12:], rf"a damaged PNG picture .*, {WHOLE}"),
    "png-color-type-7": (png(2, 1, 8, 7, b"\0ab"), f"found a PNG header of .* an unknown sort, {WHOLE}"),
    "png-bad-filter": (png(2, 1, 8, 0, b"\7ab"), f"found a damaged PNG picture .*, {WHOLE}"),
    "png-bad-sum": (
        GRAY_PNG[:60] + b"~" + GRAY_PNG[61:],
        rf"found a damaged PNG picture .wrong checksum of its IDAT part., {WHOLE}",
    ),
    "png-odd-part": (PNG_HEAD + bytes(16), r"wrong checksum of its \\x00|\x00\x00\x00\x00 part"),
    "png-no-header": (
        PNG_HEAD + part(b"IEND", b""),
        f"found a PNG file that does not begin with its one header, {WHOLE}",
    ),
    "png-two-headers": (GRAY_PNG[:33] + GRAY_PNG[8:], f"a PNG file that does not begin with its one header, {WHOLE}"),
    "png-short-header": (PNG_HEAD + part(b"IHDR", b"1234"), f"does not begin with its one header, {WHOLE}"),
    "png-no-middle": (GRAY_PNG[:16] + GRAY_PNG[-12:], f"found a PNG picture that breaks off after 28 bytes, {WHOLE}"),
    "png-of-no-rows": (
        png(5, 0, 8, 0, b""),
        r"found a PNG picture of 0 x 5 pixels .height x width., expected at least",
    ),
    "png-of-no-columns": (png(0, 5, 8, 0, b"\0" * 5), r"found a PNG picture of 5 x 0 pixels"),
    "bmp-of-no-columns": (bmp_header(0, 5), "found a BMP header of a picture without size"),
    "jpeg-half": (KINDS["jpeg-color"][0][:-100], "found a JPEG picture that breaks off, expected a whole JPEG picture"),
    "jpeg-only-begun": (b"\xff\xd8\xff\xe0", "found a .*JPEG .*, expected a whole JPEG picture"),
    "gif-half": (KINDS["gif-palette"][0][:-40], "found a GIF picture that breaks off, expected a whole GIF picture"),
    "bmp-half": (KINDS["bmp-color"][0][:-40], "found a BMP picture that breaks off, expected a whole BMP picture"),
    "tiff-half": (tiff(WIDTH, HEIGHT, data=b"abc"), "found a TIFF picture that breaks off, expected a whole TIFF"),
    "webp-half": (KINDS["webp-color"][0][:-40], "found a damaged WebP picture .*, expected a whole WebP picture"),
    "tiff-nan": (encoded(Image.fromarray(np.float32([[1, np.nan]])), "TIFF"), "found values that are NaN or infinite"),
    "tiff-infinite": (encoded(Image.fromarray(np.float32([[np.inf]])), "TIFF"), "NaN or infinite, expected finite"),
}


@pytest.mark.parametrize(("data", "text"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_plain_words(data, text):
    with pytest.raises(DecodeError, match=text):
        ImageDecoder()(data)
    with pytest.raises(DecodeError, match=text):
        ImageDecoder((4, 4), "crop", 3)(data)


def gif_header(width, height):
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\1\0\0;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame


def jpeg_header(width, height):
    data = bytearray(encoded(Image.new("L", (1, 1)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


# 16,383 x 16,383 black pixels, a whole file, as libwebp packs them.
BLACK_WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\xfe\xbf\xff\x0f\x07\x10\x11\xfd\x0fDD\xff\x03"
TOO_MANY = r"expected at most 89,478,485 pixels"
BOMBS = {
    "png": (
        png(20_000, 20_000, 8, 0, b"\0" * 100),
        f"a PNG picture of 20,000 x 20,000 pixels .*, {TOO_MANY}: this may be",
    ),
    "png-where-pillow-warns": (png(9_472, 9_448, 1, 0, b"\0"), f"a PNG picture of 9,448 x 9,472 pixels .*, {TOO_MANY}"),
    "png-huge": (png(2**31 - 1, 2**31 - 1, 8, 6, b"\0"), f"2,147,483,647 x 2,147,483,647 pixels .*, {TOO_MANY}"),
    "jpeg": (jpeg_header(65_000, 60_000), f"a JPEG picture of 60,000 x 65,000 pixels .*, {TOO_MANY}"),
    "bmp": (bmp_header(30_000, 30_000), f"a BMP picture of 30,000 x 30,000 pixels .*, {TOO_MANY}"),
    "gif": (gif_header(65_535, 65_500), f"a GIF picture of 65,500 x 65,535 pixels .*, {TOO_MANY}"),
    "tiff": (tiff(30_000, 30_000), f"a TIFF picture of 30,000 x 30,000 pixels .*, {TOO_MANY}"),
    "tiff-tile": (
        tiff(16, 16, [(322, 32_768), (323, 32_768)]),
        f"a tiled TIFF .* 32,768 x 32,768 pixels .*, {TOO_MANY}",
    ),
    "webp": (BLACK_WEBP, f"a WebP picture of .*pixels.*, {TOO_MANY}"),
}


@pytest.mark.parametrize(("data", "text"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_header(data, text, monkeypatch):
    before = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # decoding would fail on this, in other words
    with pytest.raises(DecodeError, match=text):
        ImageDecoder()(data)
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_limit_is_ours_whatever_a_program_sets(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert_same(ImageDecoder()(KINDS["jpeg-gray"][0]), ImageDecoder()(KINDS["jpeg-gray"][0]))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DecodeError, match="may be a decompression bomb"):
        ImageDecoder()(BOMBS["tiff"][0])


FAILURES = {
    "memory": (MemoryError(), "found a GIF picture that needs more memory than there is, expected a whole GIF picture"),
    "end": (EOFError("no more"), "found a GIF picture that breaks off, expected"),
    "bomb": (Image.DecompressionBombError("x"), f"found a GIF picture of too many pixels, {TOO_MANY}"),
    "unknown": (RuntimeError("one\ntwo"), r"found a damaged GIF picture \(one two\), expected"),
    "silent": (AssertionError(), r"found a damaged GIF picture \(AssertionError\), expected"),
    "endless": (ValueError("x" * 9999), r"found a damaged GIF picture \(x{100}\), expected"),
}


@pytest.mark.parametrize(("error", "text"), FAILURES.values(), ids=FAILURES)
def test_whatever_pillow_raises_is_a_decode_error(error, text, monkeypatch):
    def load(self):
        raise error

    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load, raising=False)
    with pytest.raises(DecodeError, match=text) as caught:
        ImageDecoder()(KINDS["gif-palette"][0])
    assert caught.value.__cause__ is error


def test_lack_of_memory_is_a_decode_error_on_the_short_way_too(monkeypatch):
    def resize(self, size):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", resize)
    with pytest.raises(
        DecodeError, match="found a PNG picture that needs more memory than there is, expected a whole PNG"
    ):
        ImageDecoder((4, 4))(GRAY_PNG)


@pytest.mark.parametrize("name", ALL)
def test_a_file_cut_short_is_an_error_never_half_a_picture(name):
    decoder, data = ImageDecoder(), ALL[name]
    whole = decoder(data)
    for length in range(len(data)):
        try:
            found = decoder(data[:length])
        except DecodeError:
            continue
        # What is left lacks an end mark, padding or later frames, and none of the pixels; a PNG may lack nothing.
        assert not name.startswith("png") or "more" in name
        np.testing.assert_array_equal(found, whole, strict=True)


@pytest.mark.parametrize("name", ["png-gray", "png-palette-half-clear", "png-animated"])
def test_any_changed_byte_of_a_png_is_an_error(name):
    data = KINDS[name][0]
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(DecodeError, match="found "):
            ImageDecoder()(bytes(changed))


DECODERS = [ImageDecoder(), ImageDecoder((6, 5), "fit", 4), ImageDecoder((9, 9), "crop", 1)]


def answers(data):
    for decoder in DECODERS:
        try:
            found = decoder(data)
        except DecodeError:
            continue
        assert found.ndim == 3
        assert found.dtype in (np.uint8, np.uint16, np.int32, np.float32)


BEGINNINGS = [b"", PNG_HEAD, b"\xff\xd8\xff", b"BM", b"GIF89a", b"II*\0", b"MM\0*", b"RIFF\x20\0\0\0WEBPVP8 "]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_decode_or_are_refused(beginning, rest):
    answers(beginning + rest)


CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "tiff", "webp"])
def test_a_damaged_file_decodes_or_is_refused(kind):
    files = [data for name, data in ALL.items() if name.startswith(kind)]

    @given(st.sampled_from(files), CHANGES, st.integers(0, 10**6))
    @settings(max_examples=200, deadline=None, derandomize=True)
    def damage(data, changes, cut):
        changed = bytearray(data)
        for at, value in changes:
            changed[at % len(changed)] = value
        answers(bytes(changed))
        answers(bytes(changed[: cut % len(changed)]))
        if kind == "png":  # past the checksums, to what Pillow itself makes of it
            answers(mended(changed))

    damage()


def mended(data):
    """The file with every checksum set right, as far as its parts can be followed."""
    at = 8
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            break
        data[stop : stop + 4] = zlib.crc32(data[at + 4 : stop]).to_bytes(4, "big")
        at = stop + 4
    return bytes(data)


# ---------------------------------------------------------------------------------------------------- warnings

WARNED = encoded(picture("P"), "PNG", transparency=bytes(range(128)))


def test_pillows_warnings_do_not_leak_and_filters_stay():
    with pytest.warns(UserWarning, match="Transparency"), opened(WARNED) as image:
        image.convert("RGB")  # Pillow alone does warn
    before = list(warnings.filters)
    ImageDecoder(channels=3)(WARNED)  # pytest makes an error of every warning
    with pytest.raises(DecodeError):
        ImageDecoder()(b"BM")
    assert warnings.filters == before


def test_the_programs_own_warnings_still_come():
    with image_open.opened(WARNED), pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_filters_that_the_program_clears_stay_cleared():
    with image_open.opened(WARNED):
        warnings.resetwarnings()
    assert warnings.filters == []


def test_threads_leave_the_filters_as_they_were():
    before = list(warnings.filters)
    meet, failed = threading.Barrier(4, timeout=60), []

    def work():
        try:
            for _ in range(50):
                meet.wait()
                ImageDecoder(channels=3)(WARNED)
        except Exception as error:
            failed.append(error)
            meet.abort()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert warnings.filters == before


# ---------------------------------------------------------------------------------------------------- options


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

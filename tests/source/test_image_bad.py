"""What is no whole picture is refused in plain words, and nothing of Pillow's warnings is left behind."""

import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.pictures import (
    ALL,
    GRAY_PNG,
    GRAY_ROWS,
    HEIGHT,
    KINDS,
    WIDTH,
    assert_same,
    bmp_header,
    encoded,
    opened,
    part,
    picture,
    png,
    tiff,
)
from PIL import Image, ImageFile

from seekless.errors import DecodeError
from seekless.source import image_open
from seekless.source.image import ImageDecoder

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

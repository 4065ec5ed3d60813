"""Pictures of all kinds as files in memory, and what Pillow makes of them."""

import io
import struct
import zlib

import numpy as np
import PIL
from PIL import Image

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

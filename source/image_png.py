"""PNG files: every part checked, and a short way to the pixels of the plain ones."""

import struct
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import _imaging as core

from seekless.errors import DecodeError
from seekless.source.image_open import PNG_SIGNATURE, check_size

__all__ = ["png_pixels"]

EXPECTED = "a whole PNG picture"

_PART = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
_HEADER = struct.Struct(">II5s")

# A file of one header, one part of pixels and the end, as Pillow writes small ones: what stands at 16 to 41 in it.
_BEGIN = PNG_SIGNATURE + b"\0\0\0\rIHDR"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_FIELDS = struct.Struct(">II5sII4s")
_PIXELS_SUM = zlib.crc32(b"IDAT")

# (8 bits a channel, color type, compression, filters, no interlace): Pillow's mode, its channels, and a color in it.
_MARK = 0x5B
_PLAIN = {
    b"\x08\0\0\0\0": ("L", 1, _MARK),
    b"\x08\2\0\0\0": ("RGB", 3, (_MARK,) * 3),
    b"\x08\6\0\0\0": ("RGBA", 4, (_MARK,) * 4),
}

_SLICE = 65536  # bytes unpacked at a time: deflate makes at most 64 MiB of them

# libspng undoes PNG's filters by vector instructions: a photograph of 256 x 256 took half of Pillow's time, a picture
# of 28 x 28 a tenth less. There are not wheels of it for every machine; the pixels are the same without it.
_load: Callable[[bytes], npt.NDArray[np.uint8]] | None
try:
    _load = import_module("pyspng").load
except ImportError:
    _load = None

_VALUES_A_PIXEL = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class _Parts(NamedTuple):
    """What matters of a PNG file: its header, its packed pixels, and whether it has any parts but these."""

    width: int
    height: int
    form: bytes
    packed: bytes
    bare: bool


def png_pixels(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Check a PNG file, and decode it if it is plain: 8 bits a channel, no palette, nothing to apply to the pixels.

    Pillow checks only the parts before the pixels, and leaves black what a stream of pixels lacks at its end.

    Args:
        data: The whole file, which begins with PNG_SIGNATURE; what follows its end mark is not looked at.

    Returns:
        uint8, (height, width, channels), perhaps read-only; None for a sound file that is not plain.

    Raises:
        DecodeError: The file breaks off, a checksum is wrong, or it has no pixels, too many, or fewer than it says.
    """
    parts = _bare_parts(data) or _all_parts(data)
    check_size("PNG", parts.height, parts.width)
    if parts.bare and parts.form in _PLAIN:
        pixels = _fast_pixels(data, parts)
        if pixels is None:
            pixels = _plain_pixels(parts)
        if pixels is not None:
            return pixels
    _check_length(parts)
    return None


def _bare_parts(data: bytes) -> _Parts | None:
    """Read the simplest file, at once; None where it is another, or damaged."""
    if not (data.startswith(_BEGIN) and data.endswith(_END) and len(data) > 41):
        return None
    width, height, form, header_sum, length, kind = _FIELDS.unpack_from(data, 16)
    stop = 41 + length
    packed = data[41:stop]
    if (
        kind != b"IDAT"
        or stop + 16 != len(data)
        or zlib.crc32(data[12:29]) != header_sum
        or zlib.crc32(packed, _PIXELS_SUM) != int.from_bytes(data[stop : stop + 4], "big")
    ):
        return None
    return _Parts(width, height, form, packed, True)


def _all_parts(data: bytes) -> _Parts:
    """Read any file, part by part."""
    at, kind = len(PNG_SIGNATURE), b""
    packed, bare = [], True
    while kind != b"IEND":
        try:
            length, kind = _PART.unpack_from(data, at)
            start, stop = at + _PART.size, at + _PART.size + length
            (checksum,) = _CHECKSUM.unpack_from(data, stop)
        except struct.error:
            raise DecodeError(f"a PNG picture that breaks off after {len(data):,} bytes", EXPECTED) from None
        part = data[start:stop]
        if zlib.crc32(part, zlib.crc32(kind)) != checksum:
            name = kind.decode("ascii", "backslashreplace")
            raise DecodeError(f"a damaged PNG picture (wrong checksum of its {name} part)", EXPECTED)
        if (kind == b"IHDR") != (at == len(PNG_SIGNATURE)) or (kind == b"IHDR" and length != _HEADER.size):
            raise DecodeError("a PNG file that does not begin with its one header", EXPECTED)
        if kind == b"IDAT":
            packed.append(part)
        bare &= kind in (b"IHDR", b"IDAT", b"IEND")
        at = stop + _CHECKSUM.size
    width, height, form = _HEADER.unpack_from(data, len(_BEGIN))
    return _Parts(width, height, form, b"".join(packed), bare)


def _fast_pixels(data: bytes, parts: _Parts) -> npt.NDArray[np.uint8] | None:
    """Decode with libspng, which refuses what lacks rows; None where it is not there, or leaves the file to Pillow."""
    if _load is None:
        return None
    try:
        pixels = _load(data).reshape(parts.height, parts.width, _PLAIN[parts.form][1])
    except (RuntimeError, ValueError, MemoryError):
        return None
    return pixels


def _plain_pixels(parts: _Parts) -> npt.NDArray[np.uint8] | None:
    """Decode with Pillow's own decoder, without the layers around it.

    A 28x28 file took 7 us so, 12 us by `Image.frombytes` and `tobytes`, 25 us by `Image.open`. The names used are
    Pillow's inner ones, alike in 10.4 to 13; should they change, the answer is None and all goes the long way.
    """
    width, height, form, packed, _ = parts
    mode, channels, mark = _PLAIN[form]
    try:
        image = core.fill(mode, (width, height), mark)
        decoder = core.zip_decoder(mode, mode, 0)
        decoder.setimage(image, (0, 0, width, height))
        used, status = decoder.decode(packed)
        if used >= 0 or status:
            return None  # the stream is damaged
        encoder = core.raw_encoder(mode, mode)
        encoder.setimage(image, (0, 0, width, height))
        values = encoder.encode(height * width * channels)[2]
        pixels = np.ndarray((height, width, channels), np.uint8, values)
    except (AttributeError, TypeError, ValueError, MemoryError):
        return None
    if values[-1] == _MARK:
        _check_length(parts)  # the last row may be one that the stream lacks
    return pixels


def _check_length(parts: _Parts) -> None:
    """Refuse a stream that unpacks to fewer bytes than the picture's rows have."""
    width, height, form, packed, _ = parts
    depth, color, _, _, interlace = form
    if color not in _VALUES_A_PIXEL:
        return  # for Pillow to refuse
    needed = 0
    for left, top, across, down in _INTERLACED if interlace else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns:
            needed += rows * (1 + (columns * _VALUES_A_PIXEL[color] * depth + 7) // 8)
    unpacker, unpacked = zlib.decompressobj(), 0
    for start in range(0, len(packed), _SLICE):
        if unpacker.eof or unpacked >= needed:
            break
        try:
            unpacked += len(unpacker.decompress(packed[start : start + _SLICE]))
        except zlib.error as error:
            raise DecodeError(f"a damaged PNG picture ({error})", EXPECTED) from error
    if unpacked < needed:
        raise DecodeError(f"a PNG picture that breaks off (pixels of {unpacked:,} bytes of {needed:,})", EXPECTED)

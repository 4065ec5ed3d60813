"""Open one picture through Pillow, safely: known formats only, no bombs, no warnings, one kind of error."""

import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from PIL import ExifTags, Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from seekless.errors import DecodeError

__all__ = ["MAX_PIXELS", "PNG_SIGNATURE", "check_size", "opened", "refusing"]

# Where Pillow begins to warn of a decompression bomb: a quarter of a GiB of 24-bit pixels. Here it is an error, and
# does not move with `Image.MAX_IMAGE_PIXELS`: a worker process would not know what a program has set there.
MAX_PIXELS = 89_478_485

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

EXPECTED = "a PNG, JPEG, BMP, GIF, TIFF or WebP picture"

# A picture is known by how its file begins, never by its name. `Image.open` would try every format that is installed,
# EPS among them (which runs Ghostscript), and would check sizes against a limit, and warn, in ways that are global.
_BEGINNINGS: tuple[tuple[re.Pattern[bytes], str, Callable[[io.BytesIO], ImageFile]], ...] = (
    (re.compile(re.escape(PNG_SIGNATURE)), "PNG", PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), "JPEG", cast("Callable[[io.BytesIO], ImageFile]", jpeg_factory)),
    (re.compile(rb"BM"), "BMP", BmpImageFile),
    (re.compile(rb"GIF8[79]a"), "GIF", GifImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]|MM\*\0|II\0\*"), "TIFF", TiffImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP", WebPImageFile),
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_TEXT = bytes(range(32, 127)) + b"\t\r\n\f"
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF tags


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open one picture: decoded, its first frame or page, turned upright as its EXIF says.

    Args:
        data: The whole file.

    Yields:
        The picture, in the mode that Pillow gives it.

    Raises:
        DecodeError: The bytes are no whole picture of a known format, or too large a one; also where the body fails.
    """
    kind, opener = _recognise(data)
    with refusing(kind), _quiet(), opener(io.BytesIO(data)) as picture:
        _check_header(kind, picture)
        picture.load()
        yield _upright(picture)


@contextmanager
def refusing(kind: str) -> Iterator[None]:
    """Turn whatever Pillow raises on a picture into one kind of error.

    Args:
        kind: The name of the picture's format.

    Raises:
        DecodeError: The body raised anything.
    """
    try:
        yield
    except DecodeError:
        raise
    except Image.DecompressionBombError as error:  # from a plugin that looks at the limit by itself
        raise DecodeError(f"a {kind} picture of too many pixels", f"at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:
        # Every kind, at this one boundary: Pillow documents none. In half a million damaged files it raised OSError,
        # SyntaxError, ValueError, TypeError and AssertionError, and its plugins unpack, index and inflate besides.
        raise DecodeError(_damage(kind, error), f"a whole {kind} picture") from error


def check_size(kind: str, height: int, width: int) -> None:
    """Refuse a picture whose header claims no pixels, or more than anyone's picture has.

    Args:
        kind: The name of its format.
        height: In pixels.
        width: In pixels.

    Raises:
        DecodeError: No pixel, or more than MAX_PIXELS.
    """
    if min(height, width) > 0 and height * width <= MAX_PIXELS:
        return
    found = f"a {kind} picture of {height:,} x {width:,} pixels (height x width)"
    if min(height, width) < 1:
        raise DecodeError(found, "at least 1 x 1")
    raise DecodeError(found, f"at most {MAX_PIXELS:,} pixels: this may be a decompression bomb")


def _recognise(data: bytes) -> tuple[str, Callable[[io.BytesIO], ImageFile]]:
    for beginning, kind, opener in _BEGINNINGS:
        if beginning.match(data):
            return kind, opener
    if not data:
        raise DecodeError("an empty file (0 bytes)", EXPECTED)
    start = data[:64].removeprefix(b"\xef\xbb\xbf")
    if start.translate(None, _TEXT):
        raise DecodeError(f"bytes that begin with {data[:8].hex(' ')}", EXPECTED)
    word = re.match(r"[^\s>]{0,20}", start.decode("ascii").lstrip())
    raise DecodeError(f"text that begins with {word.group() if word else ''!r}", EXPECTED)


def _check_header(kind: str, picture: ImageFile) -> None:
    check_size(kind, picture.height, picture.width)
    if isinstance(picture, TiffImageFile):
        # libtiff decodes whole tiles: a file of 1 MB, 16 x 16 pixels in one tile of 32,768 x 32,768, took 1 GB.
        tags: Any = picture.tag_v2
        check_size("tiled TIFF", max(1, tags.get(_TILE_LENGTH, 1)), max(1, tags.get(_TILE_WIDTH, 1)))


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except SyntaxError:  # Pillow's word for EXIF that it cannot read; the pixels are whole, and are taken as they lie
        return picture
    method = _UPRIGHT.get(orientation or 1)
    return picture if method is None else picture.transpose(method)


def _damage(kind: str, error: Exception) -> str:
    """Say in plain words what Pillow has met."""
    if isinstance(error, MemoryError):
        return f"a {kind} picture that needs more memory than there is"
    text = " ".join(str(error).removesuffix(" when reading image file").split())[:100]
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"a {kind} picture that breaks off"
    if "not identified by this driver" in text:
        return f"a {kind} header of a picture without size, or of an unknown sort"
    return f"a damaged {kind} picture ({text or type(error).__name__})"


_quiet_lock = threading.Lock()
_quiet_inside = 0
_quiet_undo: Callable[[], None]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings (about damaged metadata, mostly) from the program, in this and every other thread.

    `warnings.catch_warnings` swaps the program's list of filters: two threads in it at once can leave theirs behind for
    good. Here the first one in adds one filter, for Pillow's modules alone, and the last one out takes it away.
    """
    global _quiet_inside, _quiet_undo  # noqa: PLW0603 (filters belong to the process, and so does their count)
    with _quiet_lock:
        if not _quiet_inside:
            _quiet_undo = _ignore_pillow()
        _quiet_inside += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_inside -= 1
            if not _quiet_inside:
                _quiet_undo()


def _ignore_pillow() -> Callable[[], None]:
    """Add the filter; return what takes it away, from the very list it was added to."""
    warnings.filterwarnings("ignore", module=r"PIL\.(?#seekless)")  # the comment: no program has the same filter
    filters = cast("list[object]", warnings.filters)
    added = filters[0]

    def undo() -> None:
        with suppress(ValueError):  # another thread may have put another list in its place
            filters.remove(added)

    return undo

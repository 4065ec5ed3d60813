"""Short names under pictures: a font that can write them, and lines that fit."""

import contextlib
import unicodedata
from collections.abc import Iterable, Iterator

from PIL import ImageFont

__all__ = ["Font", "fold", "font_for", "lines_of"]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Pillow's own font writes ASCII only. Others are looked for where systems keep them.
OTHER_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "arial.ttf")
ELLIPSIS = "..."


def font_for(texts: Iterable[str], size: int) -> Font:
    """Return the first font that can write all texts; Pillow's own if none can.

    Args:
        texts: The texts.
        size: Of the letters, in pixels.
    """
    letters = "".join(sorted(set("".join(texts))))
    for font in _fonts(size):
        if _can_write(font, letters):
            return font
    return ImageFont.load_default(size)


def fold(text: str, font: Font, instead: str) -> str:
    """Return a text as a font can write it: as it is, without accents, or another instead.

    Args:
        text: The text.
        font: The font.
        instead: What to write where it has none of the letters.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    if _can_write(font, text):
        return text
    return plain if len(plain) >= len(text) else instead


def lines_of(text: str, font: Font, width: int, most: int = 2) -> list[str]:
    """Break a text to lines that are no wider than `width`; what is left over is cut and marked by three dots.

    Args:
        text: The text; it breaks behind spaces, "_", "-", "/" and ",", or anywhere if it must.
        font: The font.
        width: In pixels.
        most: Lines at most.
    """
    lines: list[str] = []
    rest = text.strip()
    while rest and len(lines) < most:
        fits = next((end for end in range(len(rest), 1, -1) if font.getlength(rest[:end].rstrip()) <= width), 1)
        last = len(lines) == most - 1
        if fits < len(rest) and not last:
            fits = max((at + 1 for at in range(fits) if rest[at] in " _-/,"), default=fits)
        line, rest = rest[:fits].strip(), rest[fits:].strip()
        if rest and last:
            while line and font.getlength(line + ELLIPSIS) > width:
                line = line[:-1]
            line = line.rstrip() + ELLIPSIS
        lines.append(line)
    return lines


def _fonts(size: int) -> Iterator[Font]:
    yield ImageFont.load_default(size)
    for name in OTHER_FONTS:
        with contextlib.suppress(OSError):  # not on this machine
            yield ImageFont.truetype(name, size)


def _can_write(font: Font, text: str) -> bool:
    """Whether a font has every letter: one that it lacks looks as U+FFFF does, which no font has."""
    lacking = bytes(font.getmask("\uffff"))
    return all(letter == " " or bytes(font.getmask(letter)) != lacking for letter in set(text))

"""Decode the commonest file of all, an 8-bit picture as `numpy.savetxt` writes it, by looking its numbers up.

`savetxt(path, image / 255.0)` writes every number in the same 24 characters, "%.18e", and there are only 256 different
ones. Each text is looked up in a table that was made by writing the numbers out and reading the text back; the texts
found are put together and compared with the whole file. If they are equal, each value is that of its text, whatever the
look-up did; if one byte differs, the file is left to the ordinary decoder.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["decode_pixels"]

WIDTH = 25  # bytes of a number: "3.921568627450980338e-03" and the separator after it
SLOTS = 1 << 16
SHIFT = np.uint64(64 - 16)
FRACTION = 0x9E3779B97F4A7C15  # of 2**64, the golden ratio: spreads neighbouring keys

Keys = npt.NDArray[np.uint64]


class PixelTable(NamedTuple):
    """A hash table from texts to numbers. Every slot holds a true pair, so a wrong slot cannot give a wrong value.

    Attributes:
        multiplier: The hash: the top bits of key * multiplier.
        texts: V25, (SLOTS,): "%.18e" and a space.
        values: float64, (SLOTS,): the numbers of these texts.
        known: All texts, without the space.
    """

    multiplier: np.uint64
    texts: npt.NDArray[np.void]
    values: npt.NDArray[np.float64]
    known: frozenset[bytes]


@cache
def pixel_table() -> PixelTable:
    """Return the table of all numbers an 8-bit picture is written as: k / 255 in float64 and in float32, and k."""
    k = np.arange(256, dtype=np.float64)
    levels = np.concatenate([k / 255, k.astype(np.float32) / np.float32(255), k])
    numbers = dict.fromkeys(f"{level:.18e}" for level in levels.tolist())
    texts = "".join(f"{text} " for text in numbers).encode("ascii")
    keys = _keys(texts, len(numbers))
    multipliers = (np.uint64(FRACTION * odd % 2**64) for odd in range(1, 2**20, 2))
    multiplier = next(m for m in multipliers if np.unique(keys * m >> SHIFT).size == keys.size)
    slots = (keys * multiplier >> SHIFT).astype(np.intp)
    pairs = np.frombuffer(texts, f"V{WIDTH}"), np.array([float(text) for text in numbers])
    table = PixelTable(multiplier, np.full(SLOTS, pairs[0][0]), np.full(SLOTS, pairs[1][0]), frozenset(texts.split()))
    table.texts[slots], table.values[slots] = pairs
    return table


def _keys(data: bytes, count: int) -> Keys:
    # The first 8 and the last 8 characters: their sum differs for all the numbers of the table, and for the levels of
    # every 8-bit scaling tried; neither end does alone ("2.000...e+00" and "4.000...e+00").
    first: Keys = np.ndarray((count,), "<u8", data, 0, (WIDTH,))
    last: Keys = np.ndarray((count,), "<u8", data, WIDTH - 9, (WIDTH,))
    return first + last


def decode_pixels(data: bytes) -> npt.NDArray[np.float64] | None:
    """Decode a file of numbers that are all in the table, one space between them, each row as long as the others.

    Args:
        data: The whole file.

    Returns:
        float64, (rows, columns), what `numpy.loadtxt` reads before it drops axes of length 1; None for any other file.
    """
    count, rest = divmod(len(data), WIDTH)
    width = data.find(b"\n") + 1
    if rest or not width or len(data) % width or width % WIDTH:
        return None
    table = pixel_table()
    if data[: WIDTH - 1] not in table.known:  # the first number tells other files apart at once
        return None
    keys = _keys(data, count)
    keys *= table.multiplier
    keys >>= SHIFT
    slots: npt.NDArray[Any] = keys.view(np.int64)
    texts = table.texts.take(slots)
    texts.view(np.uint8)[width - 1 :: width] = 10  # a row ends in a newline where the table has a space
    if texts.tobytes() != data:
        return None
    return table.values.take(slots).reshape(-1, width // WIDTH)

"""Decode regular CSV text, rows of plain numbers with one kind of separator, three times as fast as `numpy.loadtxt`.

Such text needs only other separators to be a JSON array, and orjson reads the numbers of JSON to the last bit. JSON
knows fewer ways to write a number than `numpy.loadtxt` and gives some of them another meaning, so whatever is not
exactly of this form is declined and left to `numpy.loadtxt`.
"""

import re
import struct

import numpy as np
import numpy.typing as npt
import orjson

from seekless.source.csv_text import WHITESPACE

__all__ = ["decode_regular"]

MAX_BYTES = 1 << 22  # orjson makes an object of every number: with larger files, memory matters more than speed
MINUS_ZERO = re.compile(rb"-0(?![0-9.eE])")

# What separates the columns, by all the characters that stand between the numbers of a line.
SEPARATORS = {
    frozenset(b""): b",",
    frozenset(b","): b",",
    frozenset(b", "): b",",
    frozenset(b";"): b";",
    frozenset(b"; "): b";",
    frozenset(b"\t"): b"\t",
    frozenset(b" "): b" ",
}


def decode_regular(data: bytes, delimiter: str | None) -> npt.NDArray[np.float64] | None:
    """Decode a file of regular text.

    Args:
        data: The whole file.
        delimiter: The character between columns, "whitespace", or None for any.

    Returns:
        float64, (rows, columns), what `numpy.loadtxt` reads before it drops axes of length 1; None if the text is not
        regular.
    """
    if len(data) > MAX_BYTES:
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    shape = _shape(data, delimiter)
    if shape is None:
        return None
    rows, columns, separator = shape
    text = data[:-1].replace(b"\n", b",")
    try:
        numbers = orjson.loads(b"[%b]" % (text if separator == b"," else text.replace(separator, b",")))
    except orjson.JSONDecodeError:
        return None
    if len(numbers) != rows * columns:
        return None
    # struct makes doubles of a list in a third of the time of np.array, and refuses what is no number.
    return np.frombuffer(bytearray(struct.pack(f"{len(numbers)}d", *numbers)), np.float64).reshape(rows, columns)


def _shape(data: bytes, delimiter: str | None) -> tuple[int, int, bytes] | None:
    """Return the rows, the columns and the separator of regular text, as far as they show without reading numbers."""
    # What is left are separators, points and whatever makes the text not regular.
    marks = data.translate(None, b"0123456789eE+-")
    line, rows = _repeated(marks)
    if rows == 0:
        line, rows = _repeated(marks.replace(b".", b""))
    separator = SEPARATORS.get(frozenset(line) - frozenset(b".\n"))
    if rows == 0 or separator is None:
        return None
    wanted = " ,;\t" if delimiter is None else " \t" if delimiter == WHITESPACE else delimiter
    if separator in line and separator.decode() not in wanted:
        return None
    columns = line.count(separator) + 1
    # JSON's -0 is an integer, which has no sign; a number with a point is none.
    if line.count(b".") != columns and MINUS_ZERO.search(data):
        return None
    return rows, columns, separator


def _repeated(marks: bytes) -> tuple[bytes, int]:
    """Return the first line, and how many lines there are if all are like it, else 0."""
    line = marks[: marks.find(b"\n") + 1]
    rows = len(marks) // len(line)
    return line, rows if marks == line * rows else 0

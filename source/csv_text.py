"""Find the table of numbers in the text of a CSV file, whatever its dialect, and read it with `numpy.loadtxt`."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.errors import DecodeError

__all__ = ["DELIMITER_NAMES", "WHITESPACE", "NumberTable", "find_table", "is_number", "split_lines"]

WHITESPACE = "whitespace"  # the delimiter that is any run of spaces and tabs
DELIMITER_NAMES = {"tab": "\t", "\\t": "\t"}  # as they are typed

# What numpy.loadtxt takes as a number: Python's float() also takes "1_000" and digits that are not ASCII.
NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.ASCII | re.I)
QUOTED = re.compile(r'"[^"]*"')
QUOTED_WORDS = re.compile(r'"[^"]*"(?!\S)|\S+')
SPACED = re.compile(r"\S[^\S\t]+\S")  # whitespace that is no tab, between two cells
SWAP_DECIMAL = str.maketrans(",.", ".,")


def split_lines(data: bytes) -> list[str]:
    """Return the lines of a file, ended by LF, CR LF or CR, without their ends.

    Bytes that are not UTF-8 become lone surrogates: in comments and headers they do no harm, and no number has any.

    Args:
        data: The whole file, without a byte order mark.

    Returns:
        Its lines; at least one.

    Raises:
        DecodeError: The file is no text, or its characters have two or four bytes.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DecodeError("UTF-16 text", "UTF-8 text; save the file as UTF-8")
    if b"\0" in data:
        raise DecodeError(f"bytes that are no text (a zero byte at offset {data.index(0)})", "numbers as text")
    text = data.decode("utf-8", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_number(cell: str) -> bool:
    """Return whether `numpy.loadtxt` reads the text of a cell as a float."""
    return NUMBER.fullmatch(cell.strip()) is not None


@dataclass(frozen=True)
class NumberTable:
    """The lines of a file that hold its numbers, as `numpy.loadtxt` takes them.

    Attributes:
        lines: Without quotes, with "." as the decimal point; blank lines and comments are still there.
        number: The number of lines[0] in the file, counted from 1.
        delimiter: The character between columns, or "whitespace".
        columns: The columns to keep, counted from 0, or from the end when negative; None for all.
        decimal: The decimal point that the file has.
    """

    lines: list[str]
    number: int
    delimiter: str
    columns: tuple[int, ...] | None
    decimal: str

    def values(self) -> npt.NDArray[np.float64]:
        """Return the numbers: float64, (rows, columns), without axes of length 1.

        Raises:
            ValueError: A cell is no number, or a row is longer than another.
        """
        delimiter = None if self.delimiter == WHITESPACE else self.delimiter
        return np.loadtxt(self.lines, delimiter=delimiter, usecols=self.columns, encoding="utf-8")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line's number and the cells of each row, comments and blank lines left out."""
        for number, line in enumerate(self.lines, self.number):
            cells = _split(line, self.delimiter)
            if cells:
                yield number, cells

    def kept(self, width: int) -> Sequence[int]:
        """Return the columns that are kept of a row of some width, counted from 0; they may lie outside of it."""
        if self.columns is None:
            return range(width)
        return [column + width if column < 0 else column for column in self.columns]

    def as_written(self, cell: str) -> str:
        """Return a cell with the decimal point that the file has."""
        return cell.translate(SWAP_DECIMAL) if self.decimal == "," else cell


def find_table(
    lines: list[str], delimiter: str | None, decimal: str, skip_rows: int, columns: tuple[int, ...] | None
) -> NumberTable:
    """Find the dialect of a file and where its numbers begin.

    The first line that has a number under one of the delimiters it holds decides. One line before it is a header.

    Args:
        lines: The file's lines.
        delimiter: The character between columns, "whitespace", or None to find it.
        decimal: "." or ",".
        skip_rows: Lines to leave out at the beginning, whatever they hold.
        columns: The columns to keep.

    Returns:
        The table. Its lines need not all be numbers; without any number it begins at the first line of text.

    Raises:
        DecodeError: There is nothing but blank lines and comments.
    """
    if decimal == ",":
        lines = [line.translate(SWAP_DECIMAL) for line in lines]
    begin, chosen = _find_dialect(lines, delimiter, decimal, skip_rows, columns)
    rest = lines[begin:]
    # Where all cells are numbers, a space among tabs separates two; where some are left out, it may be part of a text.
    if delimiter is None and columns is None and chosen == "\t" and any(map(_is_spaced, rest)):
        chosen = WHITESPACE
    return NumberTable([_clean(line, chosen) for line in rest], begin + 1, chosen, columns, decimal)


def _find_dialect(
    lines: list[str], delimiter: str | None, decimal: str, skip_rows: int, columns: tuple[int, ...] | None
) -> tuple[int, str]:
    """Return the line at which the numbers begin, counted from 0, and the delimiter."""
    first: tuple[int, str] | None = None
    for index in range(skip_rows, len(lines)):
        line = _outside_quotes(lines[index])
        if not line.strip():
            continue
        candidates = _delimiters(line, decimal) if delimiter is None else [delimiter]
        found = _deciding(lines[index], candidates, columns)
        if found is not None:
            return (index if first is None else first[0] + 1), found
        first = first or (index, candidates[0])
    if first is None:
        skipped = f" after the {skip_rows} of --skip-rows" if skip_rows else ""
        raise DecodeError(f"no line of numbers{skipped}", "rows of numbers")
    return first


def _outside_quotes(line: str) -> str:
    return QUOTED.sub('""', line.partition("#")[0]) if '"' in line else line.partition("#")[0]


def _is_spaced(line: str) -> bool:
    return SPACED.search(_outside_quotes(line)) is not None


def _delimiters(line: str, decimal: str) -> list[str]:
    """Return what may separate the columns of a line, most telling first."""
    found = [mark for mark in (";,\t" if decimal == "." else ";\t") if mark in line]
    # Tabs among spaces are runs of whitespace; tabs alone may have an empty cell between them, which must not vanish.
    return found if found and not (found == ["\t"] and _is_spaced(line)) else [*found, WHITESPACE]


def _deciding(line: str, candidates: Sequence[str], columns: tuple[int, ...] | None) -> str | None:
    """Return the candidate under which a line is numbers, or has one among the columns to keep; None if none does."""
    rows = {candidate: _split(_clean(line, candidate), candidate) for candidate in candidates}
    for candidate, cells in rows.items():
        if cells and all(map(is_number, cells)):
            return candidate
    for candidate, cells in rows.items():
        kept = range(len(cells)) if columns is None else columns
        # The header "pixel 0<tab>pixel 1" has no number, though split at its spaces it would.
        number = any(is_number(cells[i]) for i in kept if -len(cells) <= i < len(cells))
        if number and (candidate != WHITESPACE or len(rows) == 1):
            return candidate
    return None


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line without quotes; none if it is blank or a comment, as numpy.loadtxt sees it."""
    line = line.partition("#")[0]
    if delimiter == WHITESPACE:
        return line.split()
    return line.split(delimiter) if line else []


def _clean(line: str, delimiter: str) -> str:
    """Return a line without quotes, and a line of nothing but spaces and a comment as an empty one."""
    if '"' in line:
        line = _unquote(line.partition("#")[0].rstrip(" "), delimiter)
    return line if line.partition("#")[0].strip(" ") else ""


def _unquote(line: str, delimiter: str) -> str:
    """Return a line with the quotes of its numbers left out; quoted text that looks like several cells stays one."""
    if delimiter == WHITESPACE:
        words = QUOTED_WORDS.findall(line)
        cells = [word[1:-1].strip() if QUOTED.fullmatch(word) else word for word in words]
        return " ".join(["_".join(cell.split()) or '""' for cell in cells])
    try:
        # Strict, since "1"2 would else be 12.
        cells = next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=delimiter != " "), [])
    except csv.Error:
        return line
    joint = "?" if delimiter == "_" else "_"  # neither is in a number
    line = delimiter.join([cell.replace(delimiter, joint) for cell in cells])
    return line if line.strip(" ") else '""'  # a line that holds a cell is not blank

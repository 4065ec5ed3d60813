"""How the rows of a table are written: its delimiter, its header, and which columns are target and sample."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seekless.errors import DecodeError, OptionError, SourceError
from seekless.source.csv import CSVDecoder
from seekless.source.csv_text import DELIMITER_NAMES, QUOTED, QUOTED_WORDS, WHITESPACE, is_number
from seekless.source.labels import is_integer, some

__all__ = ["Dialect", "find_dialect", "is_row"]

# A line that is no row: blank, or a comment.
NO_ROW = re.compile(rb"[ \t\r]*(?:#.*)?")
MAX_LINE = 1 << 28  # bytes of a table's first lines; past that it is no text of lines


@dataclass(frozen=True)
class Dialect:
    """How the rows of one table are written.

    Attributes:
        delimiter: One character, or "whitespace".
        decimal: "." or ",".
        width: Columns of every row.
        targets: The columns of the target, counted from 0; () for none.
        samples: The columns of the sample, likewise.
        begin: Bytes before the first row.
    """

    delimiter: str
    decimal: str
    width: int
    targets: tuple[int, ...]
    samples: tuple[int, ...]
    begin: int

    def labels(self, line: bytes) -> tuple[str, ...]:
        """Check that a row has all columns, and return its labels.

        Args:
            line: The row, without its line feed.

        Raises:
            DecodeError: It has more or fewer columns, or a `#` inside a value, or a label is empty or no text.
        """
        text = _without_comment(_decoded(line), self.delimiter)
        if self.delimiter == WHITESPACE or '"' in text:
            cells = _split(text, self.delimiter)
            width = len(cells)
        else:
            width = text.count(self.delimiter) + 1
            cells = text.split(self.delimiter, max(self.targets, default=0) + 1)
        if width != self.width:
            columns = "1 column" if width == 1 else f"{width} columns"
            raise DecodeError(columns, f"{self.width} as in the table's first line")
        labels = tuple(self._label(cells[column].strip()) for column in self.targets)
        if not all(labels):
            raise DecodeError("an empty target", "a class or a number")
        return labels

    def _label(self, cell: str) -> str:
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise DecodeError("a target that is not UTF-8 text", "a class or a number") from None
        number = cell.replace(",", ".") if self.decimal == "," else cell
        return number if is_number(number) else cell


def is_row(line: bytes) -> bool:
    """Return whether a line, without its line feed, is a row of a table: neither blank nor a comment."""
    return NO_ROW.fullmatch(line) is None


def find_dialect(path: Path, decoder: CSVDecoder, target_columns: Sequence[str]) -> tuple[Dialect, tuple[str, ...]]:
    """Tell from the first lines of a table how its rows are written.

    Args:
        path: The table.
        decoder: How numbers are written; `columns` are those of the sample, by default all but the targets'.
        target_columns: Names, as in a header, or numbers from 0, of the target's columns; () for no targets.

    Returns:
        The dialect, and what a header calls the columns of the target and then those of the sample; () without one.

    Raises:
        SourceError: It cannot be read, is compressed, has no rows, or lacks a column, or has two of the name asked for.
        OptionError: A column's number is not one of the table's, or is another column's name.
    """
    try:
        with path.open("rb") as file:
            begin, line, second = _first_rows(file, path, decoder.skip_rows)
    except OSError as error:
        raise SourceError(f"{path}: found a table that cannot be read ({error.strerror})") from error
    delimiter = _delimiter(_decoded(line).partition("#")[0], decoder)
    try:
        cells = [cell.strip() for cell in _split(_without_comment(_decoded(line), delimiter), delimiter)]
    except DecodeError as error:
        raise SourceError(f"{path}: {error}") from None
    try:
        below = _split(_without_comment(_decoded(second), delimiter), delimiter)
    except DecodeError:
        below = []  # a bad row, to be named as such when it is read
    header = _is_header(cells, below, target_columns, decoder.decimal)
    targets = tuple(_target(name, cells, header, path) for name in target_columns)
    samples = tuple(_samples(cells, targets, decoder.columns, path))
    if not samples:
        raise SourceError(f"{path}: found no column beside the target's, expected the values of a sample")
    begin += len(line) if header else 0
    names = tuple(cells[column] for column in (*targets, *samples)) if header else ()
    return Dialect(delimiter, decoder.decimal, len(cells), targets, samples, begin), names


def _first_rows(file: BinaryIO, path: Path, skip_rows: int) -> tuple[int, bytes, bytes]:
    """Return where the first row begins, that row, and the one below it, b"" if there is none."""
    start = file.read(3)
    if start.startswith(b"\x1f\x8b"):
        raise SourceError(f"{path}: found a gzip file, expected a plain table for --rows; unpack it with gunzip first")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(f"{path}: found UTF-16 text, expected UTF-8 text; save the table as UTF-8")
    begin = 3 if start == b"\xef\xbb\xbf" else 0
    file.seek(begin)
    for _ in range(skip_rows):
        begin += len(file.readline(MAX_LINE))
    rows: list[bytes] = []
    while len(rows) < 2 and (line := file.readline(MAX_LINE)):
        if len(line) == MAX_LINE:
            raise SourceError(f"{path}: found a line of more than {MAX_LINE >> 20} MiB, expected a sample a row")
        if is_row(line.rstrip(b"\n")):
            rows.append(line)
        elif not rows:
            begin += len(line)
    if not rows:
        raise SourceError(f"{path}: found no rows, expected a sample a row")
    if b"\r" in rows[0].rstrip(b"\r\n"):
        raise SourceError(f"{path}: found lines that end in CR alone, expected LF or CR LF")
    return begin, rows[0], rows[1] if len(rows) > 1 else b""


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _without_comment(line: str, delimiter: str) -> str:
    # As the decoder has it, the mark begins a comment even inside quotes; but of "C#" no "C" must be left.
    row, mark, _ = line.partition("#")
    if mark and row and not (row[-1].isspace() or row[-1] == delimiter):
        raise DecodeError("a # inside a value", "values without #, and a space before the # of a comment")
    return row


def _delimiter(line: str, decoder: CSVDecoder) -> str:
    if decoder.delimiter is not None:
        return DELIMITER_NAMES.get(decoder.delimiter, decoder.delimiter)
    marks = ";\t" if decoder.decimal == "," else "\t,;"
    return next((mark for mark in marks if mark in QUOTED.sub("", line)), WHITESPACE)


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, quotes left out, cut where the decoder cuts it."""
    if delimiter == WHITESPACE:
        return [word.strip('"') for word in QUOTED_WORDS.findall(line)]
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=delimiter != " "), [])
    except csv.Error as error:
        raise DecodeError(
            f"quotes that do not match ({error})", 'cells such as "a", with "" for a quote in one'
        ) from None


def _is_header(cells: Sequence[str], below: Sequence[str], target_columns: Sequence[str], decimal: str) -> bool:
    """Whether the first row of a table names its columns, perhaps some by numbers (label, 0, 1, 2 ...)."""

    def number(cell: str) -> bool:
        return is_number(cell.replace(",", ".") if decimal == "," else cell)

    if not any(map(number, cells)) or any(name in cells for name in target_columns if not is_integer(name)):
        return True
    columns = [int(name) for name in target_columns if is_integer(name)]
    if not columns or not all(-len(row) <= column < len(row) for column in columns for row in (cells, below)):
        return False
    if len(set(cells)) < len(cells):
        return False
    return not any(number(cells[column]) for column in columns) and all(
        number(below[column].strip()) for column in columns
    )


def _target(name: str, cells: Sequence[str], header: bool, path: Path) -> int:
    if header and name in cells:
        return _named(name, cells, path)
    if not is_integer(name):
        known = some(cells) if header else f"0 to {len(cells) - 1} (the table has no header)"
        raise SourceError(f"{path}: found no column {name!r}, expected one of {known}; see --target-column")
    return _number(int(name), cells, "--target-column", path)


def _named(name: str, cells: Sequence[str], path: Path) -> int:
    column = cells.index(name)
    if is_integer(name) and -len(cells) <= int(name) < len(cells) and int(name) % len(cells) != column:
        raise OptionError(
            f"--target-column: found {name}, which may be the column {cells[int(name)]!r}, by its number, or the one "
            f"named {name!r} in {path}, expected the name {cells[int(name)]!r} for the first, or {column - len(cells)} "
            "(from the end) for the other"
        )
    if cells.count(name) > 1:
        raise SourceError(
            f"{path}: found {cells.count(name)} columns named {name!r}, expected one; give --target-column its number, "
            "counted from 0"
        )
    return column


def _samples(cells: Sequence[str], targets: Sequence[int], columns: Sequence[int] | None, path: Path) -> list[int]:
    if columns is None:
        return [column for column in range(len(cells)) if column not in targets]
    samples = [_number(column, cells, "--columns", path) for column in columns]
    both = sorted(set(samples) & set(targets))
    if both:
        raise OptionError(f"--columns: found {both[0]}, which is a --target-column in {path}, expected others")
    return samples


def _number(column: int, cells: Sequence[str], option: str, path: Path) -> int:
    if not -len(cells) <= column < len(cells):
        raise OptionError(f"{option}: found {column}, expected 0 to {len(cells) - 1} in {path}")
    return column % len(cells)

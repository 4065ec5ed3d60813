"""Read a labels file: a line for each sample, its name first, then one or several target columns."""

import csv
import io
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.csv_text import is_number

__all__ = ["LabelFile", "is_integer", "read_labels", "some"]

SHOWN = 5
KEPT_ONCE = 1000  # labels of which one copy serves all lines
MOST_DIGITS = 600  # int() refuses more than 640, where Python is set most strictly


@dataclass(frozen=True)
class LabelFile:
    """The lines of a labels file.

    Attributes:
        path: The file.
        lines: Each line's number in the file, from 1.
        ids: The first column, as written, without surrounding space.
        labels: The target columns of each line, likewise.
        names: What the first line would call the target columns, if it is a header.
    """

    path: Path
    lines: Sequence[int]
    ids: Sequence[str]
    labels: Sequence[tuple[str, ...]]
    names: tuple[str, ...]

    def without_header(self) -> "LabelFile":
        """Return the file without its first line."""
        return LabelFile(self.path, self.lines[1:], self.ids[1:], self.labels[1:], self.names)

    def columns(self, wanted: Sequence[str]) -> "LabelFile":
        """Return the file with some of its target columns alone.

        Args:
            wanted: Their names, as in the header.

        Raises:
            SourceError: There is no header, or no such column in it, or two.
        """
        missing = [name for name in wanted if name not in self.names]
        if missing and any(map(is_number, self.names)):
            raise SourceError(
                f"{self.path}: found no header: its first line ends in {some(self.names)}; add a first line that names "
                f"the columns, such as name,{missing[0]}, or leave --target-column {missing[0]} out"
            )
        if missing:
            raise SourceError(
                f"{self.path}: found no column {some(missing)} in its first line, expected one of {some(self.names)}; "
                "see --target-column"
            )
        twice = [name for name in wanted if self.names.count(name) > 1]
        if twice:
            raise SourceError(f"{self.path}: found {twice[0]} twice in its first line, expected one; rename the other")
        chosen = [self.names.index(name) for name in wanted]
        labels = [tuple(row[column] for column in chosen) for row in self.labels]
        return LabelFile(self.path, self.lines, self.ids, labels, tuple(wanted))

    @property
    def has_numbers_below_words(self) -> bool:
        """Whether the first line holds words among its targets, and the second numbers: a header."""
        if len(self.labels) < 2:
            return False
        first, second = self.labels[:2]
        return all(first) and not any(map(is_number, first)) and all(map(is_number, second))


def read_labels(path: Path) -> LabelFile:
    """Read a labels file, with comma, tab or semicolon between columns.

    Args:
        path: The file: UTF-8, with or without byte-order mark, any line ends.

    Returns:
        All lines that are not blank, the header too if there is one.

    Raises:
        SourceNotFoundError: There is no such file.
        SourceError: It cannot be read, is empty, or a line has more or fewer columns than the first.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceNotFoundError(
            f"{path}: found no such file, expected the targets: a line 'name,label' for each sample; name it by "
            "--labels, or say --labels none for a store without targets"
        ) from None
    except OSError as error:
        raise SourceError(f"{path}: found a labels file that cannot be read ({error.strerror})") from error
    # A million rows beside the lists made of them would take as much again, and so would the text in one piece.
    lines, ids, labels = array("q"), list[str](), list[tuple[str, ...]]()
    alike: dict[tuple[str, ...], tuple[str, ...]] = {}
    width = 0
    try:
        for line, row in _rows(path, data):
            width = width or len(row)
            if len(row) != width or width < 2:
                expected = "2 or more: 'name,label'" if width < 2 else f"{width} as in line {lines[0]}"
                raise SourceError(f"{path}, line {line}: found {_count(row)}, expected {expected}")
            label = tuple(row[1:])
            if len(alike) < KEPT_ONCE:
                label = alike.setdefault(label, label)
            lines.append(line)
            ids.append(row[0])
            labels.append(label)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: found bytes that are not UTF-8 ({error.reason}), expected lines 'name,label'"
        ) from None
    if not ids:
        raise SourceError(f"{path}: found no lines, expected 'name,label' for each sample")
    return LabelFile(path, lines, ids, labels, labels[0])


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, and the number of its last line."""
    first = next((line for line in _text(data, None) if line.strip()), "")
    delimiter = next((mark for mark in "\t,;" if mark in first), ",")
    reader = csv.reader(_text(data, ""), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: found text that is no table ({error})") from error


def _text(data: bytes, newline: str | None) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=newline)


def _count(row: Sequence[str]) -> str:
    return "1 column" if len(row) == 1 else f"{len(row)} columns"


def is_integer(text: str) -> bool:
    """Return whether a label is a whole number, such as 7, 007 or -1."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS


def some(names: Sequence[str]) -> str:
    """Return the first few of many names, and how many more there are."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"

"""Say in plain words what is wrong with a file of numbers: which value, in which line and column."""

import math
import re

from seekless.errors import DecodeError
from seekless.source.csv_text import NumberTable, is_number

__all__ = ["first_fault", "first_not_finite"]

SHOWN = 30  # characters of a cell
BETWEEN = re.compile(r"[;\s]+")


def first_fault(table: NumberTable) -> DecodeError:
    """Find why `numpy.loadtxt` refuses a table.

    Args:
        table: The table.

    Returns:
        The error that names the first cell that is no number, or the first row of another length.
    """
    first: tuple[int, int] | None = None
    for number, cells in table.rows():
        for column in table.kept(len(cells)):
            if not 0 <= column < len(cells):
                return _missing_column(table, number, len(cells))
            if not is_number(cells[column]):
                return _no_number(table, cells[column], number, column)
        if first is None:
            first = number, len(cells)
        elif table.columns is None and len(cells) != first[1]:
            return DecodeError(f"{_values(len(cells))} in line {number}", f"{first[1]} as in line {first[0]}")
    return DecodeError("text that is no table of numbers", "rows of equally many numbers")


def first_not_finite(table: NumberTable) -> DecodeError:
    """Find the first NaN or infinity of a table.

    Args:
        table: A table that `numpy.loadtxt` reads.

    Returns:
        The error that names the cell.
    """
    number, column, cell = next(
        (number, column, cells[column])
        for number, cells in table.rows()
        for column in table.kept(len(cells))
        if not math.isfinite(float(cells[column].strip()))  # float() itself leaves some separators
    )
    return DecodeError(
        f"{_shown(table.as_written(cell))} in line {number}, column {column + 1}",
        "finite numbers; --allow-nan takes nan and infinities",
    )


def _no_number(table: NumberTable, cell: str, number: int, column: int) -> DecodeError:
    where = f"in line {number}, column {column + 1}"
    if any("\udc80" <= character <= "\udcff" for character in cell):
        return DecodeError(f"bytes that are not UTF-8 text {where}", "a number")
    if not cell.strip():
        if table.delimiter == " ":
            return DecodeError(f"an empty value {where}", "a number; --delimiter whitespace takes runs of spaces")
        return DecodeError(f"an empty value {where}", "a number; --columns can leave a column out")
    comma = table.decimal == "." and _has_decimal_commas(table.lines[number - table.number])
    hint = "; a decimal comma needs --decimal ," if comma else ""
    return DecodeError(f"text {_shown(table.as_written(cell))} {where}", f"a number{hint}")


def _has_decimal_commas(line: str) -> bool:
    words = [word for word in BETWEEN.split(line.partition("#")[0]) if word]
    return "," in line and all(is_number(word.replace(",", ".")) for word in words)


def _missing_column(table: NumberTable, number: int, width: int) -> DecodeError:
    columns = ",".join(map(str, table.columns or ()))
    return DecodeError(f"{_values(width)} in line {number}", f"the columns of --columns {columns} (the first is 0)")


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def _shown(cell: str) -> str:
    cell = cell.strip()
    return repr(cell if len(cell) <= SHOWN else f"{cell[: SHOWN - 3]}...")

"""Samples that were rows of tables, as rows of tables again: sorted outside of memory, written from end to end."""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.extract_files import check_name, row_format
from seekless.convert.extract_targets import label_texts
from seekless.convert.gather import gather, in_one
from seekless.convert.scatter import Scatter, unstamped
from seekless.store.pieces import pieces
from seekless.store.schema import Header
from seekless.store.store import Store

__all__ = ["Tables", "target_columns"]

ROW_KEY = re.compile(r"(.+\.(?:csv|tsv|txt))#([0-9]{1,18})", re.IGNORECASE | re.DOTALL)
COLUMN = "v"
TEXT_BYTES = 1 << 20  # of the values that are made text at a time
# What cannot stand in a cell: # begins a comment, and a row is one line.
NO_CELL = re.compile(r"[#\r\n]")


def target_columns(header: Header) -> tuple[str, ...]:
    """Return the names of the target's columns: those of the table that the store was made of, if they can be.

    Args:
        header: What the store says of its targets.
    """
    if "y" not in header.fields:
        return ()
    shape = header.fields["y"].sample_shape
    count = shape[0] if shape else 1
    kept = tuple(map(str, header.options.get("target_columns", ())))
    usable = all(name.isidentifier() and not re.fullmatch(f"{COLUMN}[0-9]+", name) for name in kept)
    if len(kept) == len(set(kept)) == count and usable:
        return kept
    return ("target",) if count == 1 else tuple(f"target{number}" for number in range(count))


class Tables:
    """The tables that the samples of a store were rows of.

    Attributes:
        names: The tables, sorted.

    Args:
        store: The store.
        rows: The table and the row of each.
    """

    def __init__(self, store: Store, rows: Sequence[tuple[str, int]]) -> None:
        self._store = store
        self.names = sorted({table for table, _ in rows})
        number_of = {table: number for number, table in enumerate(self.names)}
        table = np.array([number_of[name] for name, _ in rows], np.int64)
        self._order = np.lexsort((np.array([row for _, row in rows], np.int64), table))
        self._table = table[self._order]
        self._begun: set[Path] = set()
        self._targets = store.read("y", 0, len(store)) if "y" in store.tables else None

    @classmethod
    def of(cls, store: Store, keys: Sequence[str]) -> "Tables | None":
        """Return the tables of a store; None where a sample is no row of one, or a class cannot be written as a cell.

        Args:
            store: The store.
            keys: The keys of its samples.

        Raises:
            ConvertError: A key leads out of the folder.
        """
        found = [ROW_KEY.fullmatch(key) for key in keys]
        rows = [(match[1], int(match[2])) for match in found if match is not None]
        if len(rows) < len(keys) or len(set(rows)) < len(keys):
            return None
        if any(NO_CELL.search(name) or name != name.strip() for name in store.class_names or ()):
            return None
        tables = cls(store, rows)
        for name in tables.names:
            check_name(name)
        return tables

    def write(self, folder: Path, parts: Path, memory: int, bar: Any) -> tuple[int, bool]:
        """Write all tables, with a header, the targets in the first columns.

        Args:
            folder: The folder.
            parts: A folder to be, for partition files.
            memory: Bytes that samples may take before they go there.
            bar: Told how many samples were written.

        Returns:
            The bytes written, and whether all values are finite.
        """
        x = self._store.header.fields["x"]
        positions = np.empty(len(self._order), np.int64)
        positions[self._order] = np.arange(len(self._order))
        scatter = Scatter(len(positions), memory, parts)
        for start, stored in pieces(self._store.tables["x"]):
            scatter.add(unstamped(positions[start : start + len(stored)], stored, x.encoding))
        kept = np.ones(len(positions), bool)
        step = max(1, TEXT_BYTES // (8 * max(1, math.prod(x.sample_shape))))
        written, finite, start = 0, True, 0
        for part in gather(scatter.partitions(x.sample_bytes), x, kept):
            stored = in_one(part, x)
            for at in range(0, len(stored), step):
                values = x.encoding.decode(stored[at : at + step]).reshape(len(stored[at : at + step]), -1)
                finite &= values.dtype.kind != "f" or bool(np.isfinite(values).all())
                written += self._write_rows(folder, values, start)
                start += len(values)
                bar.add(len(values))
        return written, finite

    def _write_rows(self, folder: Path, values: npt.NDArray[Any], start: int) -> int:
        """Write the rows of the places from `start` on; return their bytes."""
        written = 0
        for number, first, last in self._spans(start, start + len(values)):
            text = self._text(values[first - start : last - start], self._order[first:last])
            written += self._append(folder / self.names[number], text, values.shape[1])
        return written

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield (table, first place, last place + 1) for the places start to stop - 1."""
        while start < stop:
            number = int(self._table[start])
            end = min(stop, int(np.searchsorted(self._table, number, "right")))
            yield number, start, end
            start = end

    def _text(self, values: npt.NDArray[Any], samples: npt.NDArray[np.int64]) -> str:
        numbers = row_format(values.dtype, values.shape[1], ",")
        lines = [numbers % tuple(row) for row in values.tolist()]
        if self._targets is None:
            return "".join(f"{line}\n" for line in lines)
        labels = label_texts(self._store.header, self._targets[samples])
        return "".join(f"{_cells(label)},{line}\n" for label, line in zip(labels, lines, strict=True))

    def _append(self, path: Path, text: str, width: int) -> int:
        begun = path in self._begun
        if not begun:
            path.parent.mkdir(parents=True, exist_ok=True)
            names = (*target_columns(self._store.header), *(f"{COLUMN}{number}" for number in range(width)))
            text = f"{_cells(names)}\n{text}"
            self._begun.add(path)
        # A table of this name that is not ours is never added to: T.csv may be t.csv to a file system.
        with open(path, "ab" if begun else "xb") as file:
            return file.write(text.encode())


def _cells(texts: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()

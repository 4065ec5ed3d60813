"""Tables whose rows are samples, such as a CSV file of label, pixel0 ... pixel783: read in spans of bytes, streamed."""

import bisect
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import DecodeError, SourceError
from seekless.source.csv import CSVDecoder
from seekless.source.labels import some
from seekless.source.place import read_span, stamp_of
from seekless.source.samples import Decoded
from seekless.source.table_dialect import MAX_LINE, Dialect, find_dialect, is_row
from seekless.source.targets import Targets

__all__ = ["TableReader", "TableRun", "TableSource", "open_tables"]

SPAN_BYTES = 4 << 20
# Whether any line is perhaps no row.
SOME_NO_ROW = re.compile(rb"^[ \t\r]*(?:#|$)", re.MULTILINE)
LINE_NUMBER = re.compile(r" in line \d+,")


@dataclass(frozen=True)
class TableRun:
    """Some rows of one table that lie behind each other.

    Attributes:
        table: The table's path, relative to the root; "" where the root is the table.
        name: What the keys of its rows begin with.
        dialect: How its rows are written.
        start: Where the rows begin, bytes from the start of the file.
        stop: Where they end.
        first: The number of the first of them among all samples.
        row: Its number among the rows of the table, from 0.
        rows: How many there are.
    """

    table: str
    name: str
    dialect: Dialect
    start: int
    stop: int
    first: int
    row: int
    rows: int

    def __str__(self) -> str:
        return f"{self.name}#{self.row} and the rows after it"


class RowKeys(Sequence[str]):
    """The key of each row, made when asked for: `train.csv#17` is row 17, counted from 0, of train.csv.

    Args:
        names: The tables' names.
        counts: Rows in each.
    """

    def __init__(self, names: Sequence[str], counts: Sequence[int]) -> None:
        self._names = names
        self._edges = [0, *itertools.accumulate(counts)]

    def __len__(self) -> int:
        return self._edges[-1]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"found row {index}, expected 0 to {len(self) - 1}")
        table = bisect.bisect_right(self._edges, index) - 1
        return f"{self._names[table]}#{index - self._edges[table]}"


@dataclass(frozen=True)
class TableReader:
    """Decodes runs of rows, each one sample.

    Attributes:
        root: The folder of the tables, or the table itself.
        decoder: Turns text into values; its delimiter and columns are set for each table.
        shape: The shape of one sample; None for (columns,).
    """

    root: Path
    decoder: CSVDecoder
    shape: tuple[int, ...] | None

    def read(self, run: TableRun) -> Decoded:
        """Read and decode a run of rows; bad rows are collected, not raised."""
        try:
            text, mark = read_span(self.root / run.table, run.start, run.stop)
        except OSError as error:
            return _without(run, f"a table that cannot be read ({error.strerror})", "a readable file")
        lines = [line for line in text.split(b"\n") if is_row(line)]
        if len(lines) != run.rows:
            return _without(run, "a table that changed while it was read", "one that stays as it is")
        dialect = run.dialect
        decoder = replace(self.decoder, delimiter=dialect.delimiter, columns=dialect.samples)
        decoded = Decoded(bytes_read=len(text))
        shape = (len(dialect.samples),) if self.shape is None else self.shape
        values = self._together(lines, decoder, len(dialect.samples))
        for number, line in enumerate(lines):
            index, key = run.first + number, f"{run.name}#{run.row + number}"
            try:
                labels = dialect.labels(line)
                sample = self._alone(line, decoder, len(dialect.samples)) if values is None else values[number]
            except DecodeError as error:
                decoded.refuse(index, key, LINE_NUMBER.sub(" in", error.found), error.expected)
                continue
            decoded.indices.append(index)
            decoded.samples.append(sample.reshape(shape))
            decoded.stamps.append(mark)
            if labels:
                decoded.labels.append(labels)
        return decoded

    def _together(self, lines: list[bytes], decoder: CSVDecoder, width: int) -> npt.NDArray[np.float64] | None:
        """Decode all rows at once; None if one of them is bad."""
        text = b"\n".join(lines)
        if b"\r" in text and b"\r" in text.replace(b"\r\n", b"\n").rstrip(b"\r"):
            return None  # the decoder ends a line at a lone CR too
        try:
            values = decoder(text)
        except DecodeError:
            return None
        # A first row without any number would have been taken for a header.
        return values.reshape(len(lines), width) if values.size == len(lines) * width else None

    def _alone(self, line: bytes, decoder: CSVDecoder, width: int) -> npt.NDArray[np.float64]:
        values = decoder(line)
        if values.size != width:
            raise DecodeError(f"{values.size} values", f"{width}")
        return values


def _without(run: TableRun, found: str, expected: str) -> Decoded:
    """Return what became of a run none of whose rows can be used."""
    decoded = Decoded()
    for number in range(run.rows):
        decoded.refuse(run.first + number, f"{run.name}#{run.row + number}", found, expected)
    return decoded


@dataclass(frozen=True)
class TableSource:
    """One table or several, one sample a row.

    Attributes:
        root: The table, or the folder of the tables.
        keys: `TABLE#ROW`, rows counted from 0.
        spans: All rows, in the order of the tables.
        table_reader: Decodes runs.
        targets: None; targets come with the values, if there are any.
    """

    root: Path
    keys: RowKeys
    spans: list[TableRun]
    table_reader: TableReader
    targets: Targets | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return 1: numbers of a table are trained on as they are."""
        return self.table_reader.decoder.scale_for(dtype)

    def reader(self) -> TableReader:
        """Return what decodes runs of rows in any process."""
        return self.table_reader

    def runs(self, done: npt.NDArray[np.bool_] | None = None) -> Iterator[TableRun]:
        """Yield spans of rows, in the order of the tables.

        Args:
            done: bool, (N,): samples that need not be read; a span of nothing else is left out.
        """
        for span in self.spans:
            if done is None or not done[span.first : span.first + span.rows].all():
                yield span

    def stamps(self, indices: Sequence[int]) -> npt.NDArray[np.uint32]:
        """Return uint32, (n,): the stamps of samples' tables as they are now; 0 for one that is gone."""
        wanted = np.asarray(indices, np.int64)
        first = np.array([span.first for span in self.spans])
        of_table = {table: stamp_of(self.root / table) for table in {span.table for span in self.spans}}
        of_span = np.array([of_table[span.table] for span in self.spans], np.uint32)
        return of_span[np.searchsorted(first, wanted, "right") - 1]


def open_tables(
    root: Path,
    tables: Sequence[str],
    decoder: CSVDecoder,
    *,
    target_columns: Sequence[str],
) -> TableSource:
    """Open tables whose rows are samples; each is read once to count its rows.

    Args:
        root: The folder of the tables, or the table itself.
        tables: Paths relative to the folder; ("",) for the table itself.
        decoder: How numbers are written; `columns` are those of the sample, by default all but the targets'.
        target_columns: Names, as in a header, or numbers from 0, of the target's columns; () for no targets.

    Returns:
        The source.

    Raises:
        SourceError: A table is compressed, has no rows or too long a line, lacks a column, or names its columns unlike
            the first.
        OptionError: A column's number is not one of a table's.
    """
    shape, plain = decoder.shape, replace(decoder, shape=None, skip_rows=0)
    names: list[str] = []
    counts, spans = [], []
    headers: dict[tuple[str, ...], str] = {}
    first = 0
    for table in tables:
        path = root / table
        name = table or root.name
        dialect, columns = find_dialect(path, decoder, target_columns)
        if columns:
            headers.setdefault(columns, name)
        if len(headers) > 1:
            known = next(iter(headers))
            raise SourceError(
                f"{path}: found the columns {some(columns)}, expected {some(known)} as in {headers[known]}; all tables "
                "of a source have the same columns in the same order"
            )
        if shape is not None and math.prod(shape) != len(dialect.samples):
            sizes = ",".join(map(str, shape))
            raise SourceError(
                f"{path}: found {len(dialect.samples)} values a row, expected {math.prod(shape)} (--shape {sizes}); "
                "--target-column and --columns say which columns are the sample's"
            )
        row = 0
        for start, stop, count in _spans(path, dialect.begin):
            spans.append(TableRun(table, name, dialect, start, stop, first + row, row, count))
            row += count
        if not row:
            raise SourceError(f"{path}: found no rows, expected a sample a row")
        names.append(name)
        counts.append(row)
        first += row
    return TableSource(root, RowKeys(names, counts), spans, TableReader(root, plain, shape))


def _spans(path: Path, begin: int) -> Iterator[tuple[int, int, int]]:
    """Cut a table at line ends; yield (start, stop, rows)."""
    with path.open("rb") as file:
        file.seek(begin)
        start, left, held = begin, [b""], 0  # the pieces of a line whose end is still to come, and their bytes
        while chunk := file.read(SPAN_BYTES):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield start, start + held + end, _rows(b"".join([*left, chunk[:end]]))
                start, left, held = start + held + end, [], 0
            left.append(chunk[end:])
            held += len(chunk) - end
            if held > MAX_LINE:
                raise SourceError(f"{path}: found a line of more than {MAX_LINE >> 20} MiB, expected a sample a row")
        if held:
            yield start, start + held, _rows(b"".join(left))


def _rows(text: bytes) -> int:
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if SOME_NO_ROW.search(text, 0, len(text) - text.endswith(b"\n")) is None:
        return lines
    return sum(map(is_row, text.split(b"\n")))

"""Decode one CSV file of numbers to one array."""

import gzip
import io
import math
import operator
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from seekless.errors import DecodeError, OptionError
from seekless.source.csv_faults import first_fault, first_not_finite
from seekless.source.csv_pixels import decode_pixels
from seekless.source.csv_regular import decode_regular
from seekless.source.csv_text import DELIMITER_NAMES, WHITESPACE, find_table, split_lines

__all__ = ["CSV_SUFFIXES", "CSVDecoder"]

CSV_SUFFIXES = frozenset(f"{suffix}{packed}" for suffix in (".csv", ".tsv", ".txt") for packed in ("", ".gz"))

BOM = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
MAX_TEXT = 1 << 30  # bytes of a sample's text after decompression; a bomb can be a million times its size
CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class CSVDecoder:
    r"""Decodes text of numbers, a row a line, to the values that `numpy.loadtxt` reads: float64, bit for bit.

    What the options do not say is found from the file. Columns are separated by commas, semicolons, tabs or runs of
    whitespace; a first line without any number is a header; `#` begins a comment; numbers may stand in double quotes;
    lines end in LF, CR LF or CR, the last one perhaps in nothing; the text is UTF-8 with or without a byte order mark,
    perhaps compressed by gzip. After a delimiter at the end of a line comes an empty value, which is an error, as it is
    for `numpy.loadtxt`, unless `columns` leaves it out.

    Attributes:
        delimiter: One character, "tab" (or r"\t"), "whitespace" for runs of spaces and tabs, or None to find it.
        decimal: The decimal point, "." or ",".
        skip_rows: Lines to leave out at the beginning, whatever they hold; a header after them is found all the same.
        columns: The columns to keep, counted from 0, or from the end when negative; the others may hold text. None
            keeps all.
        shape: The shape of a sample; None is the file's own: (rows, columns) without axes of length 1.
        allow_nan: Whether NaN and infinities are values; else they are an error.
        scale: What training divides values by, such as 255; they are decoded, and stored, as they are.

    Raises:
        OptionError: An option has a value that cannot be used.
    """

    delimiter: str | None = None
    decimal: str = "."
    skip_rows: int = 0
    columns: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None
    allow_nan: bool = False
    scale: int = 1

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise OptionError(f"--decimal: found {self.decimal!r}, expected . or ,")
        _check_delimiter(self.delimiter, self.decimal)
        if not isinstance(self.scale, int) or self.scale < 1:
            raise OptionError(f"--scale: found {self.scale!r}, expected a whole number of 1 or more, such as 255")
        if not isinstance(self.skip_rows, int) or self.skip_rows < 0:
            raise OptionError(f"--skip-rows: found {self.skip_rows!r}, expected a number of lines, 0 or more")
        if self.columns is not None:
            columns = _integers(self.columns, "--columns", "numbers of columns such as 0,1,-1")
            object.__setattr__(self, "columns", columns)
        if self.shape is not None:
            shape = _integers(self.shape, "--shape", "sizes such as 28,28,1")
            if min(shape) < 1:
                raise OptionError(f"--shape: found the size {min(shape)}, expected sizes of 1 or more such as 28,28,1")
            object.__setattr__(self, "shape", shape)

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return what training divides values by, whatever their dtype."""
        del dtype
        return self.scale

    def __call__(self, data: bytes) -> npt.NDArray[np.float64]:
        """Decode one file.

        Args:
            data: The whole file.

        Returns:
            float64, of the shape asked for, or the file's own.

        Raises:
            DecodeError: The file is no table of numbers, or its values do not fit the shape.
        """
        if data.startswith(GZIP_MAGIC):
            data = _decompress(data)
        data = data.removeprefix(BOM)
        values = self._decode(data)
        if self.shape is None:
            return values.squeeze() if 1 in values.shape else values
        if values.size != math.prod(self.shape):
            sizes = ",".join(map(str, self.shape))
            raise DecodeError(f"{values.size} values", f"{math.prod(self.shape)} (--shape {sizes})")
        return values.reshape(self.shape)

    def _decode(self, data: bytes) -> npt.NDArray[np.float64]:
        """Decode text by the fastest way that reads it."""
        delimiter = DELIMITER_NAMES.get(self.delimiter or "", self.delimiter)
        if self.decimal == "." and not self.skip_rows and self.columns is None:
            # A picture's numbers are separated by spaces: under another delimiter they are an error, not a picture.
            values = decode_pixels(data) if delimiter in (None, WHITESPACE, " ") else None
            if values is None:
                values = decode_regular(data, delimiter)
            if values is not None:
                return values
        if not data:
            raise DecodeError("an empty file", "rows of numbers")
        table = find_table(split_lines(data), delimiter, self.decimal, self.skip_rows, self.columns)
        try:
            values = table.values()
        except ValueError:
            raise first_fault(table) from None
        if not self.allow_nan and not np.isfinite(values).all():
            raise first_not_finite(table)
        return values


def _check_delimiter(delimiter: str | None, decimal: str) -> None:
    if delimiter is None or delimiter == WHITESPACE or delimiter in DELIMITER_NAMES:
        return
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '.+-#"\r\n\0':
        raise OptionError(
            f"--delimiter: found {delimiter!r}, expected one character that is in no number, such as ',' or ';', "
            "or tab, or whitespace for runs of spaces and tabs"
        )
    if delimiter == decimal:
        raise OptionError(f"--delimiter: found {delimiter!r}, which --decimal says is in numbers, expected another")


def _integers(values: Iterable[SupportsIndex], option: str, expected: str) -> tuple[int, ...]:
    try:
        numbers = tuple(operator.index(value) for value in values)
    except TypeError:
        raise OptionError(f"{option}: found {values!r}, expected {expected}") from None
    if not numbers or max(map(abs, numbers)) >= 2**31:
        raise OptionError(f"{option}: found {values!r}, expected {expected}")
    return numbers


def _decompress(data: bytes) -> bytes:
    text = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while len(text) <= MAX_TEXT and (more := file.read(CHUNK)):
                text += more
    except EOFError:
        raise DecodeError("a gzip file that ends too soon", "a whole one") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DecodeError(f"a damaged gzip file ({error})", "a whole one") from None
    if len(text) > MAX_TEXT:
        raise DecodeError(f"a gzip file of more than {MAX_TEXT >> 20} MiB of text", "one small file a sample")
    return bytes(text)

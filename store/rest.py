"""The checksum of everything in a store's file that is no block: one flipped bit in what HDF5 keeps there is found."""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seekless.errors import StoreFormatError
from seekless.store.schema import ALIGNMENT
from seekless.store.table import BlockTable

__all__ = ["rest_checksum"]


def rest_checksum(path: Path, tables: Sequence[BlockTable], rest: int, file: BinaryIO | None = None) -> int:
    """Return the CRC-32 of every byte outside the blocks, their zero padding, and the checksum itself.

    Args:
        path: The file.
        tables: The tables of all fields; none for a file without blocks.
        rest: Where the file keeps this checksum, bytes from its start; 4 bytes.
        file: The file, where it is open.

    Raises:
        StoreFormatError: The file became shorter.
    """
    if file is None:
        with open(path, "rb", buffering=0) as own:
            return rest_checksum(path, tables, rest, own)
    check = 0
    for start, stop in _rest_ranges(tables, file.seek(0, os.SEEK_END), rest):
        at = file.seek(start)
        while at < stop:
            data = file.read(min(stop - at, 1 << 20))
            if not data:
                raise StoreFormatError(f"{path}: found the end of the file at byte {at}, expected {stop}")
            check = zlib.crc32(data, check)
            at += len(data)
    return check


def _rest_ranges(tables: Sequence[BlockTable], size: int, rest: int) -> Iterator[tuple[int, int]]:
    offset = np.concatenate([np.empty(0, np.int64), *(table.offset for table in tables)])
    nbytes = np.concatenate([np.empty(0, np.int64), *(table.nbytes for table in tables)])
    order = np.argsort(offset)
    ends = -(-(offset + nbytes)[order] // ALIGNMENT) * ALIGNMENT
    starts = np.append(offset[order], size)
    gaps = np.flatnonzero(starts[1:] > ends)
    ranges = [(0, int(starts[0])), *((int(ends[i]), int(starts[i + 1])) for i in gaps)]
    for start, stop in ranges:
        if start <= rest < stop:
            yield start, rest
            yield rest + 4, stop
        else:
            yield start, stop

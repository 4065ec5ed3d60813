"""The first half of the shuffle: samples come in the source's order and are kept by their place in the store.

Pieces stay in memory while all of them fit. Past that they go to partition files, one for each run of consecutive
places, always appended, so that a disk writes and later reads in long sequential runs: an external shuffle in two
passes, whatever the size of the data.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.store.encoding import Encoding

__all__ = ["Partition", "Piece", "Scatter"]

# number of the encoding among those met, samples
_HEAD = struct.Struct("<qq")


@dataclass(frozen=True)
class Piece:
    """Some samples, and where they go.

    Attributes:
        positions: int64, (n,): their places in the store.
        stored: (n, *sample_shape), as encoded.
        encoding: How.
    """

    positions: npt.NDArray[np.int64]
    stored: npt.NDArray[Any]
    encoding: Encoding

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return self.positions.nbytes + self.stored.nbytes


@dataclass(frozen=True)
class Partition:
    """The samples of the places start to stop - 1."""

    start: int
    stop: int
    pieces: list[Piece]


class Scatter:
    """Takes pieces in any order and gives them back partition by partition.

    Args:
        length: Places in the store.
        memory: Bytes to keep within. Pieces take up to a third before they go to files.
        folder: Where the files go; made when first needed, removed by the caller.
    """

    def __init__(self, length: int, memory: int, folder: Path) -> None:
        self._length = length
        self._encodings: list[Encoding] = []  # those met, so that a file can name one by its number
        self._share = memory // 3
        self._folder = folder
        self._pieces: list[Piece] = []
        self._held = 0
        self._places = length  # of one partition
        self._sample_shape: tuple[int, ...] = ()

    def add(self, piece: Piece) -> None:
        """Keep a piece; all pieces have one sample shape and one logical dtype."""
        self._sample_shape = piece.stored.shape[1:]
        if piece.encoding not in self._encodings:
            self._encodings.append(piece.encoding)
        self._pieces.append(piece)
        self._held += piece.nbytes
        if self._held > self._share:
            self._spill()

    def partitions(self, sample_bytes: int) -> Iterator[Partition]:
        """Yield all samples, in the order of their places; to be called once, after the last piece.

        Args:
            sample_bytes: Bytes of a sample as it will be stored, so that no partition takes more than its share.
        """
        if not self._folder.exists() and (self._length * sample_bytes <= self._share or not self._pieces):
            yield Partition(0, self._length, self._pieces)
            return
        self._spill()
        for number, start in enumerate(range(0, self._length, self._places)):
            pieces = self._read(self._folder / f"{number:06d}")
            yield Partition(start, min(start + self._places, self._length), pieces)

    def _spill(self) -> None:
        if not self._folder.exists():
            # The source's own dtype bounds what a partition takes, whichever encoding is chosen in the end.
            widest = self._encodings[0].logical_dtype.itemsize * math.prod(self._sample_shape)
            self._places = max(1, min(self._length, self._share // (widest + 8)))
            self._folder.mkdir()
        for number, encoding in enumerate(self._encodings):
            pieces = [piece for piece in self._pieces if piece.encoding == encoding]
            if not pieces:
                continue
            positions = np.concatenate([piece.positions for piece in pieces])
            stored = np.concatenate([piece.stored for piece in pieces])
            self._write(number, positions, stored)
        self._pieces.clear()
        self._held = 0

    def _write(self, number: int, positions: npt.NDArray[np.int64], stored: npt.NDArray[Any]) -> None:
        order = np.argsort(positions, kind="stable")
        partition = positions[order] // self._places
        for part, first in zip(*np.unique(partition, return_index=True), strict=True):
            rows = order[first : np.searchsorted(partition, part, "right")]
            with open(self._folder / f"{part:06d}", "ab") as file:
                file.write(_HEAD.pack(number, len(rows)))
                file.write(positions[rows].data)
                file.write(stored[rows].data)

    def _read(self, path: Path) -> list[Piece]:
        data = path.read_bytes() if path.exists() else b""
        pieces, at = [], 0
        while at < len(data):
            number, samples = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            positions = np.frombuffer(data, np.int64, samples, at)
            at += positions.nbytes
            values = samples * math.prod(self._sample_shape)
            encoding = self._encodings[number]
            stored = np.frombuffer(data, encoding.dtype, values, at).reshape(samples, *self._sample_shape)
            at += stored.nbytes
            pieces.append(Piece(positions, stored, encoding))
        return pieces

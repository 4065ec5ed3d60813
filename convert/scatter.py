"""The first half of the shuffle: samples come in the source's order and are kept by their place in the store.

Pieces stay in memory while all of them fit. Past that, and whenever they are saved in case the run is stopped, they go
to partition files, one for each run of consecutive places, always appended, so that a disk writes and later reads in
long sequential runs: an external shuffle in two passes, whatever the size of the data.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.journal import START_OVER
from seekless.errors import ResumeError
from seekless.store.codecs import Buffer
from seekless.store.encoding import Encoding

__all__ = ["Partition", "Piece", "Scatter", "unstamped"]

# number of the encoding among those met, samples
_HEAD = struct.Struct("<qq")
# CRC-32 of these, the positions and the stamps; and of the values
_CHECKS = struct.Struct("<II")
_HEAD_BYTES = _HEAD.size + _CHECKS.size


@dataclass(frozen=True)
class Piece:
    """Some samples, and where they go.

    Attributes:
        positions: int64, (n,): their places in the store.
        stored: (n, *sample_shape), as encoded.
        encoding: How.
        stamps: uint32, (n,): what tells each one's file from a changed one; zeros for samples of no files.
    """

    positions: npt.NDArray[np.int64]
    stored: npt.NDArray[Any]
    encoding: Encoding
    stamps: npt.NDArray[np.uint32]

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self.positions.nbytes + self.stored.nbytes + self.stamps.nbytes


def unstamped(positions: npt.NDArray[np.int64], stored: npt.NDArray[Any], encoding: Encoding) -> Piece:
    """Return a piece of samples that come from no files."""
    return Piece(positions, stored, encoding, np.zeros(len(positions), np.uint32))


@dataclass(frozen=True)
class Partition:
    """The samples of the places start to stop - 1; read when asked for."""

    start: int
    stop: int
    read: Callable[[], list[Piece]]


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
        self._unsaved: list[Piece] = []
        self._saved: list[Piece] | None = []  # those in files, as long as all pieces fit in memory
        self._held = 0
        self._places = length  # of one partition
        self._sizes: dict[int, int] = {}  # bytes of each partition's file
        self._sample_shape: tuple[int, ...] = ()

    def add(self, piece: Piece) -> None:
        """Keep a piece; all pieces have one sample shape and one logical dtype."""
        self._sample_shape = piece.stored.shape[1:]
        if piece.encoding not in self._encodings:
            self._encodings.append(piece.encoding)
        self._unsaved.append(piece)
        self._held += piece.nbytes
        if self._held > self._share:
            self.save()
            self._saved, self._held = None, 0

    def save(self) -> None:
        """Write all pieces that are in memory alone to the partition files."""
        if not self._unsaved:
            return
        if not self._sizes:
            # The source's own dtype bounds what a partition takes, whichever encoding is chosen in the end.
            widest = self._encodings[0].logical_dtype.itemsize * math.prod(self._sample_shape)
            self._places = max(1, min(self._length, self._share // (widest + 12)))
            self._folder.mkdir(exist_ok=True)
        for number, encoding in enumerate(self._encodings):
            pieces = [piece for piece in self._unsaved if piece.encoding == encoding]
            if pieces:
                columns = ("positions", "stamps", "stored")
                self._write(number, *(np.concatenate([getattr(p, name) for p in pieces]) for name in columns))
        if self._saved is None:
            self._held = 0
        else:
            self._saved += self._unsaved
        self._unsaved = []

    def partitions(self, sample_bytes: int) -> Iterator[Partition]:
        """Yield all samples, in the order of their places; to be called once, after the last piece.

        Args:
            sample_bytes: Bytes of a sample as it will be stored, so that no partition takes more than its share.
        """
        if self._saved is not None:
            pieces = self._saved + self._unsaved
            if self._length * sample_bytes <= self._share or not pieces:
                self._saved, self._unsaved = [], []
                yield Partition(0, self._length, partial(_emptied, pieces))
                return
        self.save()
        self._saved = None
        for number, start in enumerate(range(0, self._length, self._places)):
            yield Partition(start, min(start + self._places, self._length), partial(self._read, number))

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on from the files, fit for JSON; `save` comes before."""
        encodings = [[e.dtype.str, e.logical_dtype.str, e.divisor] for e in self._encodings]
        return {
            "places": self._places,
            "sample_shape": list(self._sample_shape),
            "encodings": encodings,
            "sizes": {str(number): size for number, size in self._sizes.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """Go on from the files of a scatter that was stopped, and yield (positions, stamps) of what they hold.

        Args:
            state: What `state` returned; whatever was written after it is cut off.

        Raises:
            ResumeError: A file is missing, or what it says of its samples is not what was written.
        """
        self._places = state["places"]
        self._sample_shape = tuple(state["sample_shape"])
        self._encodings = [Encoding(np.dtype(s), np.dtype(v), divisor) for s, v, divisor in state["encodings"]]
        self._sizes = {int(number): size for number, size in state["sizes"].items()}
        self._saved = None
        for number, size in self._sizes.items():
            path = self._path(number)
            if not path.exists() or path.stat().st_size < size:
                raise self._damaged(path)
            with open(path, "r+b") as file:
                file.truncate(size)
                while file.tell() < size:
                    head = file.read(_HEAD_BYTES)
                    encoding, samples = self._head(path, head, 0, size - file.tell())
                    columns = file.read(12 * samples)
                    if zlib.crc32(columns, zlib.crc32(head[: _HEAD.size])) != _CHECKS.unpack_from(head, _HEAD.size)[0]:
                        raise self._damaged(path)
                    yield (
                        np.frombuffer(columns, np.int64, samples),
                        np.frombuffer(columns, np.uint32, samples, 8 * samples),
                    )
                    file.seek(samples * self._sample_bytes(encoding), 1)

    def _write(
        self,
        number: int,
        positions: npt.NDArray[np.int64],
        stamps: npt.NDArray[np.uint32],
        stored: npt.NDArray[Any],
    ) -> None:
        order = np.argsort(positions, kind="stable")
        partition = positions[order] // self._places
        for part, first in zip(*(a.tolist() for a in np.unique(partition, return_index=True)), strict=True):
            rows = order[first : np.searchsorted(partition, part, "right")]
            head = _HEAD.pack(number, len(rows))
            columns = [head, positions[rows].tobytes(), stamps[rows].tobytes()]
            values = np.ascontiguousarray(stored[rows]).reshape(-1).view(np.uint8).data
            checks = _CHECKS.pack(zlib.crc32(b"".join(columns)), zlib.crc32(values))
            front = b"".join([head, checks, *columns[1:]])
            begin = self._sizes.get(part, 0)
            with open(self._path(part), "ab") as file:
                # A run that failed here, or was killed, and goes on must not leave half a piece in the middle.
                file.truncate(begin)
                file.write(front)
                file.write(values)
            # Once it is closed, as a full disk may say so only then; `tell` would still count what was cut off.
            self._sizes[part] = begin + len(front) + values.nbytes

    def _read(self, number: int) -> list[Piece]:
        path, size = self._path(number), self._sizes.get(number, 0)
        data = memoryview(path.read_bytes() if size else b"")
        pieces, at = [], 0
        if len(data) < size:
            raise self._damaged(path)
        while at < size:
            which, samples = self._head(path, data, at, size - at - _HEAD_BYTES)
            head = at
            at += _HEAD_BYTES
            values_at = at + samples * 12
            end = values_at + samples * self._sample_bytes(which)
            check = zlib.crc32(data[at:values_at], zlib.crc32(data[head : head + _HEAD.size]))
            if (check, zlib.crc32(data[values_at:end])) != _CHECKS.unpack_from(data, head + _HEAD.size):
                raise self._damaged(path)
            positions = np.frombuffer(data, np.int64, samples, at)
            stamps = np.frombuffer(data, np.uint32, samples, at + 8 * samples)
            encoding, values = self._encodings[which], samples * math.prod(self._sample_shape)
            stored = np.frombuffer(data, encoding.dtype, values, at + 12 * samples)
            pieces.append(Piece(positions, stored.reshape(samples, *self._sample_shape), encoding, stamps))
            at = end
        return pieces

    def _head(self, path: Path, data: Buffer, at: int, room: int) -> tuple[int, int]:
        """Return the number of a piece's encoding and its samples, if they can be so."""
        if room >= 0:
            which, samples = _HEAD.unpack_from(data, at)
            known = 0 <= which < len(self._encodings)
            if known and 0 < samples * (12 + self._sample_bytes(which)) <= room:
                return which, samples
        raise self._damaged(path)

    def _sample_bytes(self, encoding: int) -> int:
        return self._encodings[encoding].dtype.itemsize * math.prod(self._sample_shape)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}"

    def _damaged(self, path: Path) -> ResumeError:
        return ResumeError(
            f"{path}: found other bytes than were written there, expected the samples that were read so far; the disk "
            f"may be failing, or lost power: {START_OVER}, with --temp on another disk"
        )


def _emptied(pieces: list[Piece]) -> list[Piece]:
    """Return pieces, and forget them."""
    taken = list(pieces)
    pieces.clear()
    return taken

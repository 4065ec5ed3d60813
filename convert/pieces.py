"""How samples lie in passing files: piece behind piece, each with its places, its stamps and checksums of all of it."""

import math
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from seekless.convert.journal import START_OVER
from seekless.errors import ResumeError
from seekless.store.codecs import Buffer
from seekless.store.encoding import Encoding

__all__ = ["Kind", "Piece", "damaged", "pieces_in", "places_in", "put_piece", "unstamped"]

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
class Kind:
    """What a file's pieces hold.

    Attributes:
        sample_shape: The shape of one sample.
        encodings: Those that pieces name by their numbers.
    """

    sample_shape: tuple[int, ...]
    encodings: Sequence[Encoding]

    def sample_bytes(self, number: int) -> int:
        """Return the bytes of a sample in an encoding."""
        return self.encodings[number].dtype.itemsize * math.prod(self.sample_shape)


def put_piece(
    file: BinaryIO,
    number: int,
    positions: npt.NDArray[np.int64],
    stamps: npt.NDArray[np.uint32],
    stored: npt.NDArray[Any],
) -> int:
    """Write a piece.

    Args:
        file: Where; the piece begins at its position.
        number: The encoding's.
        positions: int64, (n,): the places of the samples.
        stamps: uint32, (n,): their stamps.
        stored: (n, *sample_shape), contiguous.

    Returns:
        Bytes written.
    """
    columns = [_HEAD.pack(number, len(positions)), positions.tobytes(), stamps.tobytes()]
    values = stored.reshape(-1).view(np.uint8).data
    checks = _CHECKS.pack(zlib.crc32(b"".join(columns)), zlib.crc32(values))
    front = b"".join([columns[0], checks, *columns[1:]])
    file.write(front)
    file.write(values)
    return len(front) + values.nbytes


def pieces_in(path: Path, kind: Kind, start: int, stop: int) -> Iterator[Piece]:
    """Yield the pieces that lie in a part of a file.

    Args:
        path: The file.
        kind: What it holds.
        start: Where the first piece begins, in bytes.
        stop: Where the last one ends.

    Raises:
        ResumeError: The file is missing, or holds something else than was written.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        raise damaged(path) from None
    with file:
        if os.fstat(file.fileno()).st_size < stop:
            raise damaged(path)
        file.seek(start)
        while file.tell() < stop:
            head = file.read(_HEAD_BYTES)
            number, samples = _head(path, kind, head, stop - file.tell())
            columns = file.read(12 * samples)
            encoding = kind.encodings[number]
            stored = np.empty((samples, *kind.sample_shape), encoding.dtype)
            values = stored.reshape(-1).view(np.uint8).data
            file.readinto(values)
            if (_check(head, columns), zlib.crc32(values)) != _CHECKS.unpack_from(head, _HEAD.size):
                raise damaged(path)
            positions = np.frombuffer(columns, np.int64, samples)
            stamps = np.frombuffer(columns, np.uint32, samples, 8 * samples)
            yield Piece(positions, stored, encoding, stamps)


def places_in(path: Path, kind: Kind, stop: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
    """Yield (positions, stamps) of each piece of a file; their values are not read.

    Args:
        path: The file.
        kind: What it holds.
        stop: Where its last piece ends, in bytes.

    Raises:
        ResumeError: The file is missing, or what it says of its samples is not what was written.
    """
    if not path.exists() or path.stat().st_size < stop:
        raise damaged(path)
    with open(path, "rb") as file:
        while file.tell() < stop:
            head = file.read(_HEAD_BYTES)
            number, samples = _head(path, kind, head, stop - file.tell())
            columns = file.read(12 * samples)
            if _check(head, columns) != _CHECKS.unpack_from(head, _HEAD.size)[0]:
                raise damaged(path)
            yield (
                np.frombuffer(columns, np.int64, samples),
                np.frombuffer(columns, np.uint32, samples, 8 * samples),
            )
            file.seek(samples * kind.sample_bytes(number), 1)


def damaged(path: Path) -> ResumeError:
    """Return the error of a passing file that is not as it was written."""
    return ResumeError(
        f"{path}: found other bytes than were written there, expected the samples that were read so far; the disk "
        f"may be failing, or lost power: {START_OVER}, with --temp on another disk"
    )


def _check(head: bytes, columns: bytes) -> int:
    return zlib.crc32(columns, zlib.crc32(head[: _HEAD.size]))


def _head(path: Path, kind: Kind, data: Buffer, room: int) -> tuple[int, int]:
    """Return the number of a piece's encoding and its samples, if they can be so."""
    if room >= 0:
        number, samples = _HEAD.unpack_from(data)
        known = 0 <= number < len(kind.encodings)
        if known and 0 < samples * (12 + kind.sample_bytes(number)) <= room:
            return number, samples
    raise damaged(path)

"""What one task of a cluster has read, sorted by place, in a file of its own: a sheaf.

Partition files are appended to by one process. A sheaf is written once, by whichever process does a task, under a name
that no other file has: a task that is done twice, as its first worker died, leaves two sheaves, of which one counts.
Several hosts never write to one file.

    pieces     of the first bucket of places, of the second, ...; in a bucket, of one encoding after the other
    int64      where each bucket begins, and where the last one ends: bytes from the start of the file

So a process that gathers some places reads one run of bytes from each sheaf.
"""

import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seekless.convert.narrow import candidates
from seekless.convert.pieces import Kind, Piece, damaged, pieces_in, put_piece
from seekless.convert.workers import Form

__all__ = ["BUCKETS", "Binder", "Sheaf", "kind_of_sheaves", "pieces_of"]

# Buckets in what would be a partition: what is gathered ends amid one, and all of it is read.
BUCKETS = 4
_OFFSET = struct.Struct("<q")


@dataclass(frozen=True)
class Sheaf:
    """A file of samples sorted by place.

    Attributes:
        name: Its name.
        size: Bytes of its pieces; behind them it says where each bucket begins.
    """

    name: str
    size: int


def kind_of_sheaves(form: Form) -> Kind:
    """Return what pieces of sheaves hold; an encoding's number is that among the candidates of the dtype.

    Args:
        form: The form of all samples.
    """
    return Kind(form[0], candidates(np.dtype(form[1])))


def pieces_of(folder: Path, sheaf: Sheaf, form: Form, bucket: int, start: int, stop: int) -> Iterator[Piece]:
    """Yield the pieces of a sheaf that may have samples of some places.

    Args:
        folder: Where it is.
        sheaf: It.
        form: The form of all samples.
        bucket: Places in a bucket.
        start: The first place.
        stop: The place after the last.

    Raises:
        ResumeError: The file is missing, or holds something else than was written.
    """
    path = folder / sheaf.name
    ends: list[int] = []
    try:
        with open(path, "rb") as file:
            for number in (start // bucket, -(-stop // bucket)):
                file.seek(sheaf.size + _OFFSET.size * number)
                ends += _OFFSET.unpack(file.read(_OFFSET.size))
    except (FileNotFoundError, struct.error):
        raise damaged(path) from None
    if not 0 <= ends[0] <= ends[1] <= sheaf.size:
        raise damaged(path)
    if ends[0] < ends[1]:
        yield from pieces_in(path, kind_of_sheaves(form), ends[0], ends[1])


class Binder:
    """Collects samples, and writes them as sheaves.

    Args:
        folder: Where to.
        length: Places in the store.
        bucket: Places in a bucket.
        form: The form of all samples.
        share: Bytes of samples that a sheaf may have, before they are written.
    """

    def __init__(self, folder: Path, length: int, bucket: int, form: Form, share: int) -> None:
        self._folder = folder
        self._edges = np.arange(-(-length // bucket) + 1) * bucket
        self._kind = kind_of_sheaves(form)
        self._share = share
        self._pieces: list[Piece] = []
        self._held = 0
        self._sheaves: list[Sheaf] = []

    def add(self, piece: Piece) -> None:
        """Keep a piece."""
        if self._pieces and self._held + piece.nbytes > self._share:
            self._bind()
        self._pieces.append(piece)
        self._held += piece.nbytes

    def finish(self) -> list[Sheaf]:
        """Write what is left, and return all sheaves."""
        if self._pieces:
            self._bind()
        return self._sheaves

    def _bind(self) -> None:
        pieces, self._pieces, self._held = self._pieces, [], 0
        sorted_pieces = []
        for number, encoding in enumerate(self._kind.encodings):
            alike = [piece for piece in pieces if piece.encoding == encoding]
            if alike:
                pieces = [piece for piece in pieces if piece.encoding != encoding]
                sorted_pieces.append((number, _joined(alike)))
        name = f"sheaf-{uuid.uuid4().hex}"
        begins = np.zeros(len(self._edges), np.int64)
        with open(self._folder / name, "xb") as file:
            cuts = [(number, one, np.searchsorted(one.positions, self._edges)) for number, one in sorted_pieces]
            filled = np.flatnonzero(sum(np.diff(cut) for _, _, cut in cuts))
            size = 0
            for bucket in filled.tolist():
                for number, one, cut in cuts:
                    rows = slice(int(cut[bucket]), int(cut[bucket + 1]))
                    if rows.start < rows.stop:
                        size += put_piece(file, number, one.positions[rows], one.stamps[rows], one.stored[rows])
                begins[bucket + 1] = size
            file.write(np.maximum.accumulate(begins).astype("<i8").tobytes())
            file.flush()
            os.fsync(file.fileno())  # so that it is there before anybody hears of it, also on other hosts
        self._sheaves.append(Sheaf(name, size))


def _joined(pieces: list[Piece]) -> Piece:
    """Return samples of one encoding as one piece, sorted by place; the list is emptied."""
    positions = np.concatenate([piece.positions for piece in pieces])
    stamps = np.concatenate([piece.stamps for piece in pieces])
    order = np.argsort(positions, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first = pieces[0]
    stored = np.empty((len(order), *first.stored.shape[1:]), first.stored.dtype)
    begin = 0
    while pieces:
        piece = pieces.pop(0)
        end = begin + len(piece.positions)
        stored[rank[begin:end]] = piece.stored
        begin = end
    return Piece(positions[order], stored, first.encoding, stamps[order])

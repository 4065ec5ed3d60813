"""Files of samples by their place in a store, one for each run of places: what the two passes shuffle through."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.pieces import Kind, Piece, damaged, pieces_in, places_in, put_piece

__all__ = ["PartitionFiles"]


class PartitionFiles:
    """The files; always appended to.

    Attributes:
        places: Places of one file.
        sizes: Bytes of each file that was begun, by its number.

    Args:
        folder: Where they are; made by the caller.
        places: Places of one file, as long as nothing else is said.
    """

    def __init__(self, folder: Path, places: int) -> None:
        self.places = places
        self.sizes: dict[int, int] = {}
        self._folder = folder
        self._room = np.empty(0, np.uint8)

    def write(self, kind: Kind, number: int, pieces: list[Piece]) -> None:
        """Append pieces of one encoding to the files, each piece's samples where they belong.

        Args:
            kind: What samples are.
            number: The encoding's, among those of `kind`.
            pieces: What to append.

        Raises:
            OSError: A file cannot be written.
        """
        positions = np.concatenate([piece.positions for piece in pieces])
        order = np.argsort(positions, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        stored = self._sorted(len(order), kind.sample_shape, kind.encodings[number].dtype)
        begin = 0
        for piece in pieces:
            end = begin + len(piece.positions)
            stored[rank[begin:end]] = piece.stored
            begin = end
        stamps = np.concatenate([piece.stamps for piece in pieces])[order]
        positions = positions[order]
        partition = positions // self.places
        parts, firsts = (array.tolist() for array in np.unique(partition, return_index=True))
        for part, first, last in zip(parts, firsts, [*firsts[1:], len(order)], strict=True):
            self._append(part, number, positions[first:last], stamps[first:last], stored[first:last])

    def forget(self) -> None:
        """Free what is kept for the next write."""
        self._room = np.empty(0, np.uint8)

    def read(self, number: int, kind: Kind) -> Iterator[Piece]:
        """Yield the pieces of a file, if there is one.

        Args:
            number: Which.
            kind: What samples are.

        Raises:
            ResumeError: It is damaged.
        """
        if number in self.sizes:
            yield from pieces_in(self._path(number), kind, 0, self.sizes[number])

    def restore(self, kind: Kind) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """Cut off what was written after the sizes were noted, and yield (positions, stamps) of the rest.

        Args:
            kind: What samples are.

        Raises:
            ResumeError: A file is missing, or what it says of its samples is not what was written.
        """
        for number, size in self.sizes.items():
            path = self._path(number)
            if not path.exists() or path.stat().st_size < size:
                raise damaged(path)
            with open(path, "r+b") as file:
                file.truncate(size)
            yield from places_in(path, kind, size)

    def _sorted(self, samples: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return room to put samples in order, each time the same: fresh memory costs as much as what is done in it."""
        values = samples * math.prod(shape)
        if len(self._room) < values * dtype.itemsize:
            self._room = np.empty(values * dtype.itemsize, np.uint8)
        room = self._room[: values * dtype.itemsize].view(dtype)
        return room.reshape(samples, *shape)

    def _append(
        self,
        part: int,
        number: int,
        positions: npt.NDArray[np.int64],
        stamps: npt.NDArray[np.uint32],
        stored: npt.NDArray[Any],
    ) -> None:
        begin = self.sizes.get(part, 0)
        with open(self._path(part), "ab") as file:
            # A run that failed here, or was killed, and goes on must not leave half a piece in the middle.
            file.truncate(begin)
            size = put_piece(file, number, positions, stamps, stored)
        # Once it is closed, as a full disk may say so only then; `tell` would still count what was cut off.
        self.sizes[part] = begin + size

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}"

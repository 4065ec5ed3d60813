"""The ranges of a part put end to end, so that an order is planned over one line of places, whatever lies between."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Line"]

# Ranges that its text names; the checksum of all tells one line from another.
SHOWN = 4


@dataclass(frozen=True)
class Line:
    """Places of samples on a line, which begins at the number of the first sample; of one range they are its numbers.

    Attributes:
        ranges: Ascending (start, stop) pairs of samples, apart from each other; one at least.
    """

    ranges: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{start} to {stop}" for start, stop in self.ranges[:SHOWN])
        if len(self.ranges) <= SHOWN:
            return shown
        check = zlib.crc32(repr(self.ranges).encode())
        return f"{shown} and {len(self.ranges) - SHOWN} more ranges ({check:08x})"

    @property
    def start(self) -> int:
        """The place of the first sample."""
        return self.ranges[0][0]

    @property
    def stop(self) -> int:
        """The place behind the last sample."""
        return int(self._edges[-1])

    @cached_property
    def _begins(self) -> npt.NDArray[np.int64]:
        """int64, (ranges,): the first sample of each range."""
        return np.array([start for start, _ in self.ranges], np.int64)

    @cached_property
    def _edges(self) -> npt.NDArray[np.int64]:
        """int64, (ranges + 1,): the place at which each range begins, and the end."""
        lengths = [stop - start for start, stop in self.ranges]
        return self.start + np.cumsum([0, *lengths], dtype=np.int64)

    def samples(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the sample at each place.

        Args:
            places: int64, (n,).

        Returns:
            int64, (n,): numbers of samples in the store.
        """
        if len(self.ranges) == 1:
            return places
        which = np.searchsorted(self._edges[1:-1], places, "right")
        samples: npt.NDArray[np.int64] = places + (self._begins - self._edges[:-1])[which]
        return samples

    def places(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the place of each sample.

        Args:
            samples: int64, (n,): numbers of samples in the ranges.

        Returns:
            int64, (n,).
        """
        if len(self.ranges) == 1:
            return samples
        which = np.searchsorted(self._begins[1:], samples, "right")
        places: npt.NDArray[np.int64] = samples - (self._begins - self._edges[:-1])[which]
        return places

    def edges(self, blocks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the places at which blocks begin; where one range ends and the next begins is always one.

        Args:
            blocks: int64, (blocks + 1,): the first sample of each block of the store, and the length of the store.

        Returns:
            int64, ascending: also the first place, and the end.
        """
        parts = [np.array([self.start], np.int64)]
        for (start, stop), place in zip(self.ranges, self._edges.tolist(), strict=False):
            inner = blocks[np.searchsorted(blocks, start, "right") : np.searchsorted(blocks, stop, "left")]
            parts += [inner + (place - start), np.array([place + stop - start], np.int64)]
        return np.concatenate(parts).astype(np.int64, copy=False)

    def pairs(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the samples of (start, stop) pairs of places, as pairs apart from each other.

        Args:
            pairs: Ascending, apart from each other, none empty.
        """
        if len(self.ranges) == 1:
            return list(pairs)
        found: list[tuple[int, int]] = []
        for start, stop in pairs:
            first, last = np.searchsorted(self._edges[1:-1], [start, stop - 1], "right").tolist()
            for number in range(first, last + 1):
                shift = int(self._begins[number] - self._edges[number])
                begin, end = (int(edge) for edge in self._edges[number : number + 2])
                found.append((max(start, begin) + shift, min(stop, end) + shift))
        return found

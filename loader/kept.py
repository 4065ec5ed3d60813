"""Decoded blocks that stay in memory over the epochs, up to a budget."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.store.blocks import Part
from seekless.store.table import BlockTable

__all__ = ["KeptBlocks", "Spans"]

ReadParts = Callable[[Sequence[Part]], None]


@dataclass(frozen=True, eq=False)
class Spans:
    """Ranges of samples, cut at the edges of blocks.

    Attributes:
        block: int64, (spans,): the block.
        start: int64, (spans,): the first sample.
        stop: int64, (spans,): the last sample + 1.
    """

    block: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]

    @classmethod
    def of(cls, edges: npt.NDArray[np.int64], ranges: Sequence[tuple[int, int]]) -> "Spans":
        """Cut ranges at the edges of blocks.

        Args:
            edges: int64, (blocks + 1,), the first sample of each block.
            ranges: (start, stop) pairs in samples, none of them empty.
        """
        pairs = np.array(ranges, np.int64).reshape(-1, 2)
        first = np.searchsorted(edges, pairs[:, 0], "right") - 1
        counts = np.searchsorted(edges, pairs[:, 1], "left") - first
        block = np.arange(int(counts.sum())) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        start = np.maximum(edges[block], np.repeat(pairs[:, 0], counts))
        return cls(block, start, np.minimum(edges[block + 1], np.repeat(pairs[:, 1], counts)))

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """int64, (spans,): the samples before each span."""
        lengths = self.stop - self.start
        before: npt.NDArray[np.int64] = np.cumsum(lengths) - lengths
        return before


class KeptBlocks:
    """Blocks of one field, decoded; each is kept once it was read, as long as there is room.

    Args:
        table: The field's blocks.
        capacity: Samples that are kept at most. Memory is taken as blocks come.
    """

    def __init__(self, table: BlockTable, capacity: int) -> None:
        field = table.field
        self._edges = table.first
        self._values = np.empty((min(capacity, table.length), *field.sample_shape), field.dtype)
        # What to add to the number of a sample to get its row; only for blocks that are kept.
        self._shift = np.zeros(len(table), np.int64)
        self._kept = np.zeros(len(table), np.bool_)
        self._used = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the samples that are kept."""
        return int(self._values[: self._used].nbytes)

    def place(
        self, ranges: Sequence[tuple[int, int]], read: ReadParts
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]] | None:
        """Return samples where they are kept, after reading the blocks that are missing.

        Args:
            ranges: (start, stop) pairs in samples.
            read: Reads parts, whole blocks here.

        Returns:
            (samples kept, *sample_shape), and int64 (samples in all ranges,), the row of each; None where there is no
            room for the blocks that are missing, which are then not read.
        """
        spans = Spans.of(self._edges, ranges)
        with self._lock:
            missing = np.unique(spans.block[~self._kept[spans.block]])
            if len(missing):
                lengths = self._edges[missing + 1] - self._edges[missing]
                ends = self._used + np.cumsum(lengths)
                if ends[-1] > len(self._values):
                    return None
                rows = ends - lengths
                shift = rows - self._edges[missing]
                read([self._part(block, row) for block, row in zip(missing.tolist(), rows.tolist(), strict=True)])
                self._shift[missing], self._kept[missing], self._used = shift, True, int(ends[-1])
        shifts = spans.start + self._shift[spans.block] - spans.rows
        lengths = spans.stop - spans.start
        return self._values, np.arange(int(lengths.sum())) + np.repeat(shifts, lengths)

    def fill(self, ranges: Sequence[tuple[int, int]], out: npt.NDArray[Any], read: ReadParts) -> None:
        """Put samples one behind the other: those that are kept from memory, the others from the file.

        Args:
            ranges: (start, stop) pairs in samples, no two of which lie in one block.
            out: (samples in all ranges, *sample_shape).
            read: Reads parts.
        """
        spans = Spans.of(self._edges, ranges)
        places = list(
            zip(spans.block.tolist(), spans.start.tolist(), spans.stop.tolist(), spans.rows.tolist(), strict=True)
        )
        with self._lock:
            kept = self._kept[spans.block]
            read(
                [
                    (start, stop, out[row : row + stop - start])
                    for (_, start, stop, row), k in zip(places, kept, strict=True)
                    if not k
                ]
            )
            for (block, start, stop, row), is_kept in zip(places, kept, strict=True):
                part = out[row : row + stop - start]
                if is_kept:
                    first = start + int(self._shift[block])
                    part[...] = self._values[first : first + len(part)]
                elif len(part) == self._edges[block + 1] - self._edges[block] <= len(self._values) - self._used:
                    self._values[self._used : self._used + len(part)] = part
                    self._shift[block], self._kept[block] = self._used - start, True
                    self._used += len(part)

    def _part(self, block: int, row: int) -> Part:
        start, stop = int(self._edges[block]), int(self._edges[block + 1])
        return start, stop, self._values[row : row + stop - start]

"""The windows of an epoch: their samples in memory, read from the file or kept from an epoch before."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seekless.loader.kept import KeptBlocks
from seekless.loader.order import Sizes
from seekless.loader.pick import read_ranges
from seekless.store.blocks import BlockReader, Follow, Part
from seekless.store.buffers import Buffers

__all__ = ["DECODERS", "Plan", "Window", "Windows"]

# What to read, as ascending (start, stop) pairs of samples, and which of these samples comes when.
Plan = tuple[list[tuple[int, int]], npt.NDArray[np.int64]]

# Threads that decompress, at the least: while the first window comes nothing else is to be done.
DECODERS = 2
# Kept memory is taken for whole blocks, of which a part of the store may have cut some.
CUT_BLOCKS = 16


@dataclass(frozen=True)
class Window:
    """The samples of one window in memory, and the order in which they are used.

    Attributes:
        x: (samples, *sample_shape), as stored; where blocks are kept, of all windows.
        x_rows: int64, (n,): which row of x comes when.
        beside: The small fields, (n, ...) each, in the order of the file.
        rows: int64, (n,): which row of these comes when.
    """

    x: npt.NDArray[Any]
    x_rows: npt.NDArray[np.int64]
    beside: tuple[npt.NDArray[Any], ...]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


class Beside(Protocol):
    """What is read beside the largest input: a small field, or another input."""

    def read(self, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[Any]:
        """Read ascending (start, stop) pairs of samples, one behind the other."""
        ...


class Windows:
    """Loads windows; holds no open file and no thread, but perhaps blocks that are kept.

    Args:
        reader: Of x.
        beside: The small fields, and other inputs.
        sizes: Of the part.
        window_bytes: Of a window of x.
        cache_bytes: Decoded bytes of x that are kept over the epochs at most. None for the part if it fits two windows,
            which are in memory at a time anyhow, else nothing.
        threads: Threads that check and decompress blocks.
    """

    def __init__(
        self,
        reader: BlockReader,
        beside: Sequence[Beside],
        sizes: Sizes,
        window_bytes: int,
        cache_bytes: int | None,
        threads: int,
    ) -> None:
        self._reader = reader
        self._beside = beside
        self._threads = threads
        sample_bytes = max(1, reader.table.field.sample_bytes)
        # A window ends at the unit that comes nearest to its size.
        self._window_bytes = min(sizes.window + sizes.unit + sizes.block_length, sizes.length) * sample_bytes
        room = sizes.length + max(CUT_BLOCKS, 2 * len(sizes.line.ranges)) * sizes.block_length
        if cache_bytes is None:
            self._capacity = room if sizes.length * sample_bytes <= 2 * window_bytes else 0
        else:
            self._capacity = min(room, cache_bytes // sample_bytes)
        self._kept: KeptBlocks | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What was read can be read again; a copy for another process should not carry it.
        return {**self.__dict__, "_kept": None}

    @property
    def kept_bytes(self) -> int:
        """Bytes of the blocks that are kept now."""
        return 0 if self._kept is None else self._kept.nbytes

    def begin(self) -> Buffers:
        """Begin an epoch: forget what was kept if a file was replaced; return the memory for its windows.

        Raises:
            StoreFormatError: A file was replaced, and its blocks are never checked.
            OSError: A file is gone.
        """
        # What is read is looked at then; of objects that are reached by URL each look is a request.
        if self._kept is not None and self._reader.changed():
            self.forget()
        return Buffers(2, self._window_bytes)

    def forget(self) -> None:
        """Free the blocks that are kept."""
        self._kept = None
        self._reader.release()

    def load(self, plan: Plan, buffers: Buffers, follow: Follow) -> Window:
        """Return a window.

        Args:
            plan: From an order.
            buffers: From `begin`.
            follow: Called with numbers of samples as they come.

        Raises:
            StoreFormatError: A block is damaged, or a file was cut short.
            OSError: A file cannot be read.
        """
        ranges, rows = plan
        x, x_rows = self._samples(ranges, rows, buffers, follow)
        return Window(x, x_rows, tuple(targets.read(ranges) for targets in self._beside), rows)

    def _samples(
        self, ranges: list[tuple[int, int]], rows: npt.NDArray[np.int64], buffers: Buffers, follow: Follow
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        table = self._reader.table
        kept = self._kept
        if kept is None and self._capacity:
            kept = self._kept = KeptBlocks(table, self._capacity)
        if kept is not None:
            placed = kept.place(ranges, partial(self._read, follow))
            if placed is not None:
                return placed[0], placed[1][rows]
        if _share_blocks(table.first, ranges):
            follow(len(rows))  # not followed: it seeks, and no batch is held back for it
            with self._pool() as pool:
                return read_ranges(self._reader, ranges, pool), rows
        x = buffers.empty((len(rows), *table.field.sample_shape), table.field.dtype)
        if kept is not None:
            kept.fill(ranges, x, partial(self._read, follow))
        else:
            with self._pool() as pool:
                self._reader.read(ranges, out=x, pool=pool, follow=follow)
        return x, rows

    def _read(self, follow: Follow, parts: Sequence[Part]) -> None:
        with self._pool() as pool:
            self._reader.read_parts(parts, pool, follow)

    def _pool(self) -> ThreadPoolExecutor:
        """Return the threads that check and decompress while this one reads; they end with a window."""
        return ThreadPoolExecutor(max(DECODERS, self._threads), "seekless-read-decode")


def _share_blocks(edges: npt.NDArray[np.int64], ranges: Sequence[tuple[int, int]]) -> bool:
    """Return whether two of ascending ranges lie in one block."""
    pairs = np.array(ranges, np.int64).reshape(-1, 2)
    first = np.searchsorted(edges, pairs[:, 0], "right")
    last = np.searchsorted(edges, pairs[:, 1] - 1, "right")
    return bool((first[1:] <= last[:-1]).any())

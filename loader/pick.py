"""Read scattered samples of a field: each block once, and no more of them at a time than a bounded scratch."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.store.blocks import BlockReader

__all__ = ["numbers", "read_ranges"]

# Blocks that are read together before the wanted samples are taken out of them.
SCRATCH_BYTES = 16 << 20


def read_ranges(
    reader: BlockReader, ranges: Sequence[tuple[int, int]], pool: Executor | None = None
) -> npt.NDArray[Any]:
    """Read ranges of samples, one behind the other; a block that holds several of them is read once.

    Args:
        reader: Of the field.
        ranges: Ascending (start, stop) pairs in samples, apart from each other.
        pool: Threads that check and decompress blocks while others are read; None to do it in this one.

    Returns:
        Stored values, (samples in all ranges, *sample_shape).

    Raises:
        StoreFormatError: A block is damaged, or the file was cut short.
        OSError: The file cannot be read.
    """
    edges = reader.table.first
    pairs = np.array(ranges, np.int64).reshape(-1, 2)
    first = np.searchsorted(edges, pairs[:, 0], "right") - 1
    last = np.searchsorted(edges, pairs[:, 1] - 1, "right") - 1
    if not (first[1:] <= last[:-1]).any():
        return reader.read(ranges, pool=pool)
    samples = numbers(ranges)
    field = reader.table.field
    out = np.empty((len(samples), *field.sample_shape), field.dtype)
    runs = set(zip(first.tolist(), last.tolist(), strict=True))
    blocks = np.unique(np.concatenate([np.arange(start, stop + 1) for start, stop in runs]))
    together = max(1, SCRATCH_BYTES // max(1, field.block_bytes))
    done = 0
    for at in range(0, len(blocks), together):
        chosen = blocks[at : at + together]
        held = [(int(edges[block]), int(edges[block + 1])) for block in chosen]
        stop = int(np.searchsorted(samples, held[-1][1]))
        wanted = samples[done:stop]
        # Where each wanted sample stands among those of the blocks read.
        before = np.cumsum([0, *(b - a for a, b in held)])
        block = np.searchsorted(edges[chosen], wanted, "right") - 1
        rows = before[block] + wanted - edges[chosen][block]
        out[done:stop] = reader.read(held, pool=pool)[rows]
        done = stop
    return out


def numbers(ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Return all samples of (start, stop) pairs, one behind the other."""
    pairs = np.array(ranges, np.int64).reshape(-1, 2)
    lengths = pairs[:, 1] - pairs[:, 0]
    before = np.cumsum(lengths) - lengths
    samples: npt.NDArray[np.int64] = np.arange(int(lengths.sum())) + np.repeat(pairs[:, 0] - before, lengths)
    return samples

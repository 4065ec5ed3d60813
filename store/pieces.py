"""Read one field of a store from end to end, a bounded number of bytes at a time."""

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from seekless.store.blocks import BlockReader, BlockTable

__all__ = ["pieces"]

PIECE_BYTES = 8 << 20


def pieces(table: BlockTable) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield the samples of a field in order, whole blocks at a time, each block read once.

    Args:
        table: The field's blocks.

    Yields:
        The number of the first sample, and stored values (samples, *sample_shape): some 8 MiB, or one block if that
        is more.

    Raises:
        StoreFormatError: A block is damaged.
    """
    field = table.field
    step = field.block_length * max(1, PIECE_BYTES // max(1, field.block_bytes))
    reader = BlockReader(table)
    for start in range(0, table.length, step):
        yield start, reader.read([(start, min(start + step, table.length))])

"""The second half of the shuffle: each partition's samples to their places, cut into blocks, in order."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.scatter import Partition
from seekless.errors import ConvertError
from seekless.store.schema import Field

__all__ = ["blocks_of", "gather"]


def gather(
    partitions: Iterable[Partition], field: Field, kept: npt.NDArray[np.bool_], first: int = 0
) -> Iterator[npt.NDArray[Any]]:
    """Yield the samples in the order of the store, a partition at a time.

    Args:
        partitions: All samples, in the order of the partitions.
        field: How samples are to be stored.
        kept: bool, (places,): the places that a sample was found for; the others are closed up.
        first: The sample to begin at; partitions before it are not read.

    Raises:
        ConvertError: A place has no sample.

    Yields:
        (samples kept in the partition, *sample_shape), of the stored dtype.
    """
    for partition in partitions:
        stay = kept[partition.start : partition.stop]
        count = int(np.count_nonzero(stay))
        if first >= count:
            first -= count
            continue
        rows, filled = _placed(partition, field)
        if not filled[stay].all():
            raise ConvertError(
                f"found {np.count_nonzero(~filled[stay])} samples missing of places {partition.start} to "
                f"{partition.stop - 1}, expected all; the source changed while it was read: run it again"
            )
        rows = rows if count == len(rows) else rows[stay]
        yield rows[first:]
        del rows  # before the next partition is read
        first = 0


def _placed(partition: Partition, field: Field) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return the samples of a partition at their places, and which places have one."""
    rows = np.empty((partition.stop - partition.start, *field.sample_shape), field.dtype)
    filled = np.zeros(len(rows), bool)
    pieces = partition.read()
    while pieces:
        piece = pieces.pop()
        stored = piece.stored
        if piece.encoding != field.encoding:
            stored = field.encoding.encode(piece.encoding.decode(stored))
        places = piece.positions - partition.start
        rows[places] = stored
        filled[places] = True
    return rows, filled


def blocks_of(field: Field, parts: Iterable[npt.NDArray[Any]]) -> Iterator[memoryview]:
    """Cut consecutive samples into blocks.

    Args:
        field: The field; its block length says where to cut.
        parts: Arrays (n, *sample_shape) of the stored dtype, one behind the other.

    Yields:
        The bytes of each block; the last is padded with zeros. A block is valid until the next is asked for.
    """
    block = np.zeros((field.block_length, *field.sample_shape), field.dtype)
    stored = block.reshape(-1).view(np.uint8).data
    filled = 0
    for part in parts:
        taken = 0
        while taken < len(part):
            count = min(field.block_length - filled, len(part) - taken)
            block[filled : filled + count] = part[taken : taken + count]
            filled, taken = filled + count, taken + count
            if filled == field.block_length:
                yield stored
                filled = 0
        del part  # before the next is made
    if filled:
        stored[filled * field.sample_bytes :] = bytes(len(stored) - filled * field.sample_bytes)
        yield stored

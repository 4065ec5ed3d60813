"""The second half of the shuffle: each partition's samples to their places, cut into blocks, in order."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
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
    stopped = threading.Event()
    ahead = ThreadPoolExecutor(1, "seekless-gather")
    try:
        before = None
        for partition in chain(partitions, [None]):
            coming = None
            if partition is not None:
                stay = kept[partition.start : partition.stop]
                count = int(np.count_nonzero(stay))
                if first >= count:
                    first -= count
                    continue
                coming = ahead.submit(_rows, partition, field, stay, first, stopped)
                first = 0
            if before is not None:
                yield before.result()
            before = coming  # the one before is free now, but for blocks that are still being written
    finally:
        stopped.set()
        ahead.shutdown(cancel_futures=True)


def _rows(
    partition: Partition, field: Field, stay: npt.NDArray[np.bool_], first: int, stopped: threading.Event
) -> npt.NDArray[Any]:
    """Return the samples of a partition from one on, those of places to be closed up left out."""
    rows = np.empty((partition.stop - partition.start, *field.sample_shape), field.dtype)
    filled = np.zeros(len(rows), bool)
    for piece in partition.read():
        if stopped.is_set():  # nobody waits any more
            return rows[:0]
        stored = piece.stored
        if piece.encoding != field.encoding:
            stored = field.encoding.encode(piece.encoding.decode(stored))
        places = piece.positions - partition.start
        rows[places] = stored
        filled[places] = True
    if not filled[stay].all():
        raise ConvertError(
            f"found {np.count_nonzero(~filled[stay])} samples missing of places {partition.start} to "
            f"{partition.stop - 1}, expected all; the source changed while it was read: run it again"
        )
    return (rows if stay.all() else rows[stay])[first:]


def blocks_of(field: Field, parts: Iterable[npt.NDArray[Any]]) -> Iterator[memoryview]:
    """Cut consecutive samples into blocks.

    Args:
        field: The field; its block length says where to cut.
        parts: Arrays (n, *sample_shape) of the stored dtype, one behind the other.

    Yields:
        The bytes of each block, read-only and not changed any more; the last is padded with zeros.
    """
    block, filled = None, 0
    for part in parts:
        taken = 0
        while taken < len(part):
            count = min(field.block_length - filled, len(part) - taken)
            if count == field.block_length and part.flags.c_contiguous:
                yield _stored(part[taken : taken + count])
            else:
                if block is None:
                    block = np.empty((field.block_length, *field.sample_shape), field.dtype)
                block[filled : filled + count] = part[taken : taken + count]
                filled += count
                if filled == field.block_length:
                    yield _stored(block)
                    block, filled = None, 0
            taken += count
        del part  # before the next is made
    if block is not None:
        block.reshape(-1).view(np.uint8)[filled * field.sample_bytes :] = 0
        yield _stored(block)


def _stored(block: npt.NDArray[Any]) -> memoryview:
    return block.reshape(-1).view(np.uint8).data.toreadonly()

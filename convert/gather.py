"""The second half of the shuffle: each partition's samples to their places, cut into blocks, in order."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.scatter import Partition
from seekless.errors import ConvertError
from seekless.store.codecs import Buffer
from seekless.store.schema import Field
from seekless.store.writer import Fill

__all__ = ["Block", "Part", "blocks_of", "filled", "gather", "in_one"]

# Samples of so many bytes are copied one by one from where they are, straight into their block. Laid out first, as
# smaller ones are, they would take memory that was not used before, which costs more time than to copy them.
LARGE = 4 << 10
# A block's bytes, or what writes them where it is told to.
Block = Buffer | Fill


class InPieces:
    """Samples in order, each still in the piece that it came in.

    Args:
        stored: (n, *sample_shape) each: the pieces, of the stored dtype.
        which: int64, (N,): the piece that each sample is in.
        rows: int64, (N,): its place there.
    """

    def __init__(
        self, stored: Sequence[npt.NDArray[Any]], which: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> None:
        self._stored, self._which, self._rows = stored, which, rows

    def __len__(self) -> int:
        return len(self._which)

    def copy(self, start: int, stop: int, room: npt.NDArray[Any]) -> None:
        """Copy the samples start to stop - 1 to room, (stop - start, *sample_shape)."""
        places = zip(self._which[start:stop].tolist(), self._rows[start:stop].tolist(), strict=True)
        for to, (which, row) in enumerate(places):
            room[to] = self._stored[which][row]


# Samples in order: (n, *sample_shape), or each where it is.
Part = npt.NDArray[Any] | InPieces


def gather(
    partitions: Iterable[Partition], field: Field, kept: npt.NDArray[np.bool_], first: int = 0
) -> Iterator[Part]:
    """Yield the samples in the order of the store, a partition at a time.

    Args:
        partitions: All samples, in the order of the partitions.
        field: How samples are to be stored.
        kept: bool, (places,): the places that a sample was found for; the others are closed up.
        first: The sample to begin at; partitions before it are not read.

    Raises:
        ConvertError: A place has no sample.

    Yields:
        The samples kept in the partition, of the stored dtype; `blocks_of` and `in_one` take them.
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
                coming = ahead.submit(_part, partition, field, stay, first, stopped)
                first = 0
            if before is not None:
                yield before.result()
            before = coming  # the one before is free now, but for blocks that are still being written
    finally:
        stopped.set()
        ahead.shutdown(cancel_futures=True)


def _part(
    partition: Partition, field: Field, stay: npt.NDArray[np.bool_], first: int, stopped: threading.Event
) -> Part:
    """Return the samples of a partition from one on, those of places to be closed up left out."""
    length = partition.stop - partition.start
    large = field.sample_bytes >= LARGE
    rows = np.empty((0 if large else length, *field.sample_shape), field.dtype)
    pieces: list[npt.NDArray[Any]] = []
    which, row = np.full(length, -1), np.zeros(length if large else 0, np.int64)
    for piece in partition.read():
        if stopped.is_set():  # nobody waits any more
            return rows[:0]
        places, inside = piece.positions - partition.start, np.arange(len(piece.positions))
        stored = piece.stored
        if places.min() < 0 or places.max() >= length:
            inside = np.flatnonzero((places >= 0) & (places < length))
            places = places[inside]
            if not large or piece.encoding != field.encoding:
                stored, inside = stored[inside], np.arange(len(inside))
        if piece.encoding != field.encoding:
            stored = field.encoding.encode(piece.encoding.decode(stored))
        which[places] = len(pieces)
        if large:
            pieces.append(stored)
            row[places] = inside
        else:
            rows[places] = stored
    missing = np.count_nonzero(which[stay] < 0)
    if missing:
        raise ConvertError(
            f"found {missing} samples missing of places {partition.start} to "
            f"{partition.stop - 1}, expected all; the source changed while it was read: run it again"
        )
    if large:
        return InPieces(pieces, which[stay][first:], row[stay][first:])
    return (rows if stay.all() else rows[stay])[first:]


def in_one(part: Part, field: Field) -> npt.NDArray[Any]:
    """Return the samples of a part of a field as one array, (n, *sample_shape)."""
    if isinstance(part, np.ndarray):
        return part
    rows = np.empty((len(part), *field.sample_shape), field.dtype)
    part.copy(0, len(part), rows)
    return rows


def filled(field: Field, block: Block) -> Buffer:
    """Return the bytes of a block of a field, read-only."""
    if not callable(block):
        return block
    room = np.empty(field.block_bytes, np.uint8)
    block(room)
    return room.data.toreadonly()


def blocks_of(field: Field, parts: Iterable[Part]) -> Iterator[Block]:
    """Cut consecutive samples into blocks.

    Args:
        field: The field; its block length says where to cut.
        parts: Samples of the stored dtype, one part behind the other.

    Yields:
        The bytes of each block, read-only and not changed any more, or what writes them; the last is padded with zeros.
    """
    spans: list[_Span] = []
    count = 0
    for part in parts:
        taken = 0
        while taken < len(part):
            stop = min(len(part), taken + field.block_length - count)
            spans.append(_Span(part, taken, stop))
            count += stop - taken
            taken = stop
            if count == field.block_length:
                yield _block(field, spans)
                spans, count = [], 0
        if spans:  # what is left is copied, so that the part is free before the next is made
            rest = np.empty((count, *field.sample_shape), field.dtype)
            _copy(spans, rest)
            spans = [_Span(rest, 0, count)]
        del part
    if spans:
        yield _block(field, spans)


@dataclass(frozen=True)
class _Span:
    """The samples start to stop - 1 of a part."""

    part: Part
    start: int
    stop: int


def _copy(spans: Iterable[_Span], room: npt.NDArray[Any]) -> int:
    """Copy samples to room, (n or more, *sample_shape); return how many."""
    at = 0
    for span in spans:
        to = room[at : at + span.stop - span.start]
        if isinstance(span.part, np.ndarray):
            to[...] = span.part[span.start : span.stop]
        else:
            span.part.copy(span.start, span.stop, to)
        at += len(to)
    return at


def _block(field: Field, spans: list[_Span]) -> Block:
    """Return a block of these samples: where they stand together, without a copy."""
    first = spans[0]
    whole = first.stop - first.start == field.block_length
    if whole and isinstance(first.part, np.ndarray) and first.part.flags.c_contiguous:
        return first.part[first.start : first.stop].reshape(-1).view(np.uint8).data.toreadonly()

    def fill(room: npt.NDArray[np.uint8]) -> None:
        count = _copy(spans, room.view(field.dtype).reshape(field.block_length, *field.sample_shape))
        room[count * field.sample_bytes :] = 0

    return fill

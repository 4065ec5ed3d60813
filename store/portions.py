"""Stores that have grown: portions that were converted one after the other, each with an order and parts of its own.

A store that was converted at once is one portion.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from seekless.errors import StoreFormatError
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header, label_block_length, nearest

__all__ = ["Ranges", "check_portions", "fraction_ranges", "grown", "merged", "part_of", "portions_of", "recorded"]

# Ascending (start, stop) pairs in samples, apart from each other.
Ranges = tuple[tuple[int, int], ...]


def portions_of(header: Header) -> Ranges:
    """Return the samples of each portion of a store, as (start, stop)."""
    return tuple(itertools.pairwise((0, *(header.portions or (header.length,)))))


def recorded(header: Header) -> tuple[Ranges, ...]:
    """Return the recorded parts of each portion, as (start, stop); () for each where none are recorded.

    Args:
        header: Of the store.
    """
    portions = portions_of(header)
    count = len(header.boundaries) // len(portions)
    return tuple(
        tuple(itertools.pairwise((start, *header.boundaries[number * count : (number + 1) * count])))
        for number, (start, _) in enumerate(portions)
        if count
    ) or ((),) * len(portions)


def part_of(header: Header, name: str) -> Ranges:
    """Return the samples of the train or of the test part: of every portion, its own.

    Args:
        header: Of a store that records parts.
        name: "train" or "test".
    """
    return merged(parts[0 if name == "train" else -1] for parts in recorded(header))


def fraction_ranges(header: Header, begin: float, end: float) -> Ranges:
    """Return the samples between two fractions of every portion.

    Args:
        header: Of the store.
        begin: 0 to 1: a part begins at round(n * begin) of each portion of n samples; where samples have groups, at
            the edge of whole groups that is nearest to that.
        end: `begin` to 1: likewise its end.
    """
    ranges = []
    for start, stop in portions_of(header):
        groups = tuple(edge - start for edge in header.parts if start < edge <= stop)
        first, last = (start + nearest(round((stop - start) * edge), groups) for edge in (begin, end))
        ranges.append((first, last))
    return merged(ranges)


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return ascending ranges without empty ones, neighbours in one; of nothing but empty ones the first.

    Args:
        ranges: (start, stop) pairs, ascending.
    """
    joined: list[tuple[int, int]] = []
    every = list(ranges)
    for start, stop in every:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        elif start < stop:
            joined.append((start, stop))
    return tuple(joined or every[:1])


def check_portions(header: Header, lengths: Sequence[int], path: object) -> None:
    """Refuse portions that the store's shards cannot hold, or whose parts overlap.

    Args:
        header: Of the store.
        lengths: The samples of its shards.
        path: The store, for the message.

    Raises:
        StoreFormatError: The portions do not end where shards end, or do not have equally many ascending parts.
    """
    if not header.portions:
        return
    ends = set(itertools.accumulate(lengths))
    rising = all(one < other for one, other in itertools.pairwise((0, *header.portions)))
    if not rising or header.portions[-1] != header.length or not ends >= set(header.portions):
        raise StoreFormatError(
            f"{path}: found portions that end at {header.portions}, expected ends of shards up to {header.length}"
        )
    edges = [edge for parts in recorded(header) for part in parts for edge in part]
    whole = [parts[-1][1] for parts in recorded(header) if parts]
    if (
        len(header.boundaries) % len(header.portions)
        or edges != sorted(edges)
        or whole
        not in (
            [],
            list(header.portions),
        )
    ):
        raise StoreFormatError(
            f"{path}: found parts that end at {header.boundaries}, expected as many in each of the portions that end "
            f"at {header.portions}"
        )


def grown(base: Header, new: Header) -> Header:
    """Return what a store says of itself that has got one more portion.

    Args:
        base: What it said before.
        new: What the samples to be added would say as a store by themselves. Its classes begin with those of the store.
    """
    length = base.length + new.length

    def behind(ends: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(base.length + end for end in ends)

    return replace(
        base,
        length=length,
        fields={name: _joined(field, new.fields[name], length) for name, field in base.fields.items()},
        portions=(*(base.portions or (base.length,)), length),
        boundaries=(*base.boundaries, *behind(new.boundaries)),
        parts=(*base.parts, *behind(new.parts)),
        class_count=new.class_count,
        class_names=new.class_names,
        created_by=new.created_by,
    )


def _joined(field: Field, other: Field, length: int) -> Field:
    """Return a field over two portions: keys are as wide as the widest."""
    if field.name != "key":
        return field
    dtype = max(field.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
    return replace(field, encoding=Encoding(dtype, dtype), block_length=label_block_length(dtype.itemsize, length))

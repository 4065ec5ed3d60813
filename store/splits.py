"""Which samples a part of a store has, however it is named."""

import operator
from pathlib import Path
from typing import Any

from seekless.errors import OptionError
from seekless.store.portions import Ranges, fraction_ranges, merged, part_of
from seekless.store.schema import Header

__all__ = ["Split", "ranges_of"]

# The last are ranges of samples: (start, stop) pairs, ascending.
Split = str | tuple[float, float] | Ranges | None


def ranges_of(header: Header, split: Split, path: Path) -> Ranges:
    """Return the samples of a part; see `seekless.store.store.Store.ranges`.

    Args:
        header: What the store holds.
        split: The part.
        path: Where the store is, for what is told.

    Raises:
        OptionError: The store records no parts, or the split is none.
    """
    if split is None:
        return ((0, header.length),)
    if split in ("train", "test"):
        if not header.boundaries:
            raise OptionError(
                f"split={split!r}: found no recorded parts in {path}, expected a store converted with "
                "--test-fraction; or give fractions, such as split=(0.0, 0.9)"
            )
        return part_of(header, str(split))
    if isinstance(split, tuple) and split and isinstance(split[0], tuple):
        return _as_given(split, header.length)
    if isinstance(split, tuple) and len(split) == 2:
        begin, end = split
        if 0 <= begin <= end <= 1:  # type: ignore[operator]  # pairs of samples were told apart before
            return fraction_ranges(header, begin, end)  # type: ignore[arg-type]
    raise OptionError(f"split: found {split!r}, expected 'train', 'test' or two fractions such as (0.0, 0.9)")


def _as_given(split: tuple[Any, ...], length: int) -> Ranges:
    edges = [edge for pair in split for edge in pair]
    pairs = all(len(pair) == 2 for pair in split)
    if not pairs or edges != sorted(edges) or not 0 <= edges[0] <= edges[-1] <= length:
        raise OptionError(
            f"split: found {split!r}, expected ascending (start, stop) pairs of samples from 0 to {length}"
        )
    return merged((operator.index(start), operator.index(stop)) for start, stop in split)

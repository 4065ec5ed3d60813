"""The place of each sample in the store: at random, by whole groups, or as the keys come.

With groups, such as all pictures of one patient, a store is 20 parts at random, none of which shares a group with
another; samples are shuffled within each. A split at the edge of a part never has one group on both sides.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seekless.convert.options import Options
from seekless.errors import OptionError, SourceError
from seekless.source.permutation import random_positions
from seekless.store.schema import Header, nearest

__all__ = ["group_ends", "groups_of", "places_of", "with_groups"]

PARTS = 20


def places_of(
    keys: Sequence[str], options: Options, least: int = 2
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give each sample its place in the store.

    Args:
        keys: The samples' keys, sorted.
        options: How to convert.
        least: How many groups there must be, where samples have groups.

    Returns:
        int64, (N,): the place of each key. int64, (parts,): the end of each part of whole groups, in places; (0,)
        without groups.

    Raises:
        SourceError: A key has no group, or all have the same.
    """
    if not options.shuffle:
        return np.arange(len(keys)), np.empty(0, np.int64)
    ranks = random_positions(keys, options.seed)
    if options.group_by is None:
        return ranks, np.empty(0, np.int64)
    names, groups = np.unique(np.array(groups_of(keys, options.group_by)), return_inverse=True)
    if len(names) < least:
        raise SourceError(f"--group-by {options.group_by}: found one group, {names[0]}, expected two or more")
    # Groups in random order, each in the part that it begins in if parts are of equal size.
    turn = random_positions(names.tolist(), options.seed)
    sizes = np.bincount(turn[groups], minlength=len(names))
    begins = np.cumsum(sizes) - sizes
    part = (begins * min(PARTS, len(names)) // len(keys))[turn[groups]]
    order = np.lexsort((ranks, part))
    positions = np.empty(len(keys), np.int64)
    positions[order] = np.arange(len(keys))
    counts = np.bincount(part)
    return positions, np.cumsum(counts[counts > 0])


def with_groups(header: Header, kept: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64]) -> Header:
    """Record the parts of whole groups in a header, and move its boundaries to their edges.

    Args:
        header: What the store holds.
        kept: bool, (places,): the places that have a sample.
        ends: int64, (parts,): the end of each part, in places; (0,) without groups.

    Raises:
        OptionError: The test part, or the train part, would be empty.
    """
    if not len(ends):
        return header
    parts = group_ends(kept, ends)
    boundaries = tuple(nearest(end, parts) for end in header.boundaries)
    if boundaries and not 0 < boundaries[0] < header.length:
        wanted = header.length - header.boundaries[0]
        raise OptionError(
            f"--test-fraction: found {wanted:,} of {header.length:,} samples, which is no part of whole groups, "
            f"expected one; the parts end at {', '.join(map(str, parts))}"
        )
    return replace(header, parts=parts, boundaries=boundaries)


def group_ends(kept: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Return the ends of parts of whole groups, in samples; () without groups.

    Args:
        kept: bool, (places,): the places that have a sample.
        ends: int64, (parts,): the end of each part, in places; (0,) without groups.
    """
    parts = dict.fromkeys(np.cumsum(kept)[ends - 1].tolist())
    return tuple(end for end in parts if end)


def groups_of(keys: Sequence[str], pattern: str) -> list[str]:
    """Return the name of each key's group: what the pattern's first parentheses match, else what all of it does.

    Args:
        keys: The keys.
        pattern: A regular expression.

    Raises:
        SourceError: It matches nothing in a key.
    """
    expression = re.compile(pattern)
    names = []
    for key in keys:
        match = expression.search(key)
        if match is None:
            raise SourceError(
                f"--group-by {pattern}: found nothing that it matches in {key}, expected a group for each sample"
            )
        names.append(match[1] if expression.groups else match[0])
    return names

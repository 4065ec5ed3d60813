"""A store in its source's order, cut by whole blocks that are drawn at random.

Neighbours are alike there: its last samples may all be of one class, or of one day.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seekless.loader.draw import permutation
from seekless.store.portions import Ranges, merged, portions_of
from seekless.store.store import Store

__all__ = ["DrawnParts", "draw_parts"]

# What this draws shares no random words with the orders of the epochs, whose streams count up from 0.
STREAM = 2**64 - 1


@dataclass(frozen=True)
class DrawnParts:
    """Which samples are in which part.

    Attributes:
        train: Ascending (start, stop) pairs of samples.
        validation: Likewise; empty where none was asked for.
        test: Likewise.
        text: How many blocks are held out, in words.
    """

    train: Ranges
    validation: Ranges
    test: Ranges
    text: str


def draw_parts(store: Store, test: float, validation: float, seed: int) -> DrawnParts | None:
    """Draw the parts of a store; of one that has grown, those of each portion, which are the same when it grows again.

    Args:
        store: The store.
        test: The share of samples to test on; of a portion the whole blocks that come nearest, and one at least.
        validation: The share of the others to validate on, likewise; 0 for none.
        seed: Draws the blocks.

    Returns:
        The parts; None where no portion has a block for each. Beside one that has, a portion of fewer blocks is cut
        into train, validation and test part in this order.
    """
    first = store.tables[store.header.inputs[0]].first
    found: list[list[tuple[int, int]]] = [[], [], []]
    held, blocks, drawn = [0, 0], 0, False
    for number, (start, stop) in enumerate(portions_of(store.header)):
        edges = first[(first >= start) & (first <= stop)]
        edges = np.unique([start, *edges.tolist(), stop])
        parts = _drawn(edges, test, validation, permutation(len(edges) - 1, seed, 0, STREAM, number))
        if parts is None:
            parts = _cut(start, stop, test, validation)
        else:
            drawn = True
            held = [count + len(part) for count, part in zip(held, parts[1:], strict=True)]
        blocks += len(edges) - 1
        for together, ranges in zip(found, parts, strict=True):
            together.extend(ranges)
    if not drawn:
        return None
    text = f"of its {blocks:,} blocks {held[1]:,} to test" + (f" and {held[0]:,} to validate" if validation else "")
    train, validate, tested = (merged(part) for part in found)
    return DrawnParts(train, validate, tested, text)


def _drawn(
    edges: npt.NDArray[np.int64], test: float, validation: float, order: npt.NDArray[np.int64]
) -> list[list[tuple[int, int]]] | None:
    """Return the blocks to train, validate and test on, as (start, stop); None where there are too few."""
    others = 2 if validation else 1
    if len(order) <= others:
        return None
    lengths = np.diff(edges)[order]
    tested = _nearest(lengths, test, len(order) - others)
    validated = tested + (_nearest(lengths[tested:], validation, len(order) - tested - 1) if validation else 0)
    cuts = (order[validated:], order[tested:validated], order[:tested])
    return [[(int(edges[block]), int(edges[block + 1])) for block in np.sort(part)] for part in cuts]


def _nearest(lengths: npt.NDArray[np.int64], share: float, most: int) -> int:
    """Return how many of the first blocks come nearest to a share of the samples of all; 1 to `most`."""
    ends = np.cumsum(lengths)
    return min(max(1, 1 + int(np.argmin(np.abs(ends - share * ends[-1])))), most)


def _cut(start: int, stop: int, test: float, validation: float) -> list[list[tuple[int, int]]]:
    last = stop - round((stop - start) * test)
    middle = last - round((last - start) * validation)
    return [[(start, middle)], [(middle, last)], [(last, stop)]]

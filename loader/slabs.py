"""Where slabs of several batches begin. Pure functions."""

import bisect
from collections.abc import Iterator

from seekless.loader.order import Order, Steps

__all__ = ["slab_steps"]

# The first slab of an epoch is this many times shorter: it is waited for.
FIRST_SHARE = 8


def slab_steps(order: Order, dealt: Steps, first_step: int, last_step: int, together: int) -> Iterator[int]:
    """Yield the steps at which slabs begin, and the last step; no slab waits for a window that few of it need.

    Args:
        order: Of the epoch.
        dealt: How many samples its steps have.
        first_step: Where the first slab begins.
        last_step: Where the last one ends.
        together: Batches in a slab, at the most.
    """
    begin, steps = dealt.begin, range(first_step, last_step + 1)
    windows = range(order.window_at(begin(first_step)) + 1, order.windows)
    step, length = first_step, max(1, together // FIRST_SHARE)
    for edge in [*map(order.begin, windows), begin(last_step)]:
        end = steps[min(bisect.bisect_right(steps, edge, key=begin), len(steps)) - 1]
        while step < end:
            yield step
            step, length = min(step + length, end), together
    yield last_step

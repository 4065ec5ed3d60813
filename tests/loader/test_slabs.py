"""Slabs hold whole batches of one window, as many as they may."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seekless.loader.order import Sizes, Steps, epoch_order
from seekless.loader.slabs import slab_steps


@given(st.data())
def test_slabs_follow_on_each_other_and_wait_for_no_window_that_few_of_their_batches_need(data):
    length = data.draw(st.integers(1, 400))
    block, window, batch = (data.draw(st.integers(1, 60)) for _ in range(3))
    sizes = Sizes.of_part(
        [(0, length)], np.array([*range(0, length, block), length]), window, block, data.draw(st.sampled_from([0, 8]))
    )
    dealt = Steps(length, batch)
    order = epoch_order(sizes, "window", 0, 0, dealt)
    first = data.draw(st.integers(0, dealt.steps - 1))
    last = data.draw(st.integers(first + 1, dealt.steps))
    together = data.draw(st.integers(1, 20))
    steps = list(slab_steps(order, dealt, first, last, together))
    assert steps[0] == first
    assert steps[-1] == last
    for begin, end in itertools.pairwise(steps):
        assert 1 <= end - begin <= together
        # Whoever has its first batch waits for no other window.
        assert order.window_at(dealt.begin(end) - 1) == order.window_at(dealt.begin(begin + 1) - 1)

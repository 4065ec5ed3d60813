"""An order that was planned before its epoch is the one that is planned then."""

import pickle

import numpy as np
import pytest

from seekless.loader.order import Sizes, Steps, epoch_order
from seekless.loader.orders import FORESEEN, Orders


def planned(order):
    return [(ranges, rows.tolist()) for ranges, rows in map(order.plan, range(order.windows))]


@pytest.mark.parametrize("shuffle", ["window", "batch", "full", False])
def test_what_is_foreseen_is_what_comes(shuffle):
    sizes, dealt = Sizes.of_part([(0, 200)], np.arange(0, 201, 10), 40, 10, 0), Steps(200, 16)
    orders = Orders(sizes, shuffle, 3, dealt)
    expected = planned(epoch_order(sizes, shuffle, 3, 1, dealt))
    orders.foresee(1)
    order = orders.of(1)
    for _ in range(2):  # the plan is given once, then made anew
        ranges, rows = orders.plan(order, 1, 0)
        assert (ranges, rows.tolist()) == expected[0]
    assert planned(order) == expected
    other = epoch_order(sizes, shuffle, 3, 2, dealt)
    orders.foresee(1)
    ranges, rows = orders.plan(other, 2, 0)
    assert (ranges, rows.tolist()) == planned(other)[0]


def test_what_is_foreseen_stays_here(monkeypatch):
    orders = Orders(Sizes.of_part([(0, 5000)], np.arange(0, 5001, 10), 5000, 10, 0), "window", 0, Steps(5000, 16))
    before = len(pickle.dumps(orders))
    orders.foresee(1)
    assert len(pickle.dumps(orders)) == before
    assert orders.of(1) is orders.of(1)


def test_a_window_too_large_is_planned_when_it_comes():
    length = FORESEEN + 1
    orders = Orders(
        Sizes.of_part([(0, length)], np.array([0, length]), length, length, 0), "window", 0, Steps(length, 16)
    )
    orders.foresee(1)
    assert orders.of(1) is not orders.of(1)

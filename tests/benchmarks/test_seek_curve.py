"""The curve of seeks gives back the times that it is made of, and a head pays for what it does."""

import numpy as np
import pytest


@pytest.fixture
def head(scripts):
    import seeks

    return seeks.Head(track=0.001, average=0.012, full=0.020, half_turn=0.004, rate=100e6, capacity=1e9)


def test_seeks_between_random_places_take_the_published_average(head):
    places = np.random.default_rng(0).random((2, 400_000))
    assert head.seek(np.abs(places[0] - places[1])).mean() == pytest.approx(0.012, rel=2e-3)


def test_the_shortest_and_the_longest_seek_are_the_published_ones(head):
    assert head.seek(np.array([1e-12]))[0] == pytest.approx(0.001, rel=1e-3)
    assert head.seek(np.array([1.0]))[0] == pytest.approx(0.020)


def test_one_long_read_costs_one_seek(head):
    seconds, jumps, over = head.follow(np.array([[0, 50_000_000], [50_000_000, 50_000_000]]))
    assert (jumps, over) == (0, 0)
    assert seconds == pytest.approx(0.016 + 1.0)


def test_a_jump_back_costs_a_seek_and_half_a_turn(head):
    seconds, jumps, over = head.follow(np.array([[500_000_000, 1000], [0, 1000]]))
    assert (jumps, over) == (1, 500_001_000)
    back = head.seek(np.array([0.500001]))[0] + 0.004
    assert seconds == pytest.approx(0.016 + back + 2000 / 100e6)


def test_a_small_gap_forward_is_read_through(head):
    seconds, jumps, _ = head.follow(np.array([[0, 1000], [11_000, 1000]]))
    assert jumps == 1
    assert seconds == pytest.approx(0.016 + 12_000 / 100e6)


def test_ranges_of_files_are_found_on_the_disk(scripts):
    from extents import placed

    pieces = [(0, 1000, 100), (100, 5000, 50)]
    assert placed(pieces, 10, 20) == [(1010, 20)]
    assert placed(pieces, 90, 30) == [(1090, 10), (5000, 20)]
    assert placed(pieces, 140, 100) == [(5040, 10)]

"""Ranges of samples on a line of places, there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekless.loader.line import Line


@st.composite
def lines(draw):
    edges = sorted(draw(st.sets(st.integers(0, 300), min_size=2, max_size=12)))
    return Line(tuple(zip(edges[::2], edges[1::2], strict=False)))


def members(line: Line) -> list[int]:
    return [number for start, stop in line.ranges for number in range(start, stop)]


@given(lines())
def test_every_place_has_a_sample_and_every_sample_a_place(line):
    places = np.arange(line.start, line.stop)
    assert line.samples(places).tolist() == members(line)
    assert line.places(np.array(members(line))).tolist() == places.tolist()


@given(lines(), st.data())
def test_pairs_of_places_are_cut_where_ranges_end(line, data):
    edges = sorted(data.draw(st.sets(st.integers(line.start, line.stop), min_size=2, max_size=8)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    found = line.pairs(pairs)
    places = [place for start, stop in pairs for place in range(start, stop)]
    assert [number for start, stop in found for number in range(start, stop)] == line.samples(np.array(places)).tolist()
    assert all(start < stop for start, stop in found)


def test_one_range_is_its_own_line():
    line = Line(((5, 12),))
    assert (line.start, line.stop, line.pairs([(6, 8), (9, 12)])) == (5, 12, [(6, 8), (9, 12)])
    assert line.edges(np.array([0, 4, 8, 12, 16])).tolist() == [5, 8, 12]


def test_edges_are_those_of_blocks_and_of_ranges():
    # Samples 2 to 4 stand at the places 2 to 4, samples 9 to 15 behind them.
    assert Line(((2, 5), (9, 16))).edges(np.array([0, 4, 8, 12, 16])).tolist() == [2, 4, 5, 8, 12]


@pytest.mark.parametrize(
    ("ranges", "text"), [([(0, 9)], "0 to 9"), ([(0, 9), (10, 19)], "0 to 9, 10 to 19")], ids=["one", "two"]
)
def test_a_line_says_its_ranges(ranges, text):
    assert str(Line(tuple(ranges))) == text


def test_lines_of_many_ranges_are_told_apart_by_their_text():
    many = [(start, start + 9) for start in range(0, 100, 10)]
    one, other = str(Line(tuple(many))), str(Line((*many[:-1], (90, 98))))
    assert one.startswith("0 to 9, 10 to 19, 20 to 29, 30 to 39 and 6 more ranges (")
    assert one != other

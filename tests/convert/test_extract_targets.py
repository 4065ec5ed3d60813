"""Targets as text: what is written is read as what it was, or is known not to be."""

import numpy as np
import pytest

from seekless.convert.extract_targets import are_folders, comes_back, label_texts, write_labels
from seekless.source.labels import read_labels
from seekless.store.schema import Header


def header(count=0, names=None, kind="class"):
    return Header(4, {}, True, 0, "test", target_kind=kind, class_count=count, class_names=names)


@pytest.mark.parametrize(
    ("header", "values", "texts"),
    [
        (header(3), np.array([2, 0]), [("2",), ("0",)]),
        (header(2, ("cat", "dog")), np.array([1, 0]), [("dog",), ("cat",)]),
        (header(kind="number"), np.array([0.1, 3.0, 1e22]), [("0.1",), ("3.0",), ("1e+22",)]),
        (header(kind="number"), np.array([[0.1, -0.0]]), [("0.1", "-0.0")]),
    ],
)
def test_texts(header, values, texts):
    assert label_texts(header, values) == texts


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        (header(3), [2, 0, 2], True),
        (header(4), [2, 0, 2], False),  # no sample is of the last class
        (header(2, ("cat", "dog")), [1, 0], True),
        (header(2, ("dog", "cat")), [1, 0], False),
        (header(2, ("cat", "dog")), [1, 1], False),
        (header(2, ("1", "2")), [1, 0], False),
        (header(2, ("1.5", "x")), [1, 0], True),
        (header(2, ("1.5", "2")), [1, 0], False),
        (header(2, ("-1", "5000000")), [1, 0], False),
        (header(kind="number"), [0.5], True),
    ],
)
def test_whether_classes_come_back(header, values, expected):
    assert comes_back(header, np.array(values)) is expected


@pytest.mark.parametrize(
    ("names", "values", "files", "expected"),
    [
        (("a", "b"), [1, 0], ["b/1.png", "a/b/2.png"], True),
        (("a", "b"), [1, 0], ["b/1.png", "b/2.png"], False),
        (("a", "b"), [1, 1], ["b/1.png", "b/2.png"], False),
        (("b", "a"), [0, 1], ["b/1.png", "a/2.png"], False),
        (("a",), [0, 0], ["a/1.png", "a/2.png"], False),
        (("a", "train"), [0, 1], ["a/1.png", "train/2.png"], False),
        (None, [0, 1], ["0/1.png", "1/2.png"], False),
    ],
)
def test_whether_folders_say_it(names, values, files, expected):
    assert are_folders(header(2, names), np.array(values), files) is expected


def test_the_file_is_sorted_and_has_no_header(tmp_path):
    size = write_labels(tmp_path / "target.csv", ["b.png", "a.png", "c.png"], [("x",), ("y, z",), ("7",)])
    assert (tmp_path / "target.csv").read_text() == 'c.png,7\na.png,"y, z"\nb.png,x\n'
    assert size == (tmp_path / "target.csv").stat().st_size


def test_tabs_are_read_as_they_were(tmp_path):
    write_labels(tmp_path / "target.csv", ["a\tb.png", "c,d.png"], [("x",), ("y",)])
    lines = read_labels(tmp_path / "target.csv")
    assert lines.ids == ["a\tb.png", "c,d.png"]
    assert lines.labels == [("x",), ("y",)]

"""Stores that do not fit together are told apart in words."""

import numpy as np
import pytest

import seekless
from seekless.convert.alike import check_alike, joined_keys
from seekless.errors import OptionError, StoreError

X = np.ones((4, 3))


@pytest.fixture
def pair(tmp_path):
    """Return a function that writes two stores and opens them."""

    def write(one, other):
        for name, options in (("a.h5", one), ("b.h5", other)):
            seekless.write(tmp_path / name, **{"x": X, "overwrite": True, **options})
        return [seekless.open(tmp_path / name) for name in ("a.h5", "b.h5")]

    return write


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({}, {"x": np.ones((4, 2, 5))}, "found samples of shape 2 x 5, expected samples of shape 3 as in"),
        ({}, {"x": np.ones(4)}, "found samples of one value, expected"),
        ({}, {"x": X.astype("f4")}, "found values of float32, expected values of float64"),
        ({}, {"scale": 255}, "found --scale 255, expected --scale 1"),
        ({}, {"y": [1] * 4}, "found classes as targets, expected no targets"),
        ({"y": [1.5] * 4}, {"y": [1] * 4}, "found classes as targets, expected numbers as targets"),
        ({"y": [1.5] * 4}, {"y": [[1.5] * 2] * 4}, r"found targets of shape \(2,\), expected targets of shape \(\)"),
        ({"y": ["a"] * 4}, {"y": [1] * 4}, "found classes without names, expected classes with names"),
        ({"y": [1] * 4}, {"y": ["a"] * 4}, "found classes with names, expected classes without names"),
        (
            {"test_fraction": 0.5},
            {},
            r"found no recorded parts, expected a train and a test part \(--test-fraction\) as in",
        ),
    ],
)
def test_stores_that_cannot_be_joined(pair, one, other, message):
    with pytest.raises(StoreError, match=rf"b\.h5: {message}.*stores that differ in it cannot be joined"):
        check_alike(pair(one, other))


def test_stores_that_can(pair):
    check_alike(pair({"y": ["a"] * 4, "dtype": "float32"}, {"y": ["b"] * 4, "x": X / 255}))


def test_two_stores_of_one_name(tmp_path, pair):
    store = pair({}, {})[0]
    with pytest.raises(OptionError, match="--prefix: found two stores named 'a', expected each name once"):
        joined_keys([store, store], prefix=True)
    with pytest.raises(StoreError, match=r"found the key \d in .*a\.h5 twice"):
        joined_keys([store, store], prefix=False)


def test_a_store_without_keys(tmp_path, pair):
    store = pair({}, {})[0]
    del store.tables["key"]
    with pytest.raises(
        StoreError, match=r"a\.h5: found no keys, expected a store that `convert` or seekless.write made"
    ):
        joined_keys([store], prefix=False)

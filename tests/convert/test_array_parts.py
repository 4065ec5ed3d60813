"""What samples may come in, and what is wrong with others."""

import numpy as np
import pytest

from seekless.convert.array_parts import Arrays, Batches, given, part_bytes
from seekless.errors import OptionError

ONES = np.ones((4, 3))


def drained(samples):
    return list(samples.parts(1000))


@pytest.mark.parametrize("size", [1, 24, 50, 1000])
def test_parts_are_slices_of_some_bytes(size):
    x = np.arange(30.0).reshape(10, 3)
    for samples in (Arrays(x, None, None), Batches([x[:7], x[7:]])):
        parts = [part["x"] for part in samples.parts(size)]
        assert np.array_equal(np.concatenate(parts), x)
        assert all(part.nbytes <= max(size, 24) for part in parts)


def test_a_part_is_an_eighth_of_memory_and_8_mib_at_most():
    assert part_bytes(1 << 20) == 1 << 17
    assert part_bytes(1 << 40) == 8 << 20


def test_batches_gather_targets_and_keys():
    samples = given(
        iter([{"x": ONES, "y": [1, 2, 3, 4], "key": list("abcd")}, {"key": ["ee"], "y": [0], "x": [[1.0] * 3]}]),
        None,
        None,
    )
    drained(samples)
    assert samples.length == 5
    assert samples.y.tolist() == [1, 2, 3, 4, 0]
    assert samples.key.tolist() == ["a", "b", "c", "d", "ee"]


def test_an_empty_batch_is_nothing():
    samples = Batches([(np.ones((0, 3)), []), (ONES, [1.0, 2, 3, 4])])
    assert len(drained(samples)) == 1
    assert samples.length == 4


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([object()]), "x: found dtype object, expected bool, integers, or floats of up to 64 bits"),
        (np.ones(3, complex), "found dtype complex128"),
        (np.array(["a"]), "found dtype <U1"),
        (np.ones(3, np.longdouble), "found dtype (float|longdouble)"),
        (np.array(["2024-01-01"], "M8[D]"), r"found dtype datetime64\[D\]"),
        (np.ones((3, 0)), r"x: found samples of shape \(0,\), expected one value or more in each"),
        (np.ones((0, 3)), "x: found no samples, expected one at least"),
        (np.float64(3), "x: found one value, expected an array with a sample in each row"),
        ([[1, 2], [3]], "x: found rows of unlike shapes .* a list of batches is given as iter"),
        (3, "x: found int, expected an array, or an iterator of batches"),
        ({}, "x: found no inputs, expected one input or more"),
        ({"a": ONES, "A": ONES}, "x: found a, A, expected one input or more, with names that differ beside case"),
        ({"a/b": ONES}, "x: found an input named 'a/b', expected a name of ASCII letters, digits"),
        ({"a": ONES, "b": np.ones((3, 2))}, "x/b: found 3 samples, expected 4 as in x/a"),
        ({"a": ONES, "b": [[1], [1, 2]]}, "x/b: found rows of unlike shapes"),
        ({"a": ONES, "b": np.array(["t"] * 4)}, "x/b: found dtype <U1"),
        ({"a": ONES, "b": 3}, "x/b: found one value, expected an array with a sample in each row"),
        ("x.npy", "x: found str"),
    ],
)
def test_what_is_no_array_of_samples(x, message):
    with pytest.raises(OptionError, match=message):
        drained(given(x, None, None))


@pytest.mark.parametrize(
    ("y", "key", "message"),
    [
        ([1, 2, 3], None, "y: found 3 targets for 4 samples, expected one each"),
        (None, list("abcde"), "key: found 5 keys for 4 samples, expected one each"),
        ({"a": [1] * 4}, None, "y: found a mapping of a, expected one array: a store holds one target a sample"),
    ],
)
def test_lengths_that_differ(y, key, message):
    with pytest.raises(OptionError, match=message):
        given(ONES, y, key)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            (np.ones((4, 2)), [1] * 4),
            r"batch 1: found samples of shape \(2,\) float64, expected \(3,\) float64 as in batch 0",
        ),
        ((ONES.astype("f4"), [1] * 4), r"batch 1: found samples of shape \(3,\) float32, expected \(3,\) float64"),
        (ONES, "batch 1: found x, expected x, y as in batch 0"),
        ((ONES, [1] * 3), "batch 1: found 3 in y for 4 samples, expected one each"),
        ((ONES, [1.5] * 4), r"batch 1: found y of shape \(\) float64, expected \(\) int64 as in batch 0"),
        ((ONES, [[1, 2]] * 4), r"batch 1: found y of shape \(2,\) int64"),
        ((ONES, [1] * 4, [2] * 4), "batch 1: found x, y, sample_weight, expected x, y as in batch 0"),
        (
            (ONES, [1] * 4, [2] * 4, [3] * 4),
            r"batch 1: found a tuple of 4, expected x, or \(x, y\), or \(x, y, sample_w",
        ),
        (({"a": ONES}, [1] * 4), "batch 1: found x/a, expected x as in batch 0"),
        (({"a": ONES, "b": ONES[:2]}, [1] * 4), "batch 1: found x/a, x/b, expected x as in batch 0"),
        ((ONES, {"a": [1] * 4}), "batch 1, y: found a mapping of a, expected one array"),
        ({"x": ONES, "label": [1] * 4}, "batch 1: found a mapping of x, label"),
        ({"y": [1]}, "batch 1: found a mapping of y"),
        ((5, [1]), "batch 1: found one value"),
        ((["a"], [1]), "batch 1: found dtype <U1"),
        ((ONES, [1j] * 4), "batch 1, y: found dtype complex128"),
    ],
)
def test_batches_that_do_not_fit(second, message):
    with pytest.raises(OptionError, match=message):
        drained(Batches([(ONES, [1, 2, 3, 4]), second]))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"a": ONES, "b": ONES[:2]}, "batch 1, x/b: found 2 samples, expected 4 as in x/a"),
        ({"a": ONES}, "batch 1: found x/a, expected x/a, x/b as in batch 0"),
        ({"a": ONES, "b": ONES[:, :2]}, r"batch 1, x/b: found samples of shape \(2,\) float64, expected \(3,\)"),
        (ONES, "batch 1: found x, expected x/a, x/b as in batch 0"),
    ],
)
def test_inputs_that_do_not_fit(second, message):
    batches = ({"x": x} for x in ({"b": ONES, "a": ONES}, second))
    with pytest.raises(OptionError, match=message):
        drained(Batches(batches))


@pytest.mark.parametrize("size", [1, 40, 1000])
def test_parts_of_several_inputs_hold_the_same_samples(size):
    x = {"b": np.arange(30.0).reshape(10, 3), "a": np.arange(10, dtype=np.uint8)}
    batch = {name: array[:7] for name, array in x.items()}, {name: array[7:] for name, array in x.items()}
    for samples in (Arrays(x, None, None), Batches({"x": one} for one in batch)):
        parts = list(samples.parts(size))
        assert samples.inputs == ("x/a", "x/b")
        assert np.array_equal(np.concatenate([part["x/b"] for part in parts]), x["b"])
        assert np.array_equal(np.concatenate([part["x/a"] for part in parts]), x["a"])
        assert all(sum(array.nbytes for array in part.values()) <= max(size, 25) for part in parts)


@pytest.mark.parametrize("batches", [[], [np.ones((0, 3))]])
def test_no_samples_in_all_batches(batches):
    with pytest.raises(OptionError, match="x: found no samples in all batches, expected one at least"):
        drained(Batches(batches))


def test_targets_beside_batches():
    with pytest.raises(OptionError, match="y, sample_weight, key: found beside batches, expected them in each batch"):
        given(iter([ONES]), [1], None)

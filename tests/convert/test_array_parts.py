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
        parts = list(samples.parts(size))
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
        ({"x": ONES}, "x: found dict"),
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
        ((ONES, [1] * 4, [2] * 4), r"batch 1: found a tuple of 3, expected x, or \(x, y\), or a mapping"),
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


@pytest.mark.parametrize("batches", [[], [np.ones((0, 3))]])
def test_no_samples_in_all_batches(batches):
    with pytest.raises(OptionError, match="x: found no samples in all batches, expected one at least"):
        drained(Batches(batches))


def test_targets_beside_batches():
    with pytest.raises(OptionError, match="y, key: found beside batches, expected them in each batch"):
        given(iter([ONES]), [1], None)

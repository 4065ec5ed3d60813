"""Targets and keys that come as arrays: classes, numbers, names, and what is neither."""

import numpy as np
import pytest

from seekless.convert.array_targets import keys_from, label_array, targets_from, weights_from
from seekless.errors import OptionError


@pytest.mark.parametrize(
    ("y", "options", "kind", "values", "count", "names"),
    [
        ([2, 0, 1], {}, "class", [2, 0, 1], 3, None),
        (np.array([2, 0], np.uint8), {}, "class", [2, 0], 3, None),
        ([True, False], {}, "class", [1, 0], 2, None),
        ([[1], [0]], {}, "class", [1, 0], 2, None),
        ([1, 0], {"class_names": ["a", "b", "c"]}, "class", [1, 0], 3, ("a", "b", "c")),
        ([1, 0], {"target_type": "number"}, "number", [1.0, 0.0], 0, None),
        ([1.0, 0.0], {"target_type": "class"}, "class", [1, 0], 2, None),
        ([1.5, 0.0], {}, "number", [1.5, 0.0], 0, None),
        ([[1.5], [0.0]], {}, "number", [1.5, 0.0], 0, None),
        ([[1, 2], [3, 4]], {}, "number", [[1.0, 2.0], [3.0, 4.0]], 0, None),
        (["b", "a", "b"], {}, "class", [1, 0, 1], 2, ("a", "b")),
        (np.array(["b", "ä"], object), {}, "class", [0, 1], 2, ("b", "ä")),
        (np.array([b"b", b"\xc3\xa4"]), {}, "class", [0, 1], 2, ("b", "ä")),
        (["b", "a"], {"class_names": ["b", "c", "a"]}, "class", [0, 2], 3, ("b", "c", "a")),
    ],
)
def test_targets(y, options, kind, values, count, names):
    targets = targets_from(label_array(y, "y"), **options)
    assert targets.kind == kind
    assert targets.values.tolist() == values
    assert targets.values.dtype == (np.int64 if kind == "class" else np.asarray(y).dtype)
    assert (targets.class_count, targets.class_names) == (count, names)


def test_no_targets():
    assert targets_from(None) is None


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([0, -1], {}, "y: found class -1, expected classes from 0 to 999999; target_type='number' takes"),
        ([0, 2_000_000], {}, "y: found class 2000000"),
        ([0, 3], {"class_names": ["a", "b"]}, "y: found class 3, expected classes from 0 to 1, one of class_names"),
        ([0.5], {"target_type": "class"}, "y: found 0.5 for a class, expected whole numbers"),
        ([np.nan], {"target_type": "class"}, "y: found nan for a class"),
        ([1.0, np.nan], {}, "y: found a target that is not a finite number"),
        ([[1, 2]], {"target_type": "class"}, r"y: found shape \(1, 2\) for classes, expected \(samples,\)"),
        (np.ones((2, 0)), {}, r"y: found shape \(2, 0\), expected \(samples,\) or \(samples, outputs\)"),
        (np.ones((2, 2, 2)), {"target_type": "class"}, r"y: found shape \(2, 2, 2\) for classes"),
        (["a"], {"target_type": "number"}, "y: found text such as 'a', expected numbers"),
        (["a", "b"], {"class_names": ["a"]}, "y: found the class 'b', expected one of class_names"),
        (["a", ""], {}, "y: found '' as number 0, expected text of one character or more"),
        ([1], {"target_type": "word"}, "target_type: found 'word', expected class or number"),
        ([1], {"class_names": "ab"}, "class_names: found 'ab', expected a list of names"),
        ([1], {"class_names": ["a", "a"]}, "class_names: found 'a' twice, expected each once"),
        ([1], {"class_names": ["a", ["b"]]}, r"class_names: found \['b'\] as number 1, expected text"),
        ([1.5], {"class_names": ["a"]}, "class_names: found for targets that are numbers"),
    ],
)
def test_targets_that_cannot_be_used(y, options, message):
    with pytest.raises(OptionError, match=message):
        targets_from(label_array(y, "y"), **options)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([object()]), "y: found dtype object, expected integers, floats of up to 64 bits, or text"),
        ([1j], "y: found dtype complex128"),
        ([b"\xff"], r"y: found bytes that are not UTF-8 \(invalid start byte\), expected text"),
        (np.array([b"\xff", "a"], object), r"y: found bytes that are not UTF-8"),
        (np.array(["a", None], object), "y: found dtype object"),
        (5, "y: found one value, expected one for each sample"),
        ([[1], [1, 2]], "y: found rows of unlike lengths"),
    ],
)
def test_labels_that_are_none(y, message):
    with pytest.raises(OptionError, match=message):
        label_array(y, "y")


def test_keys():
    assert keys_from(None, 11)[:2] == ["00", "01"]
    assert keys_from(None, 1) == ["0"]
    assert keys_from(label_array([30, 4], "key"), 2) == ["30", "4"]
    assert keys_from(label_array(["a/b", "ä"], "key"), 2) == ["a/b", "ä"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (["a", "b", "a"], "key: found 'a' twice, expected each once"),
        (["a", ""], "key: found '' as number 1, expected text"),
        (["a\0b"], "key: found .* as number 0"),
        (["\udcff"], "key: found .* as number 0"),
        ([1.5], r"key: found float64 of shape \(1,\), expected one text, or one whole number, a sample"),
        ([["a"]], r"key: found <U1 of shape \(1, 1\)"),
    ],
)
def test_keys_that_cannot_be_used(key, message):
    with pytest.raises(OptionError, match=message):
        keys_from(label_array(key, "key"), len(key))


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"])
@pytest.mark.parametrize("shape", [(6, 3), (6, 2, 2)])
def test_several_values_a_sample_keep_their_dtype(dtype, shape):
    y = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    targets = targets_from(label_array(y, "y"))
    assert targets.kind == "number"
    assert targets.values.dtype == y.dtype.newbyteorder("<")
    assert np.array_equal(targets.values, y)


@pytest.mark.parametrize(
    ("weights", "dtype"),
    [([1, 2], "f8"), (np.float32([1, -2]), "f4"), (np.ones((2, 1), "f2"), "f8"), ([True, 0], "f8")],
)
def test_weights(weights, dtype):
    found = weights_from(label_array(weights, "sample_weight"), np.arange(2))
    assert found.dtype == dtype
    assert found.tolist() == np.asarray(weights, dtype).reshape(2).tolist()
    assert weights_from(None, None) is None


@pytest.mark.parametrize(
    ("weights", "y", "message"),
    [
        ([1, 2], None, "sample_weight: found without y, expected the targets"),
        ([1, np.inf], [1, 2], "sample_weight: found a weight that is not a finite number"),
        (["a", "b"], [1, 2], r"sample_weight: found <U1 of shape \(2,\), expected one number a sample"),
        ([[1, 2], [3, 4]], [1, 2], r"sample_weight: found int64 of shape \(2, 2\), expected one number a sample"),
    ],
)
def test_weights_that_cannot_be_used(weights, y, message):
    with pytest.raises(OptionError, match=message):
        weights_from(label_array(weights, "sample_weight"), None if y is None else np.array(y))

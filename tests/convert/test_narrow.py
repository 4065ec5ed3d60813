"""Narrowing is proved on every value: what the shortcuts say is what trying everything says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.convert.narrow import _IMPLIES, candidates, proved, smallest

LOGICAL = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def tried(values: np.ndarray) -> int:
    """Try every encoding on all values, without a shortcut."""
    return sum(1 << bit for bit, encoding in enumerate(candidates(values.dtype)) if encoding.gives_back(values))


def name(values) -> str:
    """The encoding that is chosen for values."""
    return str(candidates(values.dtype)[smallest(proved(values))])


def each(encoding, values: np.ndarray) -> np.ndarray:
    """Whether each value alone comes back."""
    with np.errstate(all="ignore"):
        back = encoding.decode(encoding.encode(values))
    bits = f"u{values.dtype.itemsize}"
    return back.view(bits) == values.view(bits)


@pytest.mark.parametrize("logical", LOGICAL)
def test_what_implies_another_does_so_for_every_stored_value(logical):
    """All values that 8 or 16 bits can mean, NaNs of every payload among them."""
    encodings = {(one.dtype.name, one.divisor): one for one in candidates(np.dtype(logical))[:-1]}
    for form, encoding in encodings.items():
        if form not in _IMPLIES:
            continue
        size = encoding.dtype.itemsize
        with np.errstate(all="ignore"):
            values = encoding.decode(np.arange(256**size, dtype=f"u{size}").view(encoding.dtype))
        held = each(encoding, values)
        assert held.all()
        for other in _IMPLIES[form] & encodings.keys():
            assert each(encodings[other], values[held]).all(), f"{form} does not imply {other}"


def test_what_is_implied_is_tried_later():
    order = [(one.dtype.name, one.divisor) for one in candidates(np.dtype("f8"))]
    assert all(order.index(form) < order.index(other) for form, others in _IMPLIES.items() for other in others)


POOL = [
    *(0.0, -0.0, 1.0, -1.0, 255.0, 256.0, -128.0, -129.0, 127.0, 65535.0, 65536.0, 32767.0, -32768.0, 0.5, 1 / 3),
    *(1 / 255, 254 / 255, 1 / 65535, 65534 / 65535, 2049.0, 65504.0, 1e-8, 5e-324, 1e300, 2.0**24 + 1),
    *(float("nan"), float("inf"), -float("inf")),
]
INTEGERS = [0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]


@given(values=st.lists(st.sampled_from(POOL), min_size=1, max_size=4), logical=st.sampled_from(["f2", "f4", "f8"]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_proved_is_what_trying_everything_says_of_floats(values, logical):
    with np.errstate(over="ignore"):
        array = np.array(values, logical)
    assert proved(array) == tried(array)


@given(
    values=st.lists(st.sampled_from(INTEGERS) | st.sampled_from(INTEGERS).map(int.__neg__), min_size=1, max_size=4),
    logical=st.sampled_from(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_proved_is_what_trying_everything_says_of_integers(values, logical):
    bounds = np.iinfo(logical)
    array = np.array([min(max(value, bounds.min), bounds.max) for value in values], logical)
    assert proved(array) == tried(array)


@pytest.mark.parametrize("logical", ["f2", "f4", "f8", "i4", "u8"])
@pytest.mark.parametrize("seed", range(5))
def test_proved_is_what_trying_everything_says_of_random_bits(logical, seed):
    random = np.random.default_rng(seed)
    bits = random.integers(0, 256, (50, np.dtype(logical).itemsize), np.uint8)
    assert proved(bits.view(logical)) == tried(bits.view(logical).reshape(-1))


@pytest.mark.parametrize("odd", [0.5, -0.0, 256.0, 1 / 3, float("nan")], ids=str)
@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 5000])
def test_one_odd_value_anywhere_counts(size, odd):
    """A few values are tried first, to save the time for the others: no other may slip through."""
    for at in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        values = np.ones(size)
        values[at] = odd
        assert proved(values) == tried(values)
        assert name(values) != "uint8"
    assert name(np.ones(size)) == "uint8"


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        (np.arange(256.0), "uint8"),
        (np.array([-1.0, 1.0]), "int8"),
        (np.arange(256) / 255, "uint8 / 255"),
        ((np.arange(256) / 255).astype("f4"), "uint8 / 255"),
        (np.arange(300.0), "uint16"),
        (np.array([-300.0, 2.0]), "int16"),
        (np.arange(65536) / 65535, "uint16 / 65535"),
        (np.array([0.5, 1.0, 2.0]), "float16"),
        (np.array([0.1], "f4").astype("f8"), "float32"),
        (np.array([0.1]), "float64"),
        (np.array([0.1], "f4"), "float32"),
        (np.array([0.0, -0.0]), "float16"),
        (np.array([float("nan")]), "float16"),
        (np.array([1e5 + 1]), "float32"),
        (np.array([2.0**53 - 1]), "float64"),
        (np.array([5e-324]), "float64"),
        (np.array([2**40]), "int64"),
        (np.array([-5, 100]), "int8"),
        (np.array([True]), "bool"),
        (np.array([0, 65535], "u2"), "uint16"),
        (np.array([0, 2**32 - 1], "u4"), "uint32"),
        (np.array([2**64 - 1], "u8"), "uint64"),
        (np.array([2**64 - 1, 0], "u8") >> np.uint64(48), "uint16"),
        (np.array([], "f8"), "uint8"),
        (np.array(7.0), "uint8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_smallest_is_chosen(values, chosen):
    assert name(values) == chosen


@pytest.mark.parametrize("logical", LOGICAL)
def test_candidates_are_smaller_and_the_last_is_the_dtype_itself(logical):
    dtype = np.dtype(logical)
    tries = candidates(dtype)
    sizes = [one.dtype.itemsize for one in tries]
    assert (tries[-1].dtype, tries[-1].divisor) == (dtype, 1)
    assert sizes == sorted(sizes)
    assert all(size < dtype.itemsize for size in sizes[:-1])
    assert {one.logical_dtype for one in tries} == {dtype}
    assert len(set(tries)) == len(tries)
    if dtype.kind == "u":  # 65535 as -1 would come back, but another program would read -1
        assert {one.dtype.kind for one in tries} == {"u"}
    if dtype.kind in "iu":
        assert {one.divisor for one in tries} == {1}


def test_all_of_a_source_is_held_by_the_bits_of_all_runs():
    runs = [np.array([0.0, 1.0]), np.array([254 / 255]), np.array([300 / 65535])]
    assert [name(run) for run in runs] == ["uint8", "uint8 / 255", "uint16 / 65535"]
    mask = -1
    for run in runs:
        mask &= proved(run)
    assert (
        candidates(np.dtype("f8"))[smallest(mask)] == candidates(np.dtype("f8"))[smallest(proved(np.concatenate(runs)))]
    )


def test_memory_order_does_not_matter():
    values = np.arange(24.0).reshape(4, 6)
    values[3, 5] = 0.1
    for view in (values.T, values[::-1, ::2], values[:, 1::2], values[3:]):
        assert proved(view) == tried(view.copy())

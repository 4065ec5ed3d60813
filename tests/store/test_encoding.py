"""An encoding gives a value back where a stored value means it, and nowhere else."""

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seekless.store.encoding import Encoding

SMALL = ["u1", "i1", "u2", "i2", "f2"]
QUIET_NAN, SIGNALLING_NAN, ODD_NAN = 0x7FF8 << 48, (0x7FF0 << 48) + 1, (0xFFF8 << 48) + 0xABC
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1 / 255,
    128 / 255,
    255.0,
    255.5,
    256.0,
    -128.0,
    -129.0,
    32768.0,
    65535.0,
    65536.0,
]
SPECIAL += [
    5e-324,
    2.2e-308,
    6e-8,
    1e-45,
    65504.0,
    65520.0,
    3.4e38,
    1.8e308,
    float("inf"),
    float("-inf"),
    2.0**53,
    1e-300,
]
BITS = [struct.unpack("<Q", struct.pack("<d", value))[0] for value in SPECIAL] + [QUIET_NAN, SIGNALLING_NAN, ODD_NAN]


def encoding(stored, logical="f8", divisor=1) -> Encoding:
    return Encoding(np.dtype(stored), np.dtype(logical), divisor)


def every(stored):
    """All values of a stored dtype of one or two bytes."""
    size = np.dtype(stored).itemsize
    return np.arange(256**size, dtype=f"u{size}").view(stored)


def meant(stored: str, divisor: int) -> set[int]:
    """The bits of every float64 that a stored value means, by Python's own division, which rounds correctly."""
    return {struct.unpack("<Q", struct.pack("<d", value / divisor))[0] for value in every(stored).tolist()}


# NaNs are left out: Python does not promise their bits on the way through struct.
MEANT = {(stored, 1): meant(stored, 1) for stored in SMALL}
MEANT |= {("u1", 255): meant("u1", 255), ("u2", 65535): meant("u2", 65535)}

halves = st.integers(0, 0xFFFF).map(lambda half: np.array(half, "u2").view("f2").astype("f8").view("u8").item())
fractions = st.builds(
    lambda k, n: np.float64(k / n).view("u8").item(), st.integers(0, 65535), st.sampled_from([255, 65535])
)
near = st.builds(lambda bits, step: (bits + step) % 2**64, fractions | halves, st.sampled_from([-1, 1]))
bit_patterns = st.integers(0, 2**64 - 1) | st.sampled_from(BITS) | halves | fractions | near


@given(bits=bit_patterns)
@settings(max_examples=400, deadline=None, derandomize=True)
@pytest.mark.parametrize(("stored", "divisor"), MEANT, ids=str)
def test_a_value_comes_back_where_a_stored_value_means_it(stored, divisor, bits):
    value = np.array([bits], "u8").view("f8")
    if np.isnan(value[0]):
        return  # held by test_not_a_number_keeps_its_bits_or_is_refused
    assert encoding(stored, divisor=divisor).gives_back(value) == (bits in MEANT[stored, divisor])


@given(bits=bit_patterns)
@example(bits=QUIET_NAN)
@example(bits=ODD_NAN)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_float32_holds_what_python_packs_into_four_bytes(bits):
    value = np.array([bits], "u8").view("f8")
    if np.isnan(value[0]):
        expected = bits & (2**29 - 1) == 0 and bits & 1 << 51  # quiet, and no payload below what float32 has
    else:
        try:
            expected = struct.pack("<d", struct.unpack("<f", struct.pack("<f", value[0]))[0]) == value.tobytes()
        except OverflowError:
            expected = False
    if np.isnan(value[0]) and not bits & 1 << 51:
        return  # a signalling NaN: each processor in its own way
    assert encoding("f4").gives_back(value) == bool(expected)


@pytest.mark.parametrize("bits", [QUIET_NAN, SIGNALLING_NAN, ODD_NAN, QUIET_NAN + (1 << 30)], ids=hex)
@pytest.mark.parametrize("stored", [*SMALL, "f4"])
def test_not_a_number_keeps_its_bits_or_is_refused(stored, bits):
    value, tried = np.array([bits], "u8").view("f8"), encoding(stored)
    with np.errstate(invalid="ignore"):
        back = tried.decode(tried.encode(value))
    assert tried.gives_back(value) == (back.view("u8")[0] == bits)
    if np.dtype(stored).kind != "f":
        assert not tried.gives_back(value)


@pytest.mark.parametrize(("stored", "divisor"), [("u1", 255), ("u2", 65535)])
@pytest.mark.parametrize("logical", ["f4", "f8"])
def test_every_fraction_comes_back_from_one_division(stored, divisor, logical):
    real = np.dtype(logical).type
    values = np.array([real(k) / real(divisor) for k in range(divisor + 1)])
    tried = encoding(stored, logical, divisor)
    assert tried.encode(values).tolist() == list(range(divisor + 1))
    assert tried.decode(np.arange(divisor + 1, dtype=stored)).tobytes() == values.tobytes()
    assert tried.gives_back(values)


def test_multiplying_instead_would_lose_bits():
    values = np.arange(256, dtype="f4") / np.float32(255)
    assert (values != np.arange(256, dtype="f4") * (np.float32(1) / np.float32(255))).sum() == 126


@pytest.mark.parametrize("logical", ["f4", "f8", "i4", "i8"])
@pytest.mark.parametrize("stored", ["u1", "i1", "u2", "i2"])
def test_every_stored_integer_comes_back(stored, logical):
    values = every(stored).astype(logical)
    assert encoding(stored, logical).gives_back(values)
    assert encoding(stored, logical).encode(values).tobytes() == every(stored).tobytes()


@pytest.mark.parametrize(
    ("stored", "logical", "value"),
    [
        ("u1", "i8", 256),
        ("u1", "i8", -1),
        ("i1", "i8", 128),
        ("u2", "i8", 2**16),
        ("u2", "i8", 2**32 + 5),
        ("u1", "i8", -(2**63)),
        ("u1", "u8", 2**64 - 1),
        ("u2", "u4", 2**31),
        ("u1", "f8", 2.0**53),
        ("u2", "f8", 1e18),
        ("f4", "f8", 2.0**53 - 1),
        ("f2", "f4", 2049.0),
    ],
)
def test_a_large_number_is_not_narrowed(stored, logical, value):
    assert not encoding(stored, logical).gives_back(np.array([1, value], logical))


@pytest.mark.parametrize(("stored", "divisor"), [("u1", 1), ("i1", 1), ("u1", 255), ("u2", 65535)])
def test_negative_zero_is_not_zero(stored, divisor):
    assert encoding(stored, divisor=divisor).gives_back(np.array([0.0, 1.0]))
    assert not encoding(stored, divisor=divisor).gives_back(np.array([-0.0, 1.0]))


def test_one_bad_value_among_many_is_enough():
    values = np.zeros(10_001)
    assert encoding("u1").gives_back(values)
    values[-1] = 0.1
    assert not encoding("u1").gives_back(values)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 1, 3), (2, 0, 3), (2, 2, 2, 2)], ids=str)
@pytest.mark.parametrize(("stored", "divisor"), [("u1", 1), ("u1", 255), ("f4", 1), ("f8", 1)])
def test_any_shape(stored, divisor, shape):
    values = np.ones(shape)
    tried = encoding(stored, divisor=divisor)
    assert tried.gives_back(values)
    assert tried.encode(values).shape == tried.decode(tried.encode(values)).shape == shape


def test_memory_order_does_not_matter():
    values = np.arange(24.0).reshape(4, 6)
    for view in (values.T, values[::2, ::-3]):
        assert encoding("u1").gives_back(view)
        assert (encoding("u1").encode(view) == view).all()
    values[0, 0] = 0.5
    assert not encoding("u1").gives_back(values.T)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300, 1e300])
def test_what_cannot_be_stored_warns_nobody(value):
    assert not encoding("u1", divisor=255).gives_back(np.array([value]))


def test_the_dtype_itself_copies_nothing():
    values = np.ones(3)
    assert encoding("f8").encode(values) is values
    assert encoding("f8").decode(values) is values


@pytest.mark.parametrize(("divisor", "text"), [(1, "uint8"), (255, "uint8 / 255")])
def test_as_text(divisor, text):
    assert str(encoding("u1", divisor=divisor)) == text

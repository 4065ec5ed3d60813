"""A stored dtype that is asked for holds every value, or the first that it does not is named; or it rounds."""

import math

import h5py
import numpy as np
import pytest

import seekless
from seekless.convert.compare import compare
from seekless.convert.options import Options
from seekless.convert.wanted import DTYPES, Tried, choose, try_encodings, wanted_encodings
from seekless.errors import OptionError
from seekless.store.encoding import Encoding

F8, U1, U2, I8 = (np.dtype(name) for name in ("<f8", "u1", "<u2", "<i8"))


def keys(count):
    return [f"train/{number:03d}.csv" for number in range(count)]


def chosen(values, dtype, *, lossy=False):
    values = np.asarray(values)
    encodings = wanted_encodings(dtype, values.dtype)
    tried = try_encodings(values, np.arange(len(values)), encodings)
    return choose(encodings, tried, keys(len(values)), lossy=lossy)


def stored(values, dtype, *, lossy=False):
    return chosen(values, dtype, lossy=lossy).encode(np.asarray(values))


K255 = np.arange(256) / 255
HOLD = {
    "k / 255": (K255, "uint8", "uint8 / 255"),
    "whole numbers": ([0.0, 255.0], "uint8", "uint8"),
    "negative ones": ([-128.0, 127.0], "int8", "int8"),
    "k / 65535": (np.arange(65536) / 65535, "uint16", "uint16 / 65535"),
    "k / 255 in more": (K255, "uint16", "uint16 / 65535"),
    "sixteen bits": ([-32768.0, 32767.0], "int16", "int16"),
    "halves": ([0.5, -0.0, 65504.0, 6e-8 * 0], "float16", "float16"),
    "nan and infinity": ([math.nan, math.inf, -math.inf], "float16", "float16"),
    "singles": ([np.float64(np.float32(0.1)), -0.0], "float32", "float32"),
    "doubles": ([0.1, 5e-324], "float64", "float64"),
    "pictures as they are": (np.arange(256, dtype=U1), "uint8", "uint8"),
    "pictures in more": (np.arange(256, dtype=U1), "int16", "int16"),
    "pictures in singles": (np.array([65535], U2), "float32", "float32"),
    "dark pictures in less": (np.array([127, 0], U2), "int8", "int8"),
}


@pytest.mark.parametrize(("values", "dtype", "expected"), HOLD.values(), ids=HOLD)
@pytest.mark.parametrize("lossy", [False, True])
def test_what_holds_every_value(values, dtype, expected, lossy):
    """--lossy changes nothing then."""
    values = np.asarray(values)
    encoding = chosen(values, dtype, lossy=lossy)
    assert str(encoding) == expected
    assert encoding.dtype == np.dtype(dtype)
    assert encoding.decode(encoding.encode(values)).tobytes() == values.tobytes()
    if encoding.divisor == 1:  # other programs see the same numbers, too
        assert np.array_equal(encoding.encode(values).astype(values.dtype), values, equal_nan=values.dtype.kind == "f")


BIT = r"expected every value to come back bit for bit; take --dtype auto, or give --lossy to keep the nearest values"
LOST = {
    "not k / 255": (
        [*K255, 0.3],
        "uint8",
        rf"0\.3 in train/256\.csv, which comes back from uint8 / 255 as 0\.29.*, {BIT}",
    ),
    "a half": ([1.0, 1.5], "uint8", rf"1\.5 in train/001\.csv, which comes back from uint8 as 2\.0, {BIT}"),
    "minus zero": ([1.0, -0.0], "uint8", rf"-0\.0 in train/001\.csv, which comes back from uint8 .*as 0\.0, {BIT}"),
    "nan": ([1.0, math.nan], "int16", r"nan in train/001\.csv, "),
    "infinity": ([1.0, math.inf], "int16", r"inf in train/001\.csv, expected values of -32768 to 32767, which this"),
    "too large": (
        [1.0, 256.0],
        "uint8",
        r"256\.0 in train/001\.csv, expected values of 0 to 255, which this dtype can",
    ),
    "negative": (
        [1.0, -1.0],
        "uint16",
        r"-1\.0 in train/001\.csv, expected values of 0 to 65535, which this dtype can",
    ),
    "a tenth": ([0.5, 0.1], "float16", rf"0\.1 in train/001\.csv, which comes back from float16 as 0\.09997\d*, {BIT}"),
    "beyond halves": (
        [65520.0],
        "float16",
        r"65520\.0 in train/000\.csv, expected values of -65504\.0 to 65504\.0, which",
    ),
    "beyond singles": (
        [1e39],
        "float32",
        r"1e\+39 in train/000\.csv, expected values of -3\.4\d*e\+38 to 3\.4\d*e\+38",
    ),
    "fine doubles": (
        [0.1],
        "float32",
        rf"0\.1 in train/000\.csv, which comes back from float32 as 0\.10000000149\d*, {BIT}",
    ),
    "wraps around": (
        np.array([1, 200], U1),
        "int8",
        r"200 in train/001\.csv, expected values of -128 to 127, which this dtype can hold",
    ),
    "wraps around twice": (
        np.array([40000], U2),
        "int16",
        r"40000 in train/000\.csv, expected values of -32768 to 32767",
    ),
    "bright pictures": (np.array([3, 300], U2), "uint8", r"300 in train/001\.csv, expected values of 0 to 255"),
    "fine integers": (
        np.array([2049], U2),
        "float16",
        rf"2049 in train/000\.csv, which comes back from float16 as 2048, {BIT}",
    ),
}


@pytest.mark.parametrize(("values", "dtype", "message"), LOST.values(), ids=LOST)
def test_the_first_value_lost_is_named(values, dtype, message):
    with pytest.raises(OptionError, match=rf"^--dtype {dtype}: found the value {message}"):
        chosen(values, dtype)


NEAREST = {
    "tenths in bytes": ([0.1, 0.9, 1.0], "uint8", [26, 230, 255]),
    "halves in bytes": ([1.5, 200.4, 2.5], "uint8", [2, 200, 2]),
    "tenths in two bytes": ([0.1], "uint16", [6554]),
    "minus zero": ([-0.0, 1.0], "uint8", [0, 255]),
    "near minus zero": ([-0.001, 1.0], "uint8", [0, 255]),
    "doubles in singles": ([0.1], "float32", [np.float32(0.1)]),
    "small ones": ([1e-300], "float16", [0.0]),
    "integers in halves": (np.array([2049], U2), "float16", [2048.0]),
}


@pytest.mark.parametrize(("values", "dtype", "expected"), NEAREST.values(), ids=NEAREST)
def test_with_loss_the_nearest_are_kept(values, dtype, expected):
    assert stored(values, dtype, lossy=True).tolist() == expected
    with pytest.raises(OptionError, match="bit for bit"):
        chosen(values, dtype)


UNFIT = {
    "nan": ([0.5, math.nan], "uint8", "nan in train/001.csv, expected values of 0 to 255"),
    "infinity": ([math.inf], "uint16", "inf in train/000.csv, expected values of 0 to 65535"),
    "too large": ([0.5, 300], "uint8", "300.0 in train/001.csv, expected values of 0 to 255"),
    "far too large": ([1e308], "uint16", "1e.308 in train/000.csv, expected values of 0 to 65535"),
    "negative": ([0.5, -2], "uint8", "-2.0 in train/001.csv, expected values of 0 to 255"),
    "beyond halves": ([0.1, 70000], "float16", "70000.0 in train/001.csv, expected values of -65504.0 to 65504.0"),
    "pictures beyond halves": (np.array([65535], U2), "float16", "65535 in train/000.csv, expected values of -65504.0"),
    "wraps around": (np.array([200], U1), "int8", "200 in train/000.csv, expected values of -128 to 127"),
}


@pytest.mark.parametrize(("values", "dtype", "message"), UNFIT.values(), ids=UNFIT)
def test_what_has_no_nearest_value_is_an_error_with_loss_too(values, dtype, message):
    with pytest.raises(OptionError, match=rf"^--dtype {dtype} --lossy: found the value {message}"):
        chosen(values, dtype, lossy=True)


@pytest.mark.parametrize("parts", [1, 2, 7, 50])
def test_the_first_by_key_is_named_however_the_samples_are_dealt(parts):
    values = np.arange(50, dtype=float)[:, None] * np.ones(3)
    values[[13, 30, 44], [2, 0, 1]] = 0.1, 0.2, 0.3
    encodings = wanted_encodings("uint8", F8)
    order = np.random.default_rng(parts).permutation(50)
    tried = tuple(Tried() for _ in encodings)
    for part in np.array_split(order, parts):
        found = try_encodings(values[part], part, encodings)
        tried = tuple(one + other for one, other in zip(tried, found, strict=True))
    with pytest.raises(OptionError, match=r"found the value 0\.1 in train/013\.csv"):
        choose(encodings, tried, keys(50), lossy=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("logical", [F8, U1, U2])
def test_the_ways_to_store(dtype, logical):
    ways = wanted_encodings(dtype, logical)
    assert ways[0] == Encoding(np.dtype(dtype), logical)
    more = {"uint8": [255], "uint16": [65535]}.get(dtype, []) if logical == F8 else []
    assert [way.divisor for way in ways] == [1, *more]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("lossy", [False, True])
def test_an_error_leaves_nothing_behind(write_source, tmp_path, workers, lossy):
    samples = {f"{number:03d}": np.full((2, 3), number / 255) for number in range(120)}
    samples["071"] = np.array([[0, 0, 0], [0, -7.0, 0.1234]])
    samples["101"] = np.full((2, 3), -9.0)
    root = write_source(samples)
    before = sorted(tmp_path.iterdir())
    given = " --lossy" if lossy else ""
    with pytest.raises(OptionError, match=rf"^--dtype uint8{given}: found the value -7\.0 in train/071\.csv"):
        seekless.pack(root, tmp_path / "data.h5", dtype="uint8", lossy=lossy, workers=workers, progress=False)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["h5", "npy.d"])
def test_a_store_with_loss(write_source, tmp_path, kind):
    random = np.random.default_rng(4)
    samples = {f"{number:03d}": random.random((3, 2)) for number in range(40)}
    root, path = write_source(samples), tmp_path / f"data.{kind}"
    summary = seekless.pack(root, path, dtype="uint8", lossy=True, workers=0, progress=False)
    assert "uint8 / 255 (as asked for, with loss: the nearest to each float64 value)" in str(summary)
    store = seekless.open(path)
    for key, (x, _) in zip(store.keys, store, strict=True):
        value = samples[key.removeprefix("train/").removesuffix(".csv")]
        assert x.dtype == np.float64
        assert x.tobytes() == (np.rint(value * 255) / 255).tobytes()
    assert store.header.options["lossy"] is True
    assert store.header.options["dtype"] == "uint8"


def test_a_store_with_loss_is_compared_as_it_was_rounded(write_source, tmp_path):
    random = np.random.default_rng(4)
    root = write_source({f"{number:03d}": random.random((3, 2)) for number in range(40)})
    path = tmp_path / "data.h5"
    seekless.pack(root, path, dtype="float16", lossy=True, workers=0, progress=False)
    same = compare(seekless.open(path), root, workers=0)
    assert same.equal
    assert str(same) == f"{path}: all 40 samples are those of {root}, rounded to float16 as --lossy had it"
    np.savetxt(root / "train" / "007.csv", np.full((3, 2), 0.25))
    np.savetxt(root / "train" / "009.csv", np.full((3, 2), 1e9))
    other = compare(seekless.open(path), root, workers=0)
    lines = str(other).splitlines()
    assert lines[0] == f"{path}: found another content than that of {root}, rounded to float16"
    assert lines[1] == "  different: 2 of 40 in both"
    assert lines[2].startswith("    train/007.csv: found 0.")
    assert lines[2].endswith(" at (0, 0), expected 0.25, and 5 more")
    assert lines[3].endswith(" at (0, 0), expected inf, and 5 more")


def test_a_dtype_that_is_asked_for_without_loss_is_compared_bit_for_bit(write_source, tmp_path):
    root = write_source({f"{number:03d}": np.full((2, 2), number / 255) for number in range(20)})
    seekless.pack(root, tmp_path / "data.h5", dtype="uint16", workers=0, progress=False)
    same = compare(seekless.open(tmp_path / "data.h5"), root, workers=0)
    assert str(same).endswith("bit for bit")
    with h5py.File(tmp_path / "data.h5") as file:
        assert file["x"].dtype == np.uint16
        assert file["x"].attrs["divisor"] == 65535


def test_loss_must_be_asked_for_with_a_dtype():
    with pytest.raises(OptionError, match=r"--lossy: found no --dtype beside it, expected the dtype to store"):
        Options(lossy=True)
    with pytest.raises(OptionError, match=r"--dtype: found 'int32', expected one of auto, uint8, int8, uint16, int16"):
        Options(dtype="int32")

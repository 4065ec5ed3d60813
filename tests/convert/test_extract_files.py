"""One sample as a file: every bit comes back from it, and its name is its key's."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.convert.extract_files import csv_bytes, file_names, natural_shape, packed, png_bytes
from seekless.errors import ConvertError
from seekless.source.csv import CSVDecoder
from seekless.source.image import ImageDecoder

BITS = st.integers(0, 2**64 - 1)


@given(bits=st.lists(BITS, min_size=1, max_size=12), columns=st.integers(1, 4))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_float_comes_back_bit_for_bit(bits, columns):
    values = np.array(bits, np.uint64).view(np.float64)
    values = np.where(np.isfinite(values), values, -0.0)
    sample = np.resize(values, (len(bits), columns))
    assert CSVDecoder(shape=sample.shape)(csv_bytes(sample)).tobytes() == sample.tobytes()


@pytest.mark.parametrize("shape", [(5,), (2, 3), (1, 4), (4, 1)])
def test_text_is_that_of_savetxt(shape):
    sample = np.random.default_rng(0).normal(size=shape)
    file = io.BytesIO()
    np.savetxt(file, sample)
    assert csv_bytes(sample) == file.getvalue()


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (1, 4), (4, 1), (1, 1), (2, 3, 4), (1, 3, 2), (2, 1, 1)])
def test_natural_shape_is_what_the_decoder_gives(shape):
    sample = np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)
    assert CSVDecoder()(csv_bytes(sample)).shape == natural_shape(shape)
    if shape:
        assert np.array_equal(CSVDecoder(shape=shape)(csv_bytes(sample)), sample)


def test_whole_numbers_are_whole_numbers():
    assert csv_bytes(np.array([[1, -2], [2**63 - 1, 0]])) == b"1 -2\n9223372036854775807 0\n"
    assert csv_bytes(np.array([True, False])) == b"1\n0\n"


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 5), "u1"), ((4, 5, 1), "u1"), ((4, 5, 3), "u1"), ((4, 5, 4), "u1"), ((4, 5), "u2"), ((4, 5, 1), "u2")],
)
def test_pixels_come_back(shape, dtype):
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    decoded = ImageDecoder()(png_bytes(pixels))
    assert decoded.dtype == pixels.dtype
    assert np.array_equal(decoded, np.atleast_3d(pixels))


def test_gzip_by_name_and_without_a_time_stamp():
    assert packed("a.csv", b"1\n") == b"1\n"
    assert packed("a.csv.gz", b"1\n")[4:8] == bytes(4)


@pytest.mark.parametrize(
    ("suffix", "keys", "names"),
    [
        (".csv", ["a.csv", "b/c.txt", "d.csv.gz", "e.TSV"], ["a.csv", "b/c.txt", "d.csv.gz", "e.TSV"]),
        (".csv", ["7", "a.b", "t.csv#3", "p.tif"], ["7.csv", "a.b.csv", "t.csv#3.csv", "p.csv"]),
        (".png", ["a.jpg", "b.PNG", "c", "d.csv"], ["a.png", "b.PNG", "c.png", "d.png"]),
        (".png", ["a.jpg", "a.png", "b.gif"], ["a.jpg.png", "a.png", "b.gif.png"]),
        (".png", ["a.jpg", "a.bmp"], ["a.jpg.png", "a.bmp.png"]),
        (".png", ["ä/日.jpg"], ["ä/日.png"]),
    ],
)
def test_names(suffix, keys, names):
    assert file_names(keys, suffix) == names


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a.jpg", "a.png", "a.jpg.png"], "found the keys 'a.jpg' and 'a.jpg.png', both for the file a.jpg.png"),
        (["a.png", "a.png/b.png"], "found the keys 'a.png' and 'a.png/b.png', the first a file and the second in"),
        (["a/../b.png"], "found the key 'a/../b.png', which is no path inside a folder"),
        (["target.csv"], "found the key 'target.csv', which is the file of the targets"),
        (["a\0.png"], "which is no path inside a folder"),
    ],
)
def test_names_that_cannot_be(keys, message):
    with pytest.raises(ConvertError, match=message):
        file_names(keys, ".png")

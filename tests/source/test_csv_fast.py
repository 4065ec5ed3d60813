"""The fast ways to read text: what they take is taken right, what is not theirs is declined."""

import numpy as np
import pytest
from kit.tables import AS_LOADTXT, PIXELS, assert_same, loadtxt, savetxt

from seekless.source.csv import CSVDecoder
from seekless.source.csv_pixels import decode_pixels
from seekless.source.csv_regular import MAX_BYTES, decode_regular

PICTURES = {
    "k / 255": PIXELS / 255.0,
    "k / 255 in float32": PIXELS.astype(np.float32) / np.float32(255),
    "k": PIXELS,
    "all levels": np.arange(256).reshape(4, 64) / 255.0,
    "one row": PIXELS[:1] / 255.0,
    "one column": PIXELS[:, :1] / 255.0,
    "one pixel": PIXELS[:1, :1] / 255.0,
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_looked_up(name):
    data = savetxt(PICTURES[name])
    values = decode_pixels(data)
    assert_same(values.squeeze(), loadtxt(data))
    assert values.shape == PICTURES[name].shape
    assert_same(CSVDecoder()(data), loadtxt(data))


def test_a_picture_with_any_other_byte_is_not_looked_up():
    data = savetxt(PIXELS[:2, :2] / 255.0)
    assert decode_pixels(data) is not None
    for position in range(len(data)):
        for byte in (0, 10, *b" 019e+-,"):
            other = data[:position] + bytes([byte]) + data[position + 1 :]
            values = decode_pixels(other)
            if values is not None:
                assert_same(values.squeeze(), loadtxt(other))


ONE, HALF = b"1.000000000000000000e+00", b"5.000000000000000000e-01"
NO_PICTURES = {
    "empty": b"",
    "a number that no level has": ONE + b" " + HALF + b"\n",
    "no newline at the end": ONE,
    "space at the end": ONE + b" ",
    "comma": ONE + b"," + ONE + b"\n",
    "tab": ONE + b"\t" + ONE + b"\n",
    "blank line": ONE + b"\n" + b"\n" * 25,
    "ragged": ONE + b" " + ONE + b"\n" + ONE + b"\n",
    "ragged, as long": ONE + b" " + ONE + b"\n" + ONE + b"\n" + ONE + b" ",
    "zero bytes": b"\0" * 24 + b"\n",
    "zero bytes after a number": ONE + b" " + b"\0" * 24 + b"\n",
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_not_looked_up(name):
    assert decode_pixels(NO_PICTURES[name]) is None


REGULAR_ALSO = (
    *(
        "savetxt",
        "savetxt, comma",
        "savetxt, semicolon",
        "savetxt, tab",
        "savetxt, %d",
        "CR LF",
        "CR LF without the last",
    ),
    *("comma and space", "semicolon and space", "one line", "one column", "one value", "one real value"),
)

# name: (the file, the delimiter of the decoder)
REGULAR = {
    **{name: (data, None) for name, (data, _) in AS_LOADTXT.items() if name in REGULAR_ALSO},
    "delimiter": (b"1.5,2.5\n", ","),
    "delimiter whitespace, spaces": (b"1.5 2.5\n", "whitespace"),
    "delimiter whitespace, tabs": (b"1.5\t2.5\n", "whitespace"),
    "a delimiter that is not there": (b"1.5\n2.5\n", "|"),
    "points in some": (b"1,2.5\n3,4.5\n", None),
    "points here and there": (b"1,2.5\n3.5,-4\n-0.0,1e-05\n", None),
    "signs and points": (b"-0.0,-1.5\n-2.5,1.0e-05\n", None),
}


@pytest.mark.parametrize("name", REGULAR)
def test_regular_text_is_read_the_fast_way(name):
    data, delimiter = REGULAR[name]
    mark = b",;\t".translate(None, bytes(set(b",;\t") - set(data))).decode()
    assert_same(decode_regular(data, delimiter).squeeze(), loadtxt(data, mark or None))


# name: (the file, the delimiter of the decoder)
IRREGULAR = {
    "empty": (b"", None),
    "header": (b"a,b\n1,2\n", None),
    "comment": (b"1,2#\n", None),
    "blank line": (b"1\n\n2\n", None),
    "two spaces": (b"1  2\n", None),
    "spaces at the ends": (b" 1 2 \n", None),
    "trailing comma": (b"1,2,\n", None),
    "ragged": (b"1,2\n3\n", None),
    "ragged, as many": (b"1,2,3\n4\n", None),
    "another delimiter": (b"1,2\n", ";"),
    "another delimiter than whitespace": (b"1 2\n", "\t"),
    "whitespace wanted": (b"1,2\n", "whitespace"),
    "two delimiters": (b"1,2;3\n", None),
    "a space for a comma": (b"1,2 3, 4\n", None),
    "minus zero, which JSON takes for zero": (b"-0,1\n", None),
    "minus zero among reals": (b"-0,1.5\n", None),
    "minus zero at the end": (b"1.5,2\n1,-0", None),
    "minus zero and a space": (b"1, -0 , 2\n", None),
    "leading zero": (b"01,2\n", None),
    "leading plus": (b"+1,2\n", None),
    "no digit before the point": (b".5,1.5\n", None),
    "no digit after the point": (b"5.,1.5\n", None),
    "infinite": (b"1e400,2\n", None),
    "nan": (b"nan,1\n", None),
    "true": (b"true,1\n", None),
    "an array": (b"[1],[2]\n", None),
    "quotes": (b'"1","2"\n', None),
    "a lone CR": (b"1,2\r3,4\n", None),
    "a lone CR after a comma": (b"1,\r2\n", None),
    "zero byte": (b"1,2\0\n", None),
    "too large": (b"1\n" * (MAX_BYTES // 2 + 1), None),
}


@pytest.mark.parametrize("name", IRREGULAR)
def test_irregular_text_is_left_to_loadtxt(name):
    assert decode_regular(*IRREGULAR[name]) is None


def test_large_text_is_read_too():
    data, _ = IRREGULAR["too large"]
    assert_same(CSVDecoder()(data), np.ones(len(data) // 2))

"""Tables of numbers as text, what np.loadtxt makes of them, and when two answers are the same bit for bit."""

import io
import warnings

import numpy as np


def loadtxt(data, delimiter=None, skip_rows=0, columns=None):
    """Read as `np.loadtxt(path)` does, with universal newlines; None where it refuses or finds nothing."""
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            values = np.loadtxt(list(lines), delimiter=delimiter, skiprows=skip_rows, usecols=columns)
        except ValueError:
            return None
    return values if values.size else None


def assert_same(values, expected):
    assert values.dtype == expected.dtype == np.float64
    assert values.shape == expected.shape
    # NaNs have more than one bit pattern; text gives only one of each sign
    np.testing.assert_array_equal(values.reshape(-1).view(np.uint64), expected.reshape(-1).view(np.uint64))


def savetxt(values, **options):
    out = io.BytesIO()
    np.savetxt(out, values, **options)
    return out.getvalue()


RANDOM = np.random.default_rng(3)
FLOATS = RANDOM.standard_normal((5, 4))
PIXELS = RANDOM.integers(0, 256, (28, 28), np.uint8)

# name: (the file, the delimiter for np.loadtxt)
AS_LOADTXT = {
    "savetxt": (savetxt(FLOATS), None),
    "savetxt, comma": (savetxt(FLOATS, delimiter=","), ","),
    "savetxt, semicolon": (savetxt(FLOATS, delimiter=";"), ";"),
    "savetxt, tab": (savetxt(FLOATS, delimiter="\t"), "\t"),
    "savetxt, %g": (savetxt(FLOATS * 1e-7, fmt="%g"), None),
    "savetxt, %d": (savetxt(PIXELS, fmt="%d", delimiter=","), ","),
    "savetxt, aligned": (savetxt(FLOATS, fmt="%12.3f"), None),
    "savetxt, header": (savetxt(FLOATS, header="a b c d"), None),
    "integers of both signs": (b"-1,0,1\n2,-0,-3\n", ","),
    "CR LF": (b"1.5,2\r\n3,4\r\n", ","),
    "CR LF without the last": (b"1.5 2.5\r\n3.5 4.5", None),
    "CR": (b"1,2\r3,4\r", ","),
    "CR after a comma": (b"1,2\n3,\r4\n", ","),
    "mixed ends": (b"1,2\r3,4\r\n5,6\n7,8", ","),
    "no newline at the end": (b"1 2\n3 4", None),
    "comments": (b"# a\n1,2 # b\n#\n3,4#c", ","),
    "blank lines": (b"\n1,2\n\n\n3,4\n\n", ","),
    "spaces around": (b"  1 ,2\n3,  4  \n", ","),
    "comma and space": (b"1.5, 2.5\n3.5, 4.5\n", ","),
    "semicolon and space": (b"1.5; 2.5\n3.5; 4.5\n", ";"),
    "runs of whitespace": (b" 1   2\t3\n4 5 6  \n", None),
    "tabs, later spaces": (b"1\t2\n3  4\n", None),
    "tabs and spaces": (b"1 \t 2\n3 \t 4\n", None),
    "a space that is no ASCII": ("1\u00a02\u20283\n".encode(), None),
    "one line": (b"1 2 3\n", None),
    "one column": (b"1\n2\n3\n", None),
    "one value": (b"5", None),
    "one real value": (b"5.0\n", None),
    "a comment that is not ASCII": ("# größe\n1 2\n".encode(), None),
}

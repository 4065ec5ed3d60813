"""Laws of the CSV decoder, on whatever hypothesis thinks of."""

import gzip

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kit.tables import assert_same, loadtxt

from seekless.errors import DecodeError
from seekless.source.csv import CSVDecoder
from seekless.source.csv_faults import first_fault
from seekless.source.csv_regular import decode_regular
from seekless.source.csv_text import NumberTable

DELIMITERS = {None: " ", "whitespace": " ", ",": ",", ";": ";", "tab": "\t", " ": " ", "|": "|"}


@st.composite
def decoders(draw):
    decimal = draw(st.sampled_from("..,"))
    return CSVDecoder(
        delimiter=draw(st.sampled_from([name for name in (*DELIMITERS, "_", "\x0b", "\udc80") if name != decimal])),
        decimal=decimal,
        skip_rows=draw(st.sampled_from((0, 0, 0, 1, 2))),
        columns=draw(st.sampled_from((None, None, None, (0,), (1, -1), (5,)))),
        shape=draw(st.sampled_from((None, None, (1,), (2, 2)))),
        allow_nan=draw(st.booleans()),
    )


PLAIN_SCRAPS = """
    1 -0 0.5 -2.5e-3 1e400 5e-324 nan -inf a 0x1 1_0 +1 .5 5. 007 , , ; # | _ ' " "" 1,5 1.5;2 "1.5" "a,b"
    0.000000000000000000e+00 1.000000000000000000e+00
"""
SCRAPS = [
    *PLAIN_SCRAPS.split(),
    " ",
    " ",
    "\t",
    "\n",
    "\n",
    "\n",
    "\r",
    "\r\n",
    "\u00a0",
    "\x1c",
    "\u2028",
    "\ufeff",
    "\xe9",
    "\0",
]
NEAR_CSV = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join).map(str.encode)
TABLES = st.lists(
    st.lists(st.floats(width=64) | st.integers(-(10**20), 10**20), min_size=3, max_size=3), min_size=1, max_size=4
)


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=200) | NEAR_CSV | NEAR_CSV.map(gzip.compress), decoder=decoders())
@example(data=b"1e400\x1c", decoder=CSVDecoder(delimiter=","))
@example(data=b'""', decoder=CSVDecoder(delimiter=","))
@example(data=b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", decoder=CSVDecoder())
@example(data=b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\xff", decoder=CSVDecoder())
def test_a_decoder_answers_or_raises_its_own_error(data, decoder):
    try:
        values = decoder(data)
    except DecodeError as error:
        str(error).encode()  # no lone surrogate: the message can be written anywhere
    else:
        assert values.dtype == np.float64
        assert values.size
        assert decoder.shape in (None, values.shape)
        assert decoder.allow_nan or np.isfinite(values).all()


# Without quotes, which loadtxt takes for text, so that a quoted comma splits a column that is not kept.
UNQUOTED = NEAR_CSV.filter(lambda data: b"\0" not in data and b'"' not in data and not data.startswith(b"\xef\xbb\xbf"))


@settings(max_examples=400, deadline=None)
@given(
    data=UNQUOTED,
    delimiter=st.sampled_from(list(DELIMITERS)[1:]),
    skip_rows=st.sampled_from((0, 0, 1)),
    columns=st.sampled_from((None, None, (0,), (1, -1))),
)
@example(data=b"1 2\n3 4", delimiter="whitespace", skip_rows=0, columns=None)
@example(data=b"1\t\t2", delimiter="tab", skip_rows=0, columns=(0, 2))
def test_what_loadtxt_reads_is_read_alike(data, delimiter, skip_rows, columns):
    mark = None if delimiter == "whitespace" else DELIMITERS[delimiter]
    expected = loadtxt(data, mark, skip_rows, columns)
    decoder = CSVDecoder(delimiter=delimiter, skip_rows=skip_rows, columns=columns, allow_nan=True)
    if expected is not None:
        assert_same(decoder(data), expected)


@settings(max_examples=400, deadline=None)
@given(data=UNQUOTED)
@example(data=b"1\t\t2")
@example(data=b"1\t2\n3 4")
@example(data="1\t2\u00a03".encode())
def test_the_delimiter_found_is_one_that_loadtxt_reads(data):
    readings = [loadtxt(data, mark) for mark in (",", ";", "\t", None)]
    readings = [values for values in readings if values is not None]
    try:
        values = CSVDecoder(allow_nan=True)(data)
    except DecodeError as error:
        # Between two tabs a value is missing, which loadtxt by default does not see.
        assert not readings or (b"\t" in data and error.found.startswith("an empty value"))  # noqa: PT017
    else:
        for expected in readings:
            assert_same(values, expected)


@settings(deadline=None)
@given(
    rows=TABLES, name=st.sampled_from((None, ",", ";", "tab")), form=st.sampled_from(("%.18e", "%.17g", "%r", "%.3f"))
)
def test_written_numbers_come_back_whatever_the_dialect(rows, name, form):
    mark = DELIMITERS[name]
    text = "\n".join(mark.join(form % x if form != "%r" else repr(x) for x in row) for row in rows)
    expected = loadtxt(text.encode(), None if mark == " " else mark)
    assert_same(CSVDecoder(allow_nan=True)(text.encode()), expected)
    assert_same(CSVDecoder(allow_nan=True)(f"a{mark}b{mark}c\n{text}\n".encode()), expected)
    quoted = "\n".join(mark.join(f'"{cell}"' for cell in line.split(mark)) for line in text.split("\n"))
    assert_same(CSVDecoder(allow_nan=True)(quoted.encode()), expected)
    if name != ",":
        assert_same(CSVDecoder(allow_nan=True, decimal=",")(text.replace(".", ",").encode()), expected)


@settings(deadline=None)
@given(
    bits=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50),
    digits=st.integers(15, 40),
    nudge=st.sampled_from((0, 1, -1)),
)
def test_the_fast_way_rounds_as_strtod(bits, digits, nudge):
    """Texts of doubles and of the points halfway between two, where rounding is hardest."""
    values = np.array(bits, np.uint64).view(np.float64)
    values = values[np.isfinite(values)]
    texts = [f"{x:.{digits}e}" for x in values.tolist()]
    with np.errstate(all="ignore"):
        halfway = values.astype(np.longdouble) + np.spacing(values).astype(np.longdouble) * (0.5 + nudge * 1e-3)
    texts += [np.format_float_scientific(x, unique=False, precision=digits) for x in halfway if np.isfinite(x)]
    data = "\n".join(texts).encode()
    if texts:
        fast = decode_regular(data, None)
        expected = np.array([float(text) for text in texts])
        if fast is None:
            assert not np.isfinite(expected).all()
        else:
            assert_same(fast.reshape(-1), expected)


def test_a_fault_in_a_table_has_a_name_without_a_file():
    table = NumberTable(["1 2", "3 x"], 7, "whitespace", None, ".")
    assert str(first_fault(table)) == "found text 'x' in line 8, column 2, expected a number"

"""The CSV decoder: the values of `np.loadtxt` bit for bit, every dialect, plain words for what is no table."""

import gzip
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from kit.tables import AS_LOADTXT, PIXELS, assert_same, loadtxt, savetxt

from seekless.errors import DecodeError, OptionError
from seekless.source import csv as csv_room
from seekless.source.csv import CSV_SUFFIXES, CSVDecoder
from seekless.source.csv_text import is_number


@pytest.mark.parametrize("name", AS_LOADTXT)
def test_values_are_those_of_loadtxt(name):
    data, delimiter = AS_LOADTXT[name]
    expected = loadtxt(data, delimiter)
    if expected is None:
        with pytest.raises(DecodeError):
            CSVDecoder()(data)
    else:
        assert_same(CSVDecoder()(data), expected)
        assert_same(CSVDecoder(delimiter=delimiter or "whitespace")(data), expected)
        assert_same(CSVDecoder()(gzip.compress(data)), expected)


def test_only_one_of_these_files_is_refused_by_loadtxt():
    assert [name for name, case in AS_LOADTXT.items() if loadtxt(*case) is None] == ["CR after a comma"]


PLAIN_NUMBERS = """
    0 -0 +1 007 -007 .5 5. -.5 +5. -0.0 0.0 1E5 1e+05 1e-05 00.5 1.e5 -0e0 0e99999999999999999999
    9007199254740993 -9007199254740993 18446744073709551617 1e99999999999999999999 1e-99999999999999999999
    1.7976931348623157e308 1.7976931348623159e308 1e400 -1e400 1e-400 5e-324 2.4e-324 2.5e-324
    2.2250738585072014e-308 2.2250738585072011e-308 nan NaN -nan inf -INF Infinity infinit nan(1) 0x10 0x1p3
    1_000 1d5 1e 1e+ --1 +-1 1+ 1j 1.5f 1.2.3 . - e5 True true null None [1] {} 1:2 `1`
"""
NUMBERS = [*PLAIN_NUMBERS.split(), "1" * 300, "1" * 400, "0." + "3" * 400, "0." + "0" * 400 + "1e400"]
NUMBERS += ["\uff11", "1\u0663", "\u0131nf", "\u202f1", "\u00b9"]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_what_loadtxt_takes_for_one(text):
    expected = loadtxt(text.encode())
    assert is_number(text) == (expected is not None)
    for data in (text, f"{text},0.5\n", f"1,{text}\n", f"1.5;{text};2\n1;2;{text}"):
        delimiter = "," if "," in data else ";" if ";" in data else None
        expected = loadtxt(data.encode(), delimiter)
        if expected is None:
            with pytest.raises(DecodeError, match=r"^found text '"):
                CSVDecoder(allow_nan=True)(data.encode())
        else:
            assert_same(CSVDecoder(allow_nan=True)(data.encode()), expected)


# name: (the file, options, the values)
WIDER = {
    "a header": (b"a,b\n1,2\n3,4\n", {}, [[1, 2], [3, 4]]),
    "a header after comments and blank lines": (b"# c\n\na b\n\n1 2\n", {}, [1, 2]),
    "a header of other width": (b"My data\n1,2\n", {}, [1, 2]),
    "a header with numbers in its names": (b"pixel 0,pixel 1\n1,2\n", {}, [1, 2]),
    "a header with numbers in its names, tabs": (b"pixel 0\tpixel 1\n1\t2\n", {}, [1, 2]),
    "a quoted header": (b'"a, b","c"\n1,2\n', {}, [1, 2]),
    "a header that is not UTF-8": (b"Gr\xf6\xdfe;b\n1;2\n", {}, [1, 2]),
    "a header after --skip-rows": (b"1 2 3\na,b\n1,2\n", {"skip_rows": 1}, [1, 2]),
    "a header among columns that are kept": (b"1,a\nx,5\ny,6\n", {"columns": (1,)}, [5, 6]),
    "quoted numbers": (b'"1.5","2"\n3,"4"\n', {}, [[1.5, 2], [3, 4]]),
    "quoted numbers and spaces": (b' "1.5", "2" \n', {}, [1.5, 2]),
    "quoted numbers, whitespace": (b'"1.5"  "2"\n3 " 4 "\n', {}, [[1.5, 2], [3, 4]]),
    "quoted numbers, comment": (b'"1.5","2" # "a, b"\n', {}, [1.5, 2]),
    "a quoted text is one cell": (b'"a, b",1\n"c",2\n', {"columns": (1,)}, [1, 2]),
    "quotes in a quoted text": (b'"a ""b, c"" d",1\n', {"columns": (1,)}, 1),
    "a quoted text is one word": (b'"a b" 1\n', {"columns": (1,)}, 1),
    "an empty quoted text is a word": (b'"" 1\n', {"columns": (1,)}, 1),
    "a byte order mark": (b"\xef\xbb\xbf1,2\n", {}, [1, 2]),
    "a byte order mark and a header": (b"\xef\xbb\xbfa,b\n1,2\n", {}, [1, 2]),
    "lines of spaces": (b"1,2\n   \n  # c\n3,4\n", {}, [[1, 2], [3, 4]]),
    "decimal comma": (b"1,5;2\n-3,25e-1;4\n", {"decimal": ","}, [[1.5, 2], [-0.325, 4]]),
    "decimal comma, whitespace": (b"1,5 2,5\n", {"decimal": ","}, [1.5, 2.5]),
    "decimal comma, tab": (b"1,5\t2,5\n", {"decimal": ","}, [1.5, 2.5]),
    "decimal comma, quoted": (b'"1,5";"2,5"\n', {"decimal": ","}, [1.5, 2.5]),
    "decimal comma, only integers": (b"1;2\n", {"decimal": ","}, [1, 2]),
    "delimiter": (b"1|2\n3|4\n", {"delimiter": "|"}, [[1, 2], [3, 4]]),
    "delimiter tab by name": (b"1\t2\n", {"delimiter": "tab"}, [1, 2]),
    "delimiter tab as typed": (b"1\t2\n", {"delimiter": r"\t"}, [1, 2]),
    "delimiter whitespace": (b"\t1\t\t2\t\n", {"delimiter": "whitespace"}, [1, 2]),
    "delimiter space, quoted": (b'"1" "2"\n', {"delimiter": " "}, [1, 2]),
    "columns": (b"1,2,3\n4,5,6\n", {"columns": (2, 0)}, [[3, 1], [6, 4]]),
    "columns from the end": (b"1,2,3\n4,5,6\n", {"columns": (-1,)}, [3, 6]),
    "columns of ragged rows": (b"1,2,3\n4,5\n", {"columns": (0, -1)}, [[1, 3], [4, 5]]),
    "columns beside text with spaces": (b"1\ta\t2\n3\tb c\t4\n", {"columns": (0, 2)}, [[1, 2], [3, 4]]),
    "columns beside text with semicolons": (b"a; b,1\nc,2\n", {"columns": (1,)}, [1, 2]),
    "columns that leave the empty last one out": (b"1,2,\n3,4,\n", {"columns": (0, 1)}, [[1, 2], [3, 4]]),
    "skip_rows": (b"1 x\n2 3\n", {"skip_rows": 1}, [2, 3]),
    "shape": (b"1,2\n3,4\n", {"shape": (4,)}, [1, 2, 3, 4]),
    "shape with an axis of 1": (b"1,2\n3,4\n", {"shape": (2, 2, 1)}, [[[1], [2]], [[3], [4]]]),
    "shape of one value": (b"5\n", {"shape": (1,)}, [5]),
    "NaN allowed": (b"1,nan\n-inf,2\n", {"allow_nan": True}, [[1, np.nan], [-np.inf, 2]]),
}


@pytest.mark.parametrize("name", WIDER)
def test_wider_dialects(name):
    data, options, expected = WIDER[name]
    assert_same(CSVDecoder(**options)(data), np.array(expected, np.float64))


NUMBER, ROWS = "a number", "rows of numbers"
COMMA = "a number; a decimal comma needs --decimal ,"
VALUE = "a number; --columns can leave a column out"
SPACES = "a number; --delimiter whitespace takes runs of spaces"
KEPT = "the columns of --columns {} (the first is 0)"
FINITE = "finite numbers; --allow-nan takes nan and infinities"
ZERO = "bytes that are no text (a zero byte at offset"

# name: (the file, options, found, expected)
BAD = {
    "empty": (b"", {}, "an empty file", ROWS),
    "only a byte order mark": (b"\xef\xbb\xbf", {}, "an empty file", ROWS),
    "only comments": (b"# a\n\n  \n", {}, "no line of numbers", ROWS),
    "too many skipped": (b"1\n2\n", {"skip_rows": 5}, "no line of numbers after the 5 of --skip-rows", ROWS),
    "text": (b"1,2,3\n4,5,6\n7,abc,9\n", {}, "text 'abc' in line 3, column 2", NUMBER),
    "text, lines counted": (b"a b\n# c\n\n1 x\n", {}, "text 'x' in line 4, column 2", NUMBER),
    "two headers": (b"a,b\nc,d\n1,2\n", {}, "text 'c' in line 2, column 1", NUMBER),
    "no numbers": (b"a,b\nc,d\n", {}, "text 'a' in line 1, column 1", NUMBER),
    "HTML": (b"<!DOCTYPE html>\n<p>404</p>", {}, "text '<!DOCTYPE' in line 1, column 1", NUMBER),
    "long text": (b"x" * 31, {}, f"text '{'x' * 27}...' in line 1, column 1", NUMBER),
    "control characters": (b"1 \x1b[0m", {}, r"text '\x1b[0m' in line 1, column 2", NUMBER),
    "half quoted": (b'"1"2,3\n', {}, "text '\"1\"2' in line 1, column 1", NUMBER),
    "open quote": (b'"1,2\n3,4\n', {}, "text '\"1' in line 1, column 1", NUMBER),
    "a delimiter in quotes": (b'",5",2\n', {}, "text '_5' in line 1, column 1", NUMBER),
    "an underscore in quotes": (b'"1_2"_3\n', {"delimiter": "_"}, "text '1?2' in line 1, column 1", NUMBER),
    "two words in quotes": (b'"1 2" 3\n', {}, "text '1_2' in line 1, column 1", NUMBER),
    "another delimiter": (b"1,2\n", {"delimiter": ";"}, "text '1,2' in line 1, column 1", COMMA),
    "another delimiter, spaces": (b"1.5 2.5\n", {"delimiter": ","}, "text '1.5 2.5' in line 1, column 1", NUMBER),
    "decimal commas": (b"1,5;2,5\n", {}, "text '5;2' in line 1, column 2", COMMA),
    "decimal point": (b"1.5;2\n", {"decimal": ","}, "text '1.5' in line 1, column 1", NUMBER),
    "thousands": (b"1.000,5;2\n", {"decimal": ","}, "text '1.000,5' in line 1, column 1", NUMBER),
    "empty value": (b"1,,3\n", {}, "an empty value in line 1, column 2", VALUE),
    "empty value between tabs": (b"1\t\t3\n", {}, "an empty value in line 1, column 2", VALUE),
    "empty last value": (b"1,2\n3,4,\n", {}, "an empty value in line 2, column 3", VALUE),
    "runs of spaces": (b"1  2\n", {"delimiter": " "}, "an empty value in line 1, column 2", SPACES),
    "ragged": (b"# c\n1 2 3\n4 5 6\n7 8\n", {}, "2 values in line 4", "3 as in line 2"),
    "ragged to one": (b"1,2\n3\n", {}, "1 value in line 2", "2 as in line 1"),
    "no such column": (b"1,2,3\n4,5\n", {"columns": (0, 2)}, "2 values in line 2", KEPT.format("0,2")),
    "no such column from the end": (b"1,2\n", {"columns": (-3,)}, "2 values in line 1", KEPT.format("-3")),
    "NaN": (b"a,b\n1,2\n3,nan\n", {}, "'nan' in line 3, column 2", FINITE),
    "infinity": (b"1,2\n-Inf,4\n", {}, "'-Inf' in line 2, column 1", FINITE),
    "too large": (b"1 1e400\n", {}, "'1e400' in line 1, column 2", FINITE),
    "NaN in a kept column": (b"nan,1\n2,nan\n", {"columns": (1,)}, "'nan' in line 2, column 2", FINITE),
    "too large with a comma": (b"1,5e400\n", {"decimal": ","}, "'1,5e400' in line 1, column 1", FINITE),
    "wrong count": (b"1,2,3\n", {"shape": (2, 2)}, "3 values", "4 (--shape 2,2)"),
    "zero bytes": (b"1 2\n\x00\x00", {}, f"{ZERO} 4)", "numbers as text"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", {}, f"{ZERO} 8)", "numbers as text"),
    "UTF-16": ("1,2\n".encode("utf-16-le"), {}, f"{ZERO} 1)", "numbers as text"),
    "UTF-16 with its mark": (b"\xff\xfe1\x00", {}, "UTF-16 text", "UTF-8 text; save the file as UTF-8"),
    "UTF-16, the other end first": (b"\xfe\xff\x001", {}, "UTF-16 text", "UTF-8 text; save the file as UTF-8"),
    "Latin-1 among numbers": (b"1,2\n3,\xe4\n", {}, "bytes that are not UTF-8 text in line 2, column 2", NUMBER),
    "truncated gzip": (gzip.compress(b"1 2\n" * 99)[:-9], {}, "a gzip file that ends too soon", "a whole one"),
    "only the magic of gzip": (b"\x1f\x8b", {}, "a gzip file that ends too soon", "a whole one"),
    "gzip of nothing": (gzip.compress(b""), {}, "an empty file", ROWS),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_in_plain_words(name):
    data, options, found, expected = BAD[name]
    with pytest.raises(DecodeError, match=f"^{re.escape(f'found {found}, expected {expected}')}$") as raised:
        CSVDecoder(**options)(data)
    assert (raised.value.found, raised.value.expected) == (found, expected)


def test_a_damaged_gzip_file_is_refused():
    data = bytearray(gzip.compress(b"1 2\n"))
    data[-5] ^= 1
    with pytest.raises(DecodeError, match=r"^found a damaged gzip file \(CRC check failed .*\), expected a whole one$"):
        CSVDecoder()(bytes(data))
    with pytest.raises(DecodeError, match=r"^found a damaged gzip file \(Error -3 while decompressing data: .*\)"):
        CSVDecoder()(data[:10] + b"\xff" * 20)


def test_several_gzip_members_are_one_text():
    assert_same(CSVDecoder()(gzip.compress(b"1 2\n") + gzip.compress(b"3 4\n")), np.array([[1.0, 2], [3, 4]]))


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(csv_room, "MAX_TEXT", 1 << 20)
    monkeypatch.setattr(csv_room, "CHUNK", 1 << 16)
    assert CSVDecoder()(gzip.compress(b"1\n" * (1 << 19))).shape == (1 << 19,)
    with pytest.raises(
        DecodeError, match=r"^found a gzip file of more than 1 MiB of text, expected one small file a sample$"
    ):
        CSVDecoder()(gzip.compress(b"1\n" * (1 << 19) + b"1"))


def test_a_table_that_is_refused_for_no_reason_found_is_still_an_answer(monkeypatch):
    def refuse(*_args, **_options):
        raise ValueError

    monkeypatch.setattr(np, "loadtxt", refuse)
    with pytest.raises(
        DecodeError, match=r"^found text that is no table of numbers, expected rows of equally many numbers$"
    ):
        CSVDecoder()(b"+1 2\n")


ONE_CHARACTER = "expected one character that is in no number, such as ',' or ';', or tab, or whitespace"
COLUMNS, SIZES = "expected numbers of columns such as 0,1,-1", "such as 28,28,1"

# name: (options, the message)
BAD_OPTIONS = {
    **{
        f"delimiter {delimiter!r}": ({"delimiter": delimiter}, f"--delimiter: found {delimiter!r}, {ONE_CHARACTER}")
        for delimiter in (",,", "", "1", "e", "-", "+", ".", "\n", "\r", "\0", "#", '"', "semicolon")
    },
    "delimiter that is the decimal": (
        {"delimiter": ",", "decimal": ","},
        "--delimiter: found ',', which --decimal says is in numbers, expected another",
    ),
    "decimal": ({"decimal": ";"}, "--decimal: found ';', expected . or ,"),
    "skip_rows below 0": ({"skip_rows": -1}, "--skip-rows: found -1, expected a number of lines, 0 or more"),
    "half a row": ({"skip_rows": 1.5}, "--skip-rows: found 1.5, expected a number of lines, 0 or more"),
    "no columns": ({"columns": ()}, f"--columns: found (), {COLUMNS}"),
    "columns that are no integers": ({"columns": ("a",)}, f"--columns: found ('a',), {COLUMNS}"),
    "columns that are one number": ({"columns": 1}, f"--columns: found 1, {COLUMNS}"),
    "a column beyond all": ({"columns": (2**31,)}, f"--columns: found (2147483648,), {COLUMNS}"),
    "no shape": ({"shape": ()}, f"--shape: found (), expected sizes {SIZES}"),
    "a size of 0": ({"shape": (28, 0)}, f"--shape: found the size 0, expected sizes of 1 or more {SIZES}"),
    "sizes that are no integers": ({"shape": (2.0, 2)}, f"--shape: found (2.0, 2), expected sizes {SIZES}"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_check_themselves(name):
    options, message = BAD_OPTIONS[name]
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        CSVDecoder(**options)


def test_a_decoder_is_a_value():
    decoder = CSVDecoder(delimiter=";", columns=[0, 1], shape=[2, 1], allow_nan=True)
    assert pickle.loads(pickle.dumps(decoder)) == decoder
    assert hash(decoder) == hash(CSVDecoder(delimiter=";", columns=(0, 1), shape=(2, 1), allow_nan=True))
    assert CSVDecoder().scale_for(np.dtype(np.float64)) == 1
    with pytest.raises(FrozenInstanceError):
        decoder.delimiter = ","


def test_suffixes():
    assert sorted(CSV_SUFFIXES) == [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"]


def test_a_picture_under_another_delimiter_is_refused():
    with pytest.raises(
        DecodeError, match=r"^found text '0\.0{18}e\+00 0\.{4}' in line 1, column 1, expected a number$"
    ):
        CSVDecoder(delimiter=",")(savetxt(np.zeros((2, 2))))


def test_values_can_be_written_to():
    for data in (savetxt(PIXELS / 255), b"1.5 2.5\n3 4\n", b"+1 2\n"):
        values = CSVDecoder()(data)
        values += 1
        assert_same(values, loadtxt(data) + 1)

"""From its first lines: a table's delimiter, its header, and which columns are target and sample."""

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.errors import DecodeError, OptionError, SourceError
from seekless.source import table_dialect
from seekless.source.csv import CSVDecoder
from seekless.source.table_dialect import Dialect, find_dialect, is_row


@pytest.fixture
def find(tmp_path):
    """Return a function that writes a table and finds its dialect, for a target column `label` by default."""

    def call(text, *targets, **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return find_dialect(path, CSVDecoder(**options), targets or ("label",))

    return call


@pytest.mark.parametrize(
    ("text", "options", "delimiter"),
    [
        ("label,a\n1,2\n", {}, ","),
        ("label\ta\n1\t2\n", {}, "\t"),
        ("label;a\n1;2\n", {}, ";"),
        ("label a\n1 2\n", {}, "whitespace"),
        ("label   a  \n1 2\n", {}, "whitespace"),
        ("label\ta, b\n1\t2\n", {}, "\t"),
        ("label,a;b\n1,2\n", {}, ","),
        ('"a; b, c";label\n1;2\n', {}, ";"),
        ("label;a # cats, dogs\n1;2\n", {}, ";"),
        ("label;a\n1,5;2,5\n", {"decimal": ","}, ";"),
        ("label;a,b\n1,5;2,5\n", {"decimal": ","}, ";"),
        ("label a,b\n1,5 2,5\n", {"decimal": ","}, "whitespace"),
        ("label|a,b\n1|2,5\n", {"delimiter": "|"}, "|"),
        ("label\ta\n1\t2\n", {"delimiter": "tab"}, "\t"),
        ("label, a\n1, 2\n", {"delimiter": ","}, ","),
    ],
)
def test_the_delimiter(find, text, options, delimiter):
    dialect, _ = find(text, **options)
    assert (dialect.delimiter, dialect.width, len(dialect.targets)) == (delimiter, 2, 1)


@pytest.mark.parametrize(
    ("text", "targets", "header"),
    [
        ("label,a,b\n1,2,3\n", ["label"], True),
        ("label,a,b\n1,2,3\n", ["0"], True),
        ("1,2,3\n1,2,3\n", ["0"], False),
        ("cat,2,3\ndog,2,3\n", ["0"], False),
        ("cat,x,y\n1,2,3\n", ["0"], True),
        ("label,0,1\n7,2,3\n", ["label"], True),
        ("label,5,6\n7,2,3\n", ["0"], True),
        ("0,1,label\n2,3,7\n", ["-1"], True),
        ("label,0,1\ncat,2,3\n", ["label"], True),
        ("cat,0,1\ndog,2,3\n", ["0"], False),
        ("cat,0,0\n7,2,3\n", ["0"], False),
        ("label,0,1\n", ["0"], False),
        ("label,0,1\n7\n", ["2"], False),
        ("label,0,1\n7,2,3\n", ["-3"], True),
        ("label,a,b\n# mine\n\n1,2,3\n", ["label"], True),
        ("cat;2,5\ndog;3,5\n", ["0"], False),
        ('"label","a"\n"1","2"\n', ["label"], True),
        (" label , a \n1,2\n", ["label"], True),
    ],
    ids=[
        "words",
        "words, by number",
        "numbers",
        "word classes",
        "words over numbers",
        "named by numbers",
        "named by numbers, by number",
        "named by numbers, from the end",
        "named by numbers over words",
        "words over words",
        "not all names differ",
        "nothing below",
        "too little below",
        "named by numbers, the first from the end",
        "comments below",
        "decimal commas",
        "quoted",
        "spaces",
    ],
)
def test_the_header(find, text, targets, header):
    dialect, names = find(text, *targets, decimal="," if ";" in text else ".")
    assert dialect.begin == (len(text.split("\n")[0]) + 1 if header else 0)
    assert bool(names) == header


def test_a_header_names_the_columns_of_target_and_sample(find):
    assert find('a,"b ""c""",label,d\n1,2,3,4\n')[1] == ("label", "a", 'b "c"', "d")
    assert find("a,b,label,d\n1,2,3,4\n", columns=(3, 0))[1] == ("label", "d", "a")


@pytest.mark.parametrize(
    ("begin", "skip_rows"),
    [
        ("", 0),
        ("\n\n", 0),
        ("# a table\n  # of mine\n \t\n", 0),
        ("\ufeff", 0),
        ("\ufeff# a table\n", 0),
        ("made by, a program\n2026,11\n", 2),
        ("made by, a program\n\n# then\n", 1),
        ("\r\n# a table\r\n", 0),
    ],
    ids=["nothing", "blank", "comments", "mark", "mark and comment", "skipped", "skipped and comment", "CR LF"],
)
def test_rows_begin_behind_whatever_comes_before(find, begin, skip_rows):
    data = f"{begin}label,a\n1,2\n0,3\n".encode()
    dialect, names = find(data, skip_rows=skip_rows)
    assert data[dialect.begin :] == b"1,2\n0,3\n"
    assert (dialect.width, dialect.targets, dialect.samples, names) == (2, (0,), (1,), ("label", "a"))


@pytest.mark.parametrize(
    ("targets", "columns", "expected"),
    [
        (["label"], None, ((1,), (0, 2, 3))),
        (["1"], None, ((1,), (0, 2, 3))),
        (["-1"], None, ((3,), (0, 1, 2))),
        (["c", "a"], None, ((3, 0), (1, 2))),
        (["-4"], None, ((0,), (1, 2, 3))),
        (["label"], (0, -1), ((1,), (0, 3))),
        (["label"], (-4, 3), ((1,), (0, 3))),
        (["label"], (3, 0, 3), ((1,), (3, 0, 3))),
    ],
)
def test_target_and_sample_columns(find, targets, columns, expected):
    dialect, _ = find("a,label,b,c\n1,2,3,4\n", *targets, columns=columns)
    assert (dialect.targets, dialect.samples) == expected


def test_without_targets_all_columns_are_the_samples(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    dialect, _ = find_dialect(tmp_path / "t.csv", CSVDecoder(), ())
    assert (dialect.targets, dialect.samples) == ((), (0, 1))


ERRORS = {
    "empty": ("", (), {}, SourceError, r"t\.csv: found no rows, expected a sample a row"),
    "comments": ("# a\n\n", (), {}, SourceError, r"t\.csv: found no rows"),
    "all skipped": ("1,2\n3,4\n", (), {"skip_rows": 2}, SourceError, r"t\.csv: found no rows"),
    "gzip": (b"\x1f\x8b\x08", (), {}, SourceError, r"t\.csv: found a gzip file, .*; unpack it with gunzip first"),
    "UTF-16": ("label,a\n".encode("utf-16"), (), {}, SourceError, r"found UTF-16 text, expected UTF-8 text"),
    "UTF-16, the other": (b"\xfe\xff\0a", (), {}, SourceError, r"found UTF-16 text, expected UTF-8 text"),
    "CR alone": ("label,a\r1,2\r", (), {}, SourceError, r"t\.csv: found lines that end in CR alone, expected LF or"),
    "no such name": ("a,b\n1,2\n", (), {}, SourceError, r"found no column 'label', expected one of a, b; see --target"),
    "no header": ("1,2\n3,4\n", (), {}, SourceError, r"no column 'label', expected one of 0 to 1 \(the table has no h"),
    "number too high": (
        "a,b\n1,2\n",
        ("2",),
        {},
        OptionError,
        r"--target-column: found 2, expected 0 to 1 in .*t\.csv",
    ),
    "number too low": ("a,b\n1,2\n", ("-3",), {}, OptionError, r"--target-column: found -3, expected 0 to 1"),
    "columns too high": ("1,2\n", ("0",), {"columns": (0, 2)}, OptionError, r"--columns: found 2, expected 0 to 1 in"),
    "columns too low": ("1,2\n", ("0",), {"columns": (-3,)}, OptionError, r"--columns: found -3, expected 0 to 1 in"),
    "target alone": ("label\n1\n", (), {}, SourceError, r"t\.csv: found no column beside the target's, expected the"),
    "a number and another's name": (
        "label,0,1,2\n7,1,2,3\n",
        ("0",),
        {},
        OptionError,
        r"--target-column: found 0, which may be the column 'label', by its number, or the one named '0' in .*t\.csv, "
        r"expected the name 'label' for the first, or -3 \(from the end\) for the other",
    ),
    "a name twice": (
        "label,p,label\n1,2,3\n",
        (),
        {},
        SourceError,
        r"t\.csv: found 2 columns named 'label', expected one; give --target-column its number, counted from 0",
    ),
    "a # in a name": ("C#,a\n1,2\n", ("C#",), {}, SourceError, r"t\.csv: found a # inside a value, expected values"),
    "quotes": ('"label" x,a\n1,2\n', (), {}, SourceError, r"t\.csv: found quotes that do not match \(.*\), expected"),
}


@pytest.mark.parametrize(("text", "targets", "options", "error", "message"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_told_is_refused(find, text, targets, options, error, message):
    with pytest.raises(error, match=message):
        find(text, *targets, **options)


def test_a_name_that_is_also_the_columns_number_or_no_number(find):
    assert find("0,label,2\n7,1,2\n", "0", "label")[0].targets == (0, 1)
    assert find("label,x,784\n7,1,2\n", "784", "label")[0].targets == (2, 0)
    assert find("label,p,label\n1,2,3\n", "-1")[0].targets == (2,)


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(SourceError, match=r"found a table that cannot be read \(Is a directory\)"):
        find_dialect(tmp_path, CSVDecoder(), ())
    with pytest.raises(SourceError, match=r"none\.csv: found a table that cannot be read \(No such file"):
        find_dialect(tmp_path / "none.csv", CSVDecoder(), ())


def test_a_file_without_lines_is_not_read_whole(find, monkeypatch):
    monkeypatch.setattr(table_dialect, "MAX_LINE", 1 << 20)
    with pytest.raises(SourceError, match=r"t\.csv: found a line of more than 1 MiB, expected a sample a row"):
        find(b"1,2," * (1 << 19))


def test_a_first_row_of_megabytes_is_read_whole(find):
    """A picture of 400 x 300 in color has 360,000 columns."""
    count = 360_000
    text = "label," + ",".join(f"pixel{number}" for number in range(count)) + "\n1" + ",0" * count + "\n"
    assert len(text) > 2 << 20
    dialect, names = find(text)
    assert (dialect.width, len(names), names[-1]) == (count + 1, count + 1, f"pixel{count - 1}")


DIALECT = Dialect(",", ".", 3, (2,), (0, 1), 0)

LABELS = {
    "as written": (b"1,2,cat", {}, ("cat",)),
    "CR": (b"1,2,cat\r", {}, ("cat",)),
    "spaces": (b"1,2, cat ", {}, ("cat",)),
    "comment": (b"1,2,7 # seven, I think", {}, ("7",)),
    "comment behind a tab": (b"1,2,7\t#seven", {}, ("7",)),
    "quoted": (b'1,2,"cat"', {}, ("cat",)),
    "quoted comma": (b'1,2,"cat, black"', {}, ("cat, black",)),
    "quotes elsewhere": (b'"1,5","2",cat', {}, ("cat",)),
    "space before a quote": (b'1, "2, 5", cat', {}, ("cat",)),
    "letters": ("1,2,größe".encode(), {}, ("größe",)),
    "several": (b"1,2,3", {"targets": (2, 0)}, ("3", "1")),
    "none": (b"1,2,3", {"targets": ()}, ()),
    "whitespace": (b" 1  2\tcat ", {"delimiter": "whitespace"}, ("cat",)),
    "quoted words": (b'1 2 "black cat"', {"delimiter": "whitespace"}, ("black cat",)),
    "decimal comma": (b"1;2;3,5", {"delimiter": ";", "decimal": ","}, ("3.5",)),
    "a comma in words": (b"1;2;a,b", {"delimiter": ";", "decimal": ","}, ("a,b",)),
    "a comma, decimal point": (b"1;2;3,5", {"delimiter": ";"}, ("3,5",)),
    "a delimiter of two bytes": ("1§2§cat".encode(), {"delimiter": "§"}, ("cat",)),
}


@pytest.mark.parametrize(("line", "changes", "labels"), LABELS.values(), ids=LABELS)
def test_the_labels_of_a_row(line, changes, labels):
    assert dataclasses.replace(DIALECT, **changes).labels(line) == labels


@pytest.mark.parametrize(
    ("line", "found", "expected"),
    [
        (b"1,2", "2 columns", "3 as in the table's first line"),
        (b"1", "1 column", "3 as in the table's first line"),
        (b"1,2,3,4", "4 columns", "3 as in the table's first line"),
        (b"1,2,3,", "4 columns", "3 as in the table's first line"),
        (b'1,"2,3"', "2 columns", "3 as in the table's first line"),
        (b"1,2,", "an empty target", "a class or a number"),
        (b"1,2,  ", "an empty target", "a class or a number"),
        (b'1,2,""', "an empty target", "a class or a number"),
        (b"1,2,C#", "a # inside a value", "values without #, and a space before the # of a comment"),
        (b"1,2#,C", "a # inside a value", "values without #, and a space before the # of a comment"),
        (b"1,2,#C", "an empty target", "a class or a number"),
        (b"1,2,\xe9", "a target that is not UTF-8 text", "a class or a number"),
        (
            b'1,"2"x,3',
            "quotes that do not match (',' expected after '\"')",
            'cells such as "a", with "" for a quote in one',
        ),
        (
            b'1,2,"3',
            "quotes that do not match (unexpected end of data)",
            'cells such as "a", with "" for a quote in one',
        ),
    ],
)
def test_a_row_that_is_not_like_the_first(line, found, expected):
    with pytest.raises(DecodeError) as refused:
        DIALECT.labels(line)
    assert (refused.value.found, refused.value.expected) == (found, expected)


def test_a_row_with_an_endless_quoted_cell():
    with pytest.raises(DecodeError, match="found quotes that do not match"):
        DIALECT.labels(b'1,2,"' + b"x" * 200_000 + b'"')


def test_without_targets_rows_are_as_long_as_the_first_too():
    with pytest.raises(DecodeError, match="found 4 columns, expected 3"):
        dataclasses.replace(DIALECT, targets=()).labels(b"1,2,3,4")


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b"1,2", True),
        (b"", False),
        (b"\r", False),
        (b" \t", False),
        (b"#", False),
        (b"  # 1,2", False),
        (b"# \xff", False),
        (b"1 # one", True),
        (b",", True),
        (b'""', True),
        (b"x", True),
    ],
)
def test_what_is_a_row(line, row):
    assert is_row(line) == row


@given(
    data=st.binary(max_size=80) | st.text('1.-ax,;\t \n\r"#é', max_size=80).map(str.encode),
    targets=st.sampled_from([(), ("0",), ("-1",), ("a",), ("a", "x")]),
    decimal=st.sampled_from([".", ","]),
    skip_rows=st.integers(0, 2),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_bytes_have_a_dialect_or_are_refused(data, targets, decimal, skip_rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(data)
        try:
            dialect, names = find_dialect(path, CSVDecoder(decimal=decimal, skip_rows=skip_rows), targets)
        except (SourceError, OptionError) as error:
            message = str(error)
            names = None
        if names is None:
            assert "t.csv" in message
            return
    assert 0 <= dialect.begin <= len(data)
    assert len(dialect.targets) == len(targets)
    assert sorted({*dialect.targets, *dialect.samples}) == list(range(dialect.width))

"""A labels file is read as people write them: any line ends, quotes, byte-order mark, header or none."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.csv_text import is_number
from seekless.source.labels import is_integer, read_labels, some
from seekless.source.targets import TargetOptions, typed_targets


@pytest.fixture
def read(tmp_path):
    """Return a function that reads labels from text or bytes."""

    def read(data):
        path = tmp_path / "target.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_labels(path)

    return read


@pytest.mark.parametrize(
    "text",
    [
        "a,1\nb,2\n",
        "a,1\nb,2",
        "a,1\r\nb,2\r\n",
        "a,1\rb,2\r",
        "\ufeffa,1\nb,2\n",
        '"a","1"\n"b","2"\n',
        '\ufeff"a",1\nb,2\n',
        " a , 1 \nb,\t2\n",
        "\n\na,1\n\n  \nb,2\n,\n\n",
        "a\t1\nb\t2\n",
        "a;1\nb;2\n",
    ],
    ids=[
        "plain",
        "no last newline",
        "CR LF",
        "CR",
        "BOM",
        "quoted",
        "BOM and quotes",
        "spaces",
        "blank lines",
        "tabs",
        "semicolons",
    ],
)
def test_two_columns(read, text):
    lines = read(text)
    assert lines.ids == ["a", "b"]
    assert lines.labels == [("1",), ("2",)]


def test_what_else_it_says(read, tmp_path):
    lines = read("\nid,label\n\na,1\n")
    assert lines.path == tmp_path / "target.csv"
    assert list(lines.lines) == [2, 4]
    assert lines.names == ("label",)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('"a, b",1\nc,2\n', ["a, b", "c"]),
        ('"say ""hi""",1\nc,2\n', ['say "hi"', "c"]),
        ('"two\nlines",1\nc,2\n', ["two\nlines", "c"]),
        ("é/漢 1.csv,1\nc,2\n", ["é/漢 1.csv", "c"]),
    ],
    ids=["comma", "quotes", "line", "words of the world"],
)
def test_a_name_may_be_anything(read, text, ids):
    assert read(text).ids == ids


def test_several_columns(read):
    lines = read("id,x,y\na,1,2\nb,3,4\n")
    assert lines.labels == [("x", "y"), ("1", "2"), ("3", "4")]
    chosen = lines.columns(["y"])
    assert (chosen.ids, chosen.labels, chosen.names) == (lines.ids, [("y",), ("2",), ("4",)], ("y",))
    assert lines.columns(["y", "x"]).labels[1] == ("2", "1")
    rest = chosen.without_header()
    assert (rest.ids, rest.labels, list(rest.lines), rest.names) == (["a", "b"], [("2",), ("4",)], [2, 3], ("y",))


def test_a_column_that_is_not_there(read):
    message = r"target\.csv: found no column z in its first line, expected one of x, y; see --target-column"
    with pytest.raises(SourceError, match=message):
        read("id,x,y\na,1,2\n").columns(["x", "z"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,1\nb,2\n",
            r"target\.csv: found no header: its first line ends in 1; add a first line that names the columns, such as "
            r"name,x, or leave --target-column x out",
        ),
        ("id,x,x\na,1,2\n", r"target\.csv: found x twice in its first line, expected one; rename the other"),
    ],
)
def test_a_header_that_does_not_tell(read, text, message):
    with pytest.raises(SourceError, match=message):
        read(text).columns(["x"])


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("id,label\na,1\n", True),
        ("id,label\na,1.5\nb,x\n", True),
        ("id,x,y\na,1,2\n", True),
        ("a,1\nb,2\n", False),
        ("a,x\nb,y\n", False),
        ("a,1\nb,x\n", False),
        ("id,label\n", False),
        ("id,x,1\na,1,2\n", False),
        ("id,x,y\na,1,z\n", False),
        ("a,\nb,2\n", False),
    ],
)
def test_a_header_is_words_above_numbers(read, text, header):
    assert read(text).has_numbers_below_words == header


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", r"target\.csv: found no lines, expected 'name,label' for each sample"),
        ("\n \n,,\n", r"target\.csv: found no lines, expected"),
        ("a\nb\n", r"target\.csv, line 1: found 1 column, expected 2 or more: 'name,label'"),
        ("a b\n", r"target\.csv, line 1: found 1 column, expected 2 or more"),
        ("a,1\n\nb\n", r"target\.csv, line 3: found 1 column, expected 2 as in line 1"),
        ("\na,1\nb,2,3\n", r"target\.csv, line 3: found 3 columns, expected 2 as in line 2"),
        ("a,1\nb;2\n", r"target\.csv, line 2: found 1 column, expected 2 as in line 1"),
        (b"a,1\ncaf\xe9,2\n", r"target\.csv: found bytes that are not UTF-8 \(.*\), expected lines 'name,label'"),
        ("a,1\n".encode("utf-16"), r"target\.csv: found bytes that are not UTF-8"),
        ("a,1\nb," + "x" * 200_000 + "\n", r"target\.csv, line 2: found text that is no table \(.*\)"),
    ],
    ids=["empty", "blank", "one column", "spaces", "short", "long", "mixed marks", "latin-1", "UTF-16", "huge"],
)
def test_what_is_no_labels_file(read, data, message):
    with pytest.raises(SourceError, match=message):
        read(data)


def test_no_such_file(tmp_path):
    message = r"none\.csv: found no such file, expected the targets: a line 'name,label' .* or say --labels none"
    with pytest.raises(SourceNotFoundError, match=message):
        read_labels(tmp_path / "none.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SourceError, match=r"found a labels file that cannot be read \(Is a directory\)"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("text", "integer", "number"),
    [
        ("7", True, True),
        ("007", True, True),
        ("-1", True, True),
        ("+3", True, True),
        ("-0", True, True),
        ("99999999999999999999", True, True),
        ("9" * 600, True, True),
        ("9" * 700, False, True),
        ("1.0", False, True),
        ("1e3", False, True),
        ("-2.5E-3", False, True),
        ("nan", False, True),
        ("inf", False, True),
        ("", False, False),
        ("-", False, False),
        ("--5", False, False),
        ("+-5", False, False),
        ("1_0", False, False),
        ("1,5", False, False),
        ("0x10", False, False),
        ("²", False, False),
        ("cat", False, False),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_is_a_number(text, integer, number):
    assert (is_integer(text), is_number(text)) == (integer, number)
    if integer:
        assert int(text) == int(text)


def test_digits_of_other_scripts_are_no_numbers():
    assert not is_integer("٣")
    assert typed_targets([("٣",), ("٤",)], "target.csv", TargetOptions()).class_names == ("٣", "٤")


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 and 1 more"), (2005, "0, 1, 2, 3, 4 and 2,000 more")],
)
def test_some_of_many(count, text):
    assert some([str(number) for number in range(count)]) == text


def outcome(function, *arguments):
    """What a function returns, or the one error it may raise."""
    try:
        return function(*arguments)
    except SourceError as error:
        return error


@given(st.binary(max_size=60) | st.text("ab,;\t\n\r\"' #1.-\ufeffé", max_size=60).map(str.encode))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_bytes_are_read_or_refused(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.csv"
        path.write_bytes(data)
        lines = outcome(read_labels, path)
    if isinstance(lines, SourceError):
        assert "target.csv" in str(lines)
        return
    assert len(lines.ids) == len(lines.labels) == len(lines.lines) > 0
    assert {len(row) for row in lines.labels} == {len(lines.names)}
    for kind in (None, "class", "number"):
        targets = outcome(typed_targets, lines.labels, "target.csv", TargetOptions(kind=kind))
        assert "target.csv" in str(targets) if isinstance(targets, SourceError) else len(targets.values)

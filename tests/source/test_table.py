"""Rows of tables are samples: the same ones however the table is cut into spans; what is bad is named by its row."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seekless.errors import OptionError, SourceError
from seekless.source import table as table_module
from seekless.source.csv import CSVDecoder
from seekless.source.table import RowKeys, open_tables


def opened(root, *targets, tables=("",), **options):
    return open_tables(root, tables, CSVDecoder(**options), target_columns=targets)


def read(source):
    """Decode all runs: {key: (values, labels)} of the good rows, and {key: (found, expected)} of the bad."""
    good, bad = {}, {}
    for run in source.runs():
        decoded = source.reader().read(run)
        labels = decoded.labels or [()] * len(decoded.indices)
        for index, sample, label in zip(decoded.indices, decoded.samples, labels, strict=True):
            good[source.keys[index]] = (sample.tolist(), label)
        for index, sample in zip(decoded.bad_indices, decoded.bad, strict=True):
            assert source.keys[index] == sample.key
            bad[sample.key] = (sample.found, sample.expected)
    return good, bad


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table and opens it, for a target column `label` by default."""

    def write(text, *targets, **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return opened(path, *(targets or ("label",)), **options)

    return write


ROWS = {
    "plain": b"label,a,b\n7,1,2.5\n0,-3,4e-3\n",
    "no last line end": b"label,a,b\n7,1,2.5\n0,-3,4e-3",
    "CR LF": b"label,a,b\r\n7,1,2.5\r\n0,-3,4e-3\r\n",
    "blank lines and comments": b"\n# mine\nlabel,a,b\n\n7,1,2.5\n  \n# a row: 1,2,3\n0,-3,4e-3 # the last\n\n#",
    "tab": b"label\ta\tb\n7\t1\t2.5\n0\t-3\t4e-3\n",
    "semicolon": b"label;a;b\n7;1;2.5\n0;-3;4e-3\n",
    "whitespace": b"  label a b\n7  1\t2.5\n  0 -3   4e-3\n",
    "spaces": b"label, a, b\n7, 1, 2.5\n 0 , -3 , 4e-3\n",
    "quotes": b'"label","a","b"\n"7","1","2.5"\n"0","-3","4e-3"\n',
    "byte order mark": b"\xef\xbb\xbflabel,a,b\n7,1,2.5\n0,-3,4e-3\n",
    "label last": b"a,b,label\n1,2.5,7\n-3,4e-3,0\n",
    "label between": b"a,label,b\n1,7,2.5\n-3,0,4e-3\n",
}


@pytest.mark.parametrize("text", ROWS.values(), ids=ROWS)
def test_a_dialect_changes_nothing(table, text):
    good, bad = read(table(text))
    assert good == {"t.csv#0": ([1, 2.5], ("7",)), "t.csv#1": ([-3, 0.004], ("0",))}
    assert not bad


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"decimal": ","}, "label;a;b\n7;1;2,5\n0;-3;4e-3\n"),
        ({"delimiter": "|"}, "label|a|b\n7|1|2.5\n0|-3|4e-3\n"),
        ({"skip_rows": 2}, "a program's\n\nlabel,a,b\n7,1,2.5\n0,-3,4e-3\n"),
        ({"columns": (2, 4)}, "label,note,a,x,b\n7,one,1,,2.5\n0,two,-3,,4e-3\n"),
        ({"columns": (2, 4)}, 'label,note,a,x,b\n7,"one, or",1,,2.5\n0,"",-3,,4e-3\n'),
        ({"columns": (-3, -1)}, "label,note,a,x,b\n7,one,1,,2.5\n0,two,-3,,4e-3\n"),
    ],
    ids=["decimal comma", "bar", "skipped", "columns", "quoted text", "columns from the end"],
)
def test_an_option_is_heeded(table, options, text):
    good, bad = read(table(text, **options))
    assert good == {"t.csv#0": ([1, 2.5], ("7",)), "t.csv#1": ([-3, 0.004], ("0",))}
    assert not bad


def test_a_shape(table):
    good, _ = read(table("label,a,b,c,d\n7,1,2,3,4\n", shape=(2, 2, 1)))
    assert good == {"t.csv#0": ([[[1], [2]], [[3], [4]]], ("7",))}


@pytest.mark.parametrize("columns", ["a", "a,b"])
def test_a_table_of_one_row_keeps_its_axes(table, columns):
    (sample, _), *_ = read(table(f"label,{columns}\n1{',2' * len(columns.split(','))}\n"))[0].values()
    assert sample == [2] * len(columns.split(","))


def test_a_table_without_targets(tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    assert read(opened(tmp_path / "t.csv")) == ({"t.csv#0": ([1, 2], ()), "t.csv#1": ([3, 4], ())}, {})


def test_several_tables_are_one_source(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.csv").write_text("label,a\n1,10\n2,20\n")
    (tmp_path / "b" / "c.tsv").write_text("label\ta\n3\t30\n")
    (tmp_path / "d.txt").write_text("4 40\n")
    source = opened(tmp_path, "0", tables=["a.csv", "b/c.tsv", "d.txt"])
    assert read(source)[0] == {
        "a.csv#0": ([10], ("1",)),
        "a.csv#1": ([20], ("2",)),
        "b/c.tsv#0": ([30], ("3",)),
        "d.txt#0": ([40], ("4",)),
    }
    assert len(source) == 4
    assert source.targets is None
    assert source.scale_for(np.dtype(np.float64)) == 1


@pytest.mark.parametrize("second", ["label,b,a\n", "label,a,c\n", "label,a,b,c\n", "label,a\n", "a,b,label2,label\n"])
def test_tables_of_one_source_have_the_same_columns(tmp_path, second):
    (tmp_path / "a.csv").write_text("label,a,b\n1,2,3\n")
    (tmp_path / "z.csv").write_text(second + "1,2,3,4\n"[: 2 * second.count(",") + 1] + "\n")
    with pytest.raises(SourceError, match=r"z\.csv: found the columns .*, expected label, a, b as in a\.csv; all tabl"):
        opened(tmp_path, "label", tables=["a.csv", "z.csv"])


def test_the_targets_name_is_compared_too(tmp_path):
    (tmp_path / "a.csv").write_text("label,id,p,q\n1,9,2,3\n")
    (tmp_path / "b.csv").write_text("id,label,p,q\n9,1,2,3\n")
    with pytest.raises(SourceError, match=r"b\.csv: found the columns id, p, q, expected label, p, q as in a\.csv"):
        opened(tmp_path, "0", tables=["a.csv", "b.csv"], columns=(2, 3))


def test_a_line_without_an_end_is_not_read_whole(table, monkeypatch):
    monkeypatch.setattr(table_module, "MAX_LINE", 1 << 20)
    monkeypatch.setattr(table_module, "SPAN_BYTES", 1 << 16)
    good, _ = read(table("label,a\n1,2" + " " * ((1 << 20) - 3) + "\n3,4"))
    assert len(good) == 2
    with pytest.raises(SourceError, match=r"t\.csv: found a line of more than 1 MiB, expected a sample a row"):
        table("label,a\n1,2\n" + "3," * (1 << 20))


def test_the_target_may_be_elsewhere_in_another_table(tmp_path):
    (tmp_path / "a.csv").write_text("label,a,b\n1,2,3\n")
    (tmp_path / "z.csv").write_text("a,b,label\n2,3,1\n")
    good, _ = read(opened(tmp_path, "label", tables=["a.csv", "z.csv"]))
    assert good == {"a.csv#0": ([2, 3], ("1",)), "z.csv#0": ([2, 3], ("1",))}


BAD = {
    "short": ("1,2", "2 columns", "3 as in the table's first line"),
    "long": ("1,2,3,4", "4 columns", "3 as in the table's first line"),
    "text": ("1,x,3", "text 'x' in column 2", "a number"),
    "a header again": ("label,a,b", "text 'a' in column 2", "a number"),
    "text alone": ("x,y,z", "text 'y' in column 2", "a number"),
    "empty value": ("1,,3", "an empty value in column 2", "a number; --columns can leave a column out"),
    "empty target": (",2,3", "an empty target", "a class or a number"),
    "nothing in it": (",,", "an empty target", "a class or a number"),
    "nan": ("1,2,nan", "'nan' in column 3", "finite numbers; --allow-nan takes nan and infinities"),
    "infinity": ("1,-inf,3", "'-inf' in column 2", "finite numbers; --allow-nan takes nan and infinities"),
    "decimal comma": ('1,"2,5",3', "text '2_5' in column 2", "a number"),
    "zero byte": ("1,2\0,3", "bytes that are no text (a zero byte at offset 3)", "numbers as text"),
    "no comment": (
        "C#,2,3",
        "a # inside a value",
        "values without #, and a space before the # of a comment",
    ),
    "no comment, in the sample": (
        "1,2,3#4",
        "a # inside a value",
        "values without #, and a space before the # of a comment",
    ),
    "quotes": (
        '1,"2"3,4',
        "quotes that do not match (',' expected after '\"')",
        'cells such as "a", with "" for a quote',
    ),
}


@pytest.mark.parametrize("at", [0, 1, 3])
@pytest.mark.parametrize(("row", "found", "expected"), BAD.values(), ids=BAD)
def test_a_bad_row_is_named_and_the_others_are_read(table, row, found, expected, at):
    rows = [f"{number},{number}.5,-1" for number in range(4)]
    rows[at] = row
    source = table("\n".join(["label,a,b", *rows]) + "\n")
    good, bad = read(source)
    assert list(bad) == [f"t.csv#{at}"]
    assert bad[f"t.csv#{at}"][0] == found
    assert bad[f"t.csv#{at}"][1].startswith(expected)
    assert good == {f"t.csv#{n}": ([n + 0.5, -1], (f"{n}",)) for n in range(4) if n != at}


def test_a_lone_cr_makes_no_row_of_its_own(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"x,y,0\n1,2\r3,4\n5,6,7\n")
    for span in (1, 1 << 22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(table_module, "SPAN_BYTES", span)
            good, bad = read(opened(tmp_path / "t.csv", columns=(0, 1)))
        assert good == {"t.csv#2": ([5, 6], ())}
        assert bad == {"t.csv#0": ("text 'x' in column 1", "a number"), "t.csv#1": ("4 values", "2")}


def test_a_label_that_is_not_utf8(table):
    good, bad = read(table(b"label,a\ncat,1\n\xe9,2\n"))
    assert list(good) == ["t.csv#0"]
    assert bad == {"t.csv#1": ("a target that is not UTF-8 text", "a class or a number")}


def test_nan_where_it_is_allowed(table):
    (sample, _), *_ = read(table("label,a,b\n1,nan,-inf\n", allow_nan=True))[0].values()
    np.testing.assert_array_equal(sample, [np.nan, -np.inf])


line = st.sampled_from(
    ["1,2,3", "4,5.5,-6", "", "  ", "# a comment", "7,8,9 # one", "x,y,z", "1,2", "label,a,b", "10,11,1e5", "\t", ",,"]
)


@given(lines=st.lists(line, min_size=1, max_size=12), end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
@example(lines=["x,y,z", "1,2,3"], end="\n", last=True)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_rows_are_the_same_however_the_table_is_cut(lines, end, last):
    text = end.join(["label,a,b", "0,0,0", *lines]) + (end if last else "")
    rows = [row for row in ["0,0,0", *lines] if row.partition("#")[0].strip()]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "t.csv"
        path.write_bytes(text.encode())
        results = []
        for span in (1, 2, 7, 16, 1 << 22):
            patch.setattr(table_module, "SPAN_BYTES", span)
            source = opened(path, "label")
            results.append(read(source))
            runs = list(source.runs())
            assert [run.start for run in runs[1:]] == [run.stop for run in runs[:-1]]
            assert (runs[0].start, runs[-1].stop) == (len("label,a,b" + end), len(text))
            assert all(run.stop - run.start < span + max(map(len, lines)) + 40 for run in runs)
    good, bad = results[0]
    assert all(result == results[0] for result in results)
    assert sorted([*good, *bad]) == sorted(f"t.csv#{number}" for number in range(len(rows)))
    for number, row in enumerate(rows):
        cells = row.partition("#")[0].split(",")
        fine = len(cells) == 3 and not any(set(cell) & set("xyzlab") or not cell for cell in cells)
        assert (f"t.csv#{number}" in good) == fine
        if fine:
            assert good[f"t.csv#{number}"] == ([float(cell) for cell in cells[1:]], (cells[0],))


def test_a_large_table_is_read_in_spans_and_never_held(tmp_path):
    path = tmp_path / "t.csv"
    row = "3," + ",".join(["0.25"] * 200) + "\n"
    count = (10 << 20) // len(row)
    path.write_text(row * count)
    source = opened(path, "0")
    runs = list(source.runs())
    assert len(runs) == 3
    assert max(run.stop - run.start for run in runs) <= table_module.SPAN_BYTES + len(row)
    assert sum(run.rows for run in runs) == len(source) == count
    decoded = source.reader().read(runs[-1])
    assert decoded.indices == list(range(runs[-1].first, count))
    assert decoded.bytes_read == runs[-1].stop - runs[-1].start
    assert str(runs[1]) == f"t.csv#{runs[1].row} and the rows after it"


class TestATableThatChanges:
    """Between counting its rows and reading them: none of a run's rows can be trusted any more."""

    TEXT = "label,a\n" + "".join(f"{number},{number}\n" for number in range(8))

    @pytest.mark.parametrize(
        "change",
        [
            lambda path: path.write_text(TestATableThatChanges.TEXT[:20]),
            lambda path: path.write_text(""),
            lambda path: path.write_text(TestATableThatChanges.TEXT.replace("3,3\n", "3\n3\n")),
            lambda path: path.write_text(TestATableThatChanges.TEXT.replace("3,3", "# 3")),
        ],
        ids=["cut short", "emptied", "a row more", "a row less"],
    )
    def test_no_row_is_lost_or_taken_for_another(self, table, tmp_path, change):
        source = table(self.TEXT)
        change(tmp_path / "t.csv")
        good, bad = read(source)
        assert not good
        assert bad == dict.fromkeys(
            [f"t.csv#{number}" for number in range(8)],
            ("a table that changed while it was read", "one that stays as it is"),
        )

    def test_one_that_vanishes(self, table, tmp_path):
        source = table(self.TEXT)
        (tmp_path / "t.csv").unlink()
        good, bad = read(source)
        assert not good
        found = ("a table that cannot be read (No such file or directory)", "a readable file")
        assert bad == dict.fromkeys([f"t.csv#{number}" for number in range(8)], found)

    def test_rows_added_behind_are_not_read(self, table, tmp_path):
        source = table(self.TEXT)
        (tmp_path / "t.csv").write_text(self.TEXT + "8,8\n9,9\n")
        good, bad = read(source)
        assert (len(good), bad) == (8, {})


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("label,a\n", {}, SourceError, r"t\.csv: found no rows, expected a sample a row"),
        ("label,a\n\n# a row\n", {}, SourceError, r"t\.csv: found no rows, expected a sample a row"),
        ("", {}, SourceError, r"t\.csv: found no rows"),
        (
            "label,a,b\n1,2,3\n",
            {"shape": (3, 1)},
            SourceError,
            r"t\.csv: found 2 values a row, expected 3 \(--shape 3,1\); --target-column and --columns say which",
        ),
        ("label,a\n1,2\n", {"columns": (7,)}, OptionError, r"--columns: found 7, expected 0 to 1"),
    ],
    ids=["header alone", "comments below it", "empty", "shape", "columns"],
)
def test_what_is_no_source_is_refused(table, text, options, error, message):
    with pytest.raises(error, match=message):
        table(text, **options)


class TestRowKeys:
    KEYS = RowKeys(["a.csv", "b/c.csv"], [2, 3])
    ALL = ("a.csv#0", "a.csv#1", "b/c.csv#0", "b/c.csv#1", "b/c.csv#2")

    def test_they_are_a_sequence(self):
        assert len(self.KEYS) == 5
        assert tuple(self.KEYS) == self.ALL
        assert tuple(self.KEYS[index] for index in range(5)) == self.ALL
        assert self.KEYS[np.int64(3)] == "b/c.csv#1"
        assert "b/c.csv#2" in self.KEYS

    def test_a_slice_is_a_list(self):
        for which in (slice(None), slice(1, 4), slice(-2, None), slice(None, None, -2), slice(9, 12)):
            assert self.KEYS[which] == list(self.ALL[which])

    @pytest.mark.parametrize("index", [-1, 5])
    def test_others_are_refused(self, index):
        with pytest.raises(IndexError, match=f"found row {index}, expected 0 to 4"):
            _ = self.KEYS[index]


@given(
    data=st.binary(max_size=80) | st.text('1.-ax,; \n\r"#é', max_size=80).map(str.encode),
    targets=st.sampled_from([(), ("0",), ("a",)]),
    span=st.integers(1, 9),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_are_rows_good_or_bad_or_refused(data, targets, span):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "SPAN_BYTES", span)
        path = Path(folder) / "t.csv"
        path.write_bytes(data)
        try:
            source = opened(path, *targets)
        except (SourceError, OptionError):
            return
        good, bad = read(source)
    assert sorted([*good, *bad]) == sorted(source.keys)
    assert len({len(sample) for sample, _ in good.values()}) < 2

"""Tables whose rows are samples, all the way: what is in the store, and what is said of bad rows."""

import re

import numpy as np
import pytest
from kit.converting import contents, during, listed, names, pack, targets

import seekless
from seekless.errors import OptionError, SourceError
from seekless.source import table as table_module

RANDOM = np.random.default_rng(11)


@pytest.fixture
def store(tmp_path):
    """A store to be."""
    return tmp_path / "a.h5"


KAGGLE = "label,pixel0,pixel1,pixel2,pixel3\n7,0,51,102,255\n0,255,0,0,1\n"
CASES = {
    "Kaggle's": (KAGGLE, {}, {0: ([0, 51, 102, 255], 7), 1: ([255, 0, 0, 1], 0)}),
    "shape": (KAGGLE, {"shape": (2, 2)}, {0: ([[0, 51], [102, 255]], 7), 1: ([[255, 0], [0, 1]], 0)}),
    "no header": ("1,5,6\n0,7,8\n", {"target_columns": ("0",)}, {0: ([5, 6], 1), 1: ([7, 8], 0)}),
    "last column": ("5,6,1\n7,8,0\n", {"target_columns": ("-1",)}, {0: ([5, 6], 1), 1: ([7, 8], 0)}),
    "CR LF": ("label,a\r\n1,5\r\n0,7\r\n", {}, {0: ([5], 1), 1: ([7], 0)}),
    "no last line end": ("label,a\n1,5\n0,7", {}, {0: ([5], 1), 1: ([7], 0)}),
    "blank lines, comments": ("#\nlabel,a\n\n1,5\n# 9,9\n  \n0,7 # x\n\n", {}, {0: ([5], 1), 1: ([7], 0)}),
    "words": ("label,a\ndog,5\ncat,7\n", {}, {0: ([5], 1), 1: ([7], 0)}),
    "quoted words": ('label,a\n"dog, big",5\n"cat",7\n', {}, {0: ([5], 1), 1: ([7], 0)}),
    "floats": ("price,a\n1.5,5\n-2,7\n", {"target_columns": ("price",)}, {0: ([5], 1.5), 1: ([7], -2)}),
    "vector": ("u,a,v\n1,5,2\n3,7,4.5\n", {"target_columns": ("v", "u")}, {0: ([5], [2, 1]), 1: ([7], [4.5, 3])}),
    "as numbers": ("label,a\n1,5\n0,7\n", {"target_type": "number"}, {0: ([5], 1.0), 1: ([7], 0.0)}),
    "as classes": ("label,a\n1.5,5\n-1,7\n", {"target_type": "class"}, {0: ([5], 1), 1: ([7], 0)}),
    "no labels": (
        "a,b\n1,5\n0,7\n",
        {"labels": "none", "target_columns": ()},
        {0: ([1, 5], None), 1: ([0, 7], None)},
    ),
    "columns": ("label,id,a\n1,x,5\n0,y,7\n", {"columns": (2,)}, {0: ([5], 1), 1: ([7], 0)}),
    "decimal comma": ("label;a\n1;2,5\n0;7,25\n", {"decimal": ","}, {0: ([2.5], 1), 1: ([7.25], 0)}),
    "decimal comma, floats": ("label;a\n1,5;2\n0;7\n", {"decimal": ","}, {0: ([2], 1.5), 1: ([7], 0.0)}),
    "tabs": ("label\ta\n1\t5\n0\t7\n", {}, {0: ([5], 1), 1: ([7], 0)}),
    "nan": ("label,a\n1,5\n0,inf\n", {"allow_nan": True}, {0: ([5], 1), 1: ([float("inf")], 0)}),
    "a header of numbers": ("label,0,1\n1,5,6\n0,7,8\n", {}, {0: ([5, 6], 1), 1: ([7, 8], 0)}),
}


class TestTables:
    """A row a sample."""

    @pytest.mark.parametrize("span", [1, 1 << 22], ids=["spans of a row", "one span"])
    @pytest.mark.parametrize(("text", "options", "expected"), CASES.values(), ids=CASES)
    def test_what_is_in_the_table_is_in_the_store(self, write, store, monkeypatch, text, options, expected, span):
        monkeypatch.setattr(table_module, "SPAN_BYTES", span)
        root = write({"t.csv": text})
        pack(root / "t.csv", store, rows=True, **{"target_columns": ("label",), **options})
        assert contents(store) == {f"t.csv#{row}": pair for row, pair in expected.items()}

    def test_words_are_kept_as_names(self, write, store):
        root = write({"t.csv": 'label,a\n"dog, big",5\ncat,7\nñu,8\n'})
        summary = pack(root / "t.csv", store, rows=True, target_columns=("label",))
        assert seekless.open(store).class_names == ("cat", "dog, big", "ñu")
        assert (summary.classes, summary.samples) == (3, 3)

    def test_classes_of_another_store(self, write, tmp_path, store):
        root = write({"train.csv": "label,a\ndog,5\ncat,7\ncow,8\n", "test.csv": "label,a\ndog,5\ncat,7\n"})
        pack(root / "train.csv", store, rows=True, target_columns=("label",))
        pack(root / "test.csv", tmp_path / "b.h5", rows=True, target_columns=("label",), classes_from=store)
        assert targets(tmp_path / "b.h5") == {"test.csv#0": 2, "test.csv#1": 0}

    def test_an_unknown_class(self, write, tmp_path, store):
        root = write({"train.csv": "label,a\ndog,5\ncat,7\n", "test.csv": "label,a\ndog,5\ncow,7\n"})
        pack(root / "train.csv", store, rows=True, target_columns=("label",))
        with pytest.raises(SourceError, match=r"test\.csv: found classes cow, expected those of .*a\.h5: cat, dog"):
            pack(root / "test.csv", tmp_path / "b.h5", rows=True, target_columns=("label",), classes_from=store)

    def test_several_tables_in_a_folder(self, write, store):
        root = write({"b/t.csv": "label,a\n1,5\n", "a.tsv": "label\ta\n0\t7\n2\t8\n", ".t.csv": "label,a\n9,9\n"})
        pack(root, store, rows=True, target_columns=("label",))
        assert contents(store) == {"a.tsv#0": ([7], 0), "a.tsv#1": ([8], 2), "b/t.csv#0": ([5], 1)}

    def test_the_command(self, write, store, convert):
        root = write({"train.csv": KAGGLE})
        options = ["--target-column", "label", "--shape", "2,2,1", "--quiet"]
        assert convert("csv-to-h5", "--rows", root / "train.csv", store, *options) == (0, "", "")
        assert seekless.open(store).shape == (2, 2, 2, 1)

    @pytest.mark.parametrize("kind", [".h5", ".npy.d"])
    def test_a_large_one_has_the_same_bytes_however_it_is_read(self, tmp_path, monkeypatch, kind):
        values = RANDOM.integers(0, 256, (1500, 300))
        lines = [f"{number % 7}," + ",".join(map(str, row)) for number, row in enumerate(values.tolist())]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        ways = [(1 << 22, {}), (50_000, {}), (50_000, {"workers": 2}), (1 << 16, {"memory": 1 << 20})]
        sums = set()
        for number, (span, options) in enumerate(ways):
            monkeypatch.setattr(table_module, "SPAN_BYTES", span)
            path = tmp_path / f"{number}{kind}"
            pack(tmp_path / "t.csv", path, rows=True, target_columns=("0",), **options)
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            sums.add(b"".join(file.read_bytes() for file in files))
        assert len(sums) == 1
        opened = seekless.open(path)
        rows = [int(key.removeprefix("t.csv#")) for key in opened.keys]
        np.testing.assert_array_equal(opened["x"], values[rows])
        np.testing.assert_array_equal(opened["y"], np.array(rows) % 7)
        assert opened.header.fields["x"].dtype == np.uint8
        assert rows != sorted(rows)

    @pytest.mark.parametrize("span", [1, 40, 1 << 22])
    def test_bad_rows_are_listed_or_left_out(self, write, store, convert, monkeypatch, span):
        monkeypatch.setattr(table_module, "SPAN_BYTES", span)
        rows = [f"{number % 3},{number},{number / 8}" for number in range(14)]
        rows[2], rows[5], rows[10], rows[12] = "1,2", "label,a,b", "1,x,3", "1,nan,3"
        text = "\n".join(["label,a,b", *rows]) + "\n"
        good = "\n".join(line for number, line in enumerate(text.split("\n")) if number not in (3, 6, 11, 13))
        root = write({"t.csv": text, "good.csv": good})
        command = ["csv-to-h5", "--rows", root / "t.csv", store, "--target-column", "label"]
        code, out, err = convert(*command)
        assert (code, out) == (1, "")
        assert "found 4 bad of 14 samples; no store was written" in err
        expected = [
            ["key", "found", "expected"],
            ["t.csv#2", "2 columns", "3 as in the table's first line"],
            ["t.csv#5", "text 'a' in column 2", "a number"],
            ["t.csv#10", "text 'x' in column 2", "a number"],
            ["t.csv#12", "'nan' in column 2", "finite numbers; --allow-nan takes nan and infinities"],
        ]
        assert listed(f"{store}.errors.csv") == expected
        assert [line.split(":")[0] for line in err.splitlines() if line.startswith("  t.csv")] == [
            f"  {key}" for key, *_ in expected[1:]
        ]
        assert names(store.parent) == ["a.h5.errors.csv", "data"]
        code, out, err = convert(*command, "--on-error", "skip")
        assert code == 0
        assert f"skipped  4, listed in {store}.skipped.csv" in out
        assert listed(f"{store}.skipped.csv") == expected
        pack(root / "good.csv", store.parent / "good.h5", rows=True, target_columns=("label",))
        good, skipped = contents(store.parent / "good.h5"), contents(store)
        kept = [number for number in range(14) if number not in (2, 5, 10, 12)]
        assert [skipped[f"t.csv#{number}"] for number in kept] == [good[f"good.csv#{number}"] for number in range(10)]
        headers = [seekless.open(path).header for path in (store, store.parent / "good.h5")]
        one, other = ((head.length, head.class_count, head.fields["x"], head.fields["y"]) for head in headers)
        assert one == other

    @pytest.mark.parametrize(
        ("name", "text", "options", "code", "message"),
        [
            ("t.csv", "", (), 1, r"t\.csv: found no rows, expected a sample a row"),
            ("t.csv", "label,a\n", (), 1, r"t\.csv: found no rows"),
            ("t.csv.gz", b"\x1f\x8b\x08", (), 1, r"t\.csv\.gz: found a gzip file, expected a plain table for --rows"),
            (
                "t.csv",
                "a,b\n1,2\n",
                (),
                1,
                r"t\.csv: found no column 'label', expected one of a, b; see --target-column",
            ),
            (
                "t.csv",
                "label,a\n-1,2\n",
                (),
                1,
                r"t\.csv: found class -1, expected classes from 0 to 999999; --target-ty",
            ),
            ("t.csv", "label,a\n1,2\n", ("--shape", "2"), 1, r"found 1 values a row, expected 2 \(--shape 2\)"),
            ("t.csv", "label,a\n1,2\n", ("--columns", "5"), 2, r"--columns: found 5, expected 0 to 1 in "),
            ("t.csv", "label,a\n1,2\n", ("--labels", "none"), 2, r"--labels none: found together with --target-column"),
            ("t.csv", "label,a\n1,2\n", ("--labels", "t.csv"), 2, r"--labels: found 't.csv' with --rows"),
        ],
    )
    def test_what_is_no_table(self, write, store, convert, name, text, options, code, message):
        root = write({name: text})
        command = ["csv-to-h5", "--rows", root / name, store, "--target-column", "label", "--quiet"]
        found, out, err = convert(*command, *options)
        assert (found, out) == (code, "")
        assert err.startswith("error: ")
        assert re.search(message, err)
        assert names(store.parent) == ["data"]

    def test_a_table_that_changes_while_it_is_read(self, write, store, monkeypatch):
        root = write({"t.csv": "label,a\n" + "1,2\n" * 5})
        during(monkeypatch, lambda: (root / "t.csv").write_text("label,a\n1,2\n"))
        with pytest.raises(SourceError, match=r"found 5 bad of 5 .*\n  t\.csv#0: found a table that changed while it"):
            pack(root / "t.csv", store, rows=True, target_columns=("label",))


def test_scale_divides_for_training_alone(write, store):
    root = write({"t.csv": "label,a,b\n0,255,51\n1,0,102\n"})
    pack(root / "t.csv", store, rows=True, target_columns=("label",), scale=255)
    opened = seekless.open(store)
    assert sorted(opened["x"].tolist()) == [[0.0, 102.0], [255.0, 51.0]]
    ((x, _),) = opened.batches(2, shuffle=False)
    assert sorted(x.tolist()) == sorted((np.array([[0, 102], [255, 51]], np.float32) / np.float32(255)).tolist())


def test_a_scale_below_one_is_refused(write, store):
    with pytest.raises(OptionError, match=r"--scale: found 0, expected a whole number of 1 or more, such as 255"):
        pack(write({"t.csv": "1,2\n"}) / "t.csv", store, rows=True, labels="none", scale=0)

"""Any source is opened by its options; options that do not fit it, or each other, are refused in the user's words."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seekless.errors import OptionError, SourceError, SourceNotFoundError
from seekless.source.csv import CSVDecoder
from seekless.source.image import ImageDecoder
from seekless.source.open import SourceOptions, open_files, open_source, row_targets
from seekless.source.samples import BadSample, FileSource
from seekless.source.table import TableSource
from seekless.source.targets import Classes

TABLE = "label,a,b\n1,2,3\n0,4,5\n"


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes a folder of small files: pictures by their suffix, else text."""

    def make(files):
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                Image.fromarray(np.full((2, 3), content, np.uint8)).save(path)
            else:
                path.write_text(content)
        return tmp_path / "data"

    return make


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"kind": "png"}, r"^kind: found 'png', expected csv or image"),
            ({"kind": "csv", "size": (2, 2)}, r"^--size: found with csv, expected only with images"),
            ({"kind": "csv", "resize": "fit"}, r"^--resize: found with csv, expected only with images"),
            ({"kind": "csv", "channels": 3}, r"^--channels: found with csv, expected only with images"),
            ({"kind": "image", "shape": (2, 2)}, r"^--shape: found with image, expected only with CSV files"),
            ({"kind": "image", "delimiter": ","}, r"^--delimiter: found with image, expected only with CSV files"),
            ({"kind": "image", "decimal": ","}, r"^--decimal: found with image, expected only with CSV files"),
            ({"kind": "image", "skip_rows": 1}, r"^--skip-rows: found with image, expected only with CSV files"),
            ({"kind": "image", "columns": (1,)}, r"^--columns: found with image, expected only with CSV files"),
            ({"kind": "image", "allow_nan": True}, r"^--allow-nan: found with image, expected only with CSV files"),
            ({"kind": "image", "rows": True}, r"^--rows: found with image, expected only with CSV files"),
            ({"rows": True}, r"^--rows: found no --target-column, expected the name or number .* or --labels none for"),
            (
                {"rows": True, "labels": "t.csv"},
                r"^--labels: found 't.csv' with --rows, expected the target in a --tar",
            ),
            (
                {"rows": True, "labels": "none", "target_columns": ("a",)},
                r"^--labels none: found together with --target-column, expected one of them",
            ),
            (
                {"labels": "none", "target_columns": ("a",)},
                r"^--labels none: found together with --target-column, expected one of them",
            ),
            (
                {"labels": "none", "target_type": "class"},
                r"^--labels none: found together with --target-type, expected one of them",
            ),
            (
                {"labels": "none", "classes": Classes(2, None, "a.h5")},
                r"^--labels none: found together with --classes-from, expected one of them",
            ),
            ({"kind": "image", "resize": "fit"}, r"^--resize: found fit without --size, expected --size HEIGHTxWIDTH"),
            ({"resize": "crop"}, r"^--resize: found crop without --size, expected --size HEIGHTxWIDTH beside it"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, options, message):
        with pytest.raises(OptionError, match=message):
            SourceOptions(**options)

    @pytest.mark.parametrize("kind", ["csv", "image", None])
    def test_defaults_fit_every_kind(self, kind):
        assert SourceOptions(kind=kind).recorded() == {}

    def test_a_store_records_what_shapes_it_and_no_path(self):
        options = SourceOptions(
            "csv", "/home/me/t.csv", ("a",), "number", Classes(2, None, "/home/me/a.h5"), shape=(2,)
        )
        recorded = {"target_columns": ("a",), "target_type": "number", "shape": (2,)}
        assert dataclasses.replace(options, classes=None).recorded() == recorded
        assert options.recorded() == recorded
        assert SourceOptions(labels="none").recorded() == {"labels": "none"}

    def test_every_option_is_recorded_if_it_is_not_the_default(self):
        changed = {"rows": True, "decimal": ",", "skip_rows": 2, "columns": (1,), "allow_nan": True, "delimiter": ";"}
        assert SourceOptions(target_columns=("a",), **changed).recorded() == {"target_columns": ("a",), **changed}
        changed = {"size": (2, 3), "resize": "fit", "channels": 3}
        assert SourceOptions(**changed).recorded() == changed

    def test_numbers_of_any_kind_are_recorded_as_plain_ones(self):
        numbers = np.array([1, 2])
        csv = SourceOptions(target_columns=["a", 0], shape=numbers, columns=list(numbers), skip_rows=numbers[0])
        assert csv.recorded() == {"target_columns": ("a", "0"), "shape": (1, 2), "columns": (1, 2), "skip_rows": 1}
        image = SourceOptions(size=numbers, channels=numbers[0])
        assert image.recorded() == {"size": (1, 2), "channels": 1}
        recorded = [*csv.shape, *csv.columns, csv.skip_rows, *image.size, image.channels]
        assert {type(number) for number in recorded} == {int}
        assert SourceOptions(target_columns="label").target_columns == ("label",)

    @pytest.mark.parametrize(
        ("name", "value"), [("shape", 784), ("shape", (2.5, 2)), ("columns", "0,1"), ("size", 256), ("skip_rows", 1.5)]
    )
    def test_what_is_no_number_is_refused_as_ever(self, folder, name, value):
        kind = "image" if name == "size" else "csv"
        with pytest.raises(OptionError, match=rf"^--{name.replace('_', '-')}: found "):
            open_source(folder({"a/1.csv": "1"}), SourceOptions(kind, **{name: value}))


class TestKind:
    @pytest.mark.parametrize(
        ("files", "kind", "samples"),
        [
            ({"a/1.csv": "1\n", "b/2.csv": "2\n"}, CSVDecoder, 2),
            ({"a/1.png": 1, "b/2.png": 2}, ImageDecoder, 2),
            ({"1.png": 1, "2.png": 2, "target.csv": "1,0\n2,1\n"}, ImageDecoder, 2),
            ({"1.png": 1, "target.csv": "1,0\n"}, ImageDecoder, 1),
            ({"a/1.csv": "1\n", "b/2.csv": "2\n", "b/plot.png": 3}, CSVDecoder, 2),
        ],
        ids=["csv", "images", "images and labels", "one image and labels", "csv and a picture of them"],
    )
    def test_it_is_told_from_the_files(self, folder, files, kind, samples):
        source = open_source(folder(files), SourceOptions())
        assert (type(source.decoder), len(source)) == (kind, samples)

    def test_it_can_be_said(self, folder):
        root = folder({"a/1.csv": "1\n", "b/2.csv": "2\n", "a/1.png": 1, "b/2.png": 2, "b/3.png": 3})
        assert len(open_source(root, SourceOptions("csv"))) == 2
        assert len(open_source(root, SourceOptions("image"))) == 3

    def test_rows_are_of_tables_whatever_lies_beside_them(self, folder):
        root = folder({"t.csv": TABLE, "1.png": 1, "2.png": 2})
        source = open_source(root, SourceOptions(rows=True, target_columns=("label",)))
        assert list(source.keys) == ["t.csv#0", "t.csv#1"]


class TestOpenSource:
    def test_options_reach_the_decoder(self, folder):
        root = folder({"a/1.csv": "x\n1;2,5\n", "b/2.csv": "x\n3;4,5\n"})
        options = SourceOptions("csv", decimal=",", delimiter=";", skip_rows=1, columns=(1,), shape=(1, 1))
        assert open_source(root, options).read_many([0, 1]).tolist() == [[[2.5]], [[4.5]]]
        root = folder({"img/a/1.png": 7, "img/b/2.png": 8})
        source = open_source(root / "img", SourceOptions("image", size=(6, 3), resize="fit", channels=3))
        assert source.read(0).shape == (6, 3, 3)
        assert source.read(0)[:, 0, 2].tolist() == [0, 0, 7, 7, 0, 0]

    def test_options_reach_the_targets(self, folder):
        root = folder({"1.csv": "1\n", "2.csv": "2\n", "target.csv": "id,u,v\n1,0,2\n2,1,0\n"})
        source = open_source(root, SourceOptions(target_columns=("v",), classes=Classes(5, None, "a.h5")))
        assert (source.targets.values.tolist(), source.targets.class_count) == ([2, 0], 5)
        source = open_source(root, SourceOptions(target_columns=("u",), target_type="number"))
        assert (source.targets.values.tolist(), source.targets.kind) == ([0.0, 1.0], "number")

    def test_what_is_bad_before_reading_is_noted_where_asked(self, folder):
        root = folder({"1.csv": "1\n", "2.csv": "2\n", "target.csv": "1,0\n3,1\n"})
        bad: list[BadSample] = []
        assert open_source(root, SourceOptions(), bad).keys == ["1.csv"]
        assert [sample.key for sample in bad] == ["2.csv", "3"]
        with pytest.raises(SourceError, match=r"found no target for 1 of 2 files: 2\.csv"):
            open_source(root, SourceOptions())

    def test_a_table_or_a_folder_of_tables(self, folder):
        root = folder({"b/t.csv": TABLE, "a.tsv": TABLE.replace(",", "\t"), "notes.md": "x", ".hidden.csv": "x"})
        options = SourceOptions("csv", rows=True, target_columns=("label",), shape=(1, 2))
        both, one = open_source(root, options), open_source(root / "b" / "t.csv", options)
        assert isinstance(both, TableSource)
        assert list(both.keys) == ["a.tsv#0", "a.tsv#1", "b/t.csv#0", "b/t.csv#1"]
        assert list(one.keys) == ["t.csv#0", "t.csv#1"]

    @pytest.mark.parametrize(
        ("at", "options", "message"),
        [
            ("none", {"kind": "csv"}, r"none: found no such folder, expected a folder of samples \(\.csv"),
            ("none", {"kind": None}, r"none: found no such folder, expected a folder of samples \(\.csv"),
            ("none", {"kind": "image"}, r"none: found no such folder, expected a folder of samples \(\.bmp"),
            ("t.csv", {"kind": "csv"}, r"t\.csv: found a file, expected a folder of samples"),
            (
                "none",
                {"rows": True, "labels": "none"},
                r"none: found no such file or folder, expected a table, or a fo",
            ),
            ("empty", {"rows": True, "labels": "none"}, r"empty: found no table, expected files such as train\.csv"),
        ],
    )
    def test_what_is_not_there(self, folder, at, options, message):
        root = folder({"t.csv": TABLE, "empty/notes.md": "x"})
        with pytest.raises(SourceNotFoundError, match=message):
            open_source(root / at, SourceOptions(**options))


class TestOpenFiles:
    def test_sample_i_is_path_i(self, folder):
        root = folder({"b.csv": "1 2\n", "a.csv": "3 4\n"})
        source = open_files([root / "b.csv", root / "a.csv"], [1, 0], SourceOptions())
        assert isinstance(source, FileSource)
        assert list(source.keys) == [(root / "b.csv").as_posix(), (root / "a.csv").as_posix()]
        assert source.read_many([0, 1]).tolist() == [[1, 2], [3, 4]]
        assert source.targets.values.tolist() == [1, 0]

    @pytest.mark.parametrize(("name", "image"), [("a.csv", False), ("a.PNG", True), ("a.txt.gz", False), ("a", False)])
    def test_the_kind_is_that_of_the_first_suffix(self, name, image):
        assert isinstance(open_files([Path(name)], None, SourceOptions()).decoder, ImageDecoder) == image

    def test_a_kind_that_is_said(self):
        assert isinstance(open_files([Path("a")], None, SourceOptions("image")).decoder, ImageDecoder)

    @pytest.mark.parametrize(
        ("targets", "kind", "count", "dtype"),
        [
            ([0, 3], "class", 4, np.int64),
            (np.array([0, 3], np.uint8), "class", 4, np.int64),
            ([True, False], "class", 2, np.int64),
            ([0.5, 3], "number", 0, np.float64),
            ([[0, 3], [1, 2]], "number", 0, np.float64),
            (np.zeros((2, 3), np.float32), "number", 0, np.float64),
        ],
        ids=["integers", "bytes", "truth values", "floats", "vectors", "float32 vectors"],
    )
    def test_targets(self, targets, kind, count, dtype):
        typed = open_files([Path("a.csv"), Path("b.csv")], targets, SourceOptions()).targets
        assert (typed.kind, typed.class_count, typed.values.dtype) == (kind, count, dtype)
        np.testing.assert_array_equal(typed.values, targets)

    def test_no_targets(self):
        assert open_files([Path("a.csv")], None, SourceOptions()).targets is None

    @pytest.mark.parametrize(
        ("paths", "targets", "message"),
        [
            ([], None, r"^paths: found none, expected one file at least"),
            (["a.csv"], [1, 2], r"^targets: found 2 for 1 paths, expected one each"),
            (["a.csv"], ["cat"], r"^targets: found dtype <U3, expected integers for classes, or numbers"),
            (["a.csv", "b.csv"], [0, -1], r"^targets: found class -1, expected classes from 0; floats are numbers"),
        ],
        ids=["no paths", "more targets", "words", "negative"],
    )
    def test_what_does_not_fit(self, paths, targets, message):
        with pytest.raises(OptionError, match=message):
            open_files([Path(path) for path in paths], targets, SourceOptions())


class TestRowTargets:
    def typed(self, labels, options=None, indices=None, length=None):
        spellings = [("none",), *dict.fromkeys(map(tuple, labels))]  # the first one is no row's
        numbers = np.array([spellings.index(tuple(label)) for label in labels])
        indices = np.arange(len(labels)) if indices is None else np.array(indices)
        return row_targets(indices, numbers, spellings, length or len(labels), "t.csv", options or SourceOptions())

    def test_labels_come_in_any_order(self):
        typed = self.typed([["2"], ["0"], ["1"]], indices=[4, 0, 2], length=5)
        assert typed.values.tolist() == [0, 0, 1, 0, 2]
        assert (typed.kind, typed.class_count) == ("class", 3)

    @pytest.mark.parametrize(
        ("labels", "values", "kind", "names"),
        [
            ([["7"], ["07"], ["7"]], [7, 7, 7], "class", None),
            ([["1.5"], ["2"], ["1.50"]], [1.5, 2, 1.5], "number", None),
            ([["dog"], ["cat"], ["dog"]], [1, 0, 1], "class", ("cat", "dog")),
            ([["1", "2.5"], ["3", "4"]], [[1, 2.5], [3, 4]], "number", None),
        ],
        ids=["integers", "floats", "words", "vectors"],
    )
    def test_what_labels_are(self, labels, values, kind, names):
        typed = self.typed(labels)
        assert (typed.values.tolist(), typed.kind, typed.class_names) == (values, kind, names)

    def test_options_are_heeded(self):
        assert self.typed([["1"], ["0"]], SourceOptions(target_type="number")).values.dtype == np.float64
        classes = Classes(3, ("cat", "cow", "dog"), "a.h5")
        assert self.typed([["dog"], ["cat"]], SourceOptions(classes=classes)).values.tolist() == [2, 0]

    @pytest.mark.parametrize("labels", [[["-1"], ["0"]], [["nan"], ["0.5"]], [["x", "1"], ["2", "3"]]])
    def test_what_is_no_target_is_refused_with_the_table(self, labels):
        with pytest.raises(SourceError, match=r"^t\.csv: found"):
            self.typed(labels)

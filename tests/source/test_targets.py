"""Every sample gets the target that stands beside its name; what labels are is told from the labels."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.errors import OptionError, SourceError
from seekless.source.targets import Classes, TargetOptions, folder_targets, join_targets, typed_targets

PLAIN = TargetOptions()


@pytest.fixture
def join(tmp_path):
    """Return a function that joins keys to labels, and gives the label of each key, or None."""

    def join(keys, text, options=PLAIN):
        (tmp_path / "target.csv").write_text(text, encoding="utf-8")
        found, lines = join_targets(keys, tmp_path / "target.csv", options)
        assert found.dtype == np.int64
        labels = [lines.labels[line] if line >= 0 else None for line in found.tolist()]
        return [label[0] if label is not None and len(label) == 1 else label for label in labels]

    return join


class TestJoin:
    @pytest.mark.parametrize(
        ("keys", "text", "labels"),
        [
            (["train/a.csv", "train/b.csv"], "train/b.csv,1\ntrain/a.csv,0\n", ["0", "1"]),
            (["train/a.csv", "train/b.csv"], "b.csv,1\na.csv,0\n", ["0", "1"]),
            (["train/a.csv", "train/b.csv"], "b,1\na,0\n", ["0", "1"]),
            (["train/00007.csv", "train/00010.csv"], "10,1\n7,0\n", ["0", "1"]),
            (["train/7.csv", "train/10.csv"], "00010,1\n00007,0\n", ["0", "1"]),
            (["x/1.csv", "y/1.csv"], "y/1.csv,1\nx/1.csv,0\n", ["0", "1"]),
            (["a.csv.gz", "b.CSV.GZ"], "b,1\na,0\n", ["0", "1"]),
            (["a.b.csv", "a.csv"], "a,1\na.b,0\n", ["0", "1"]),
            (["é 1.csv", "漢.csv"], "漢,1\né 1,0\n", ["0", "1"]),
            (["a.csv", "b.csv"], "id,label\nb,1\na,0\n", ["0", "1"]),
            (["a.csv", "b.csv"], "id,label\nb,dog\na,cat\n", ["cat", "dog"]),
            (["a.csv", "b.csv"], "b,dog\na,dog\n", ["dog", "dog"]),
            (["a.csv", "b.csv"], "a,1\n", ["1", None]),
            (["a.csv"], "a,1\nb,2\n", ["1"]),
            (["a.csv", "b.csv"], "a,1,2\nb,3,4\n", [("1", "2"), ("3", "4")]),
            (["x.csv", "sub/y.csv", "z.csv"], "y.csv,1\nx.csv,0\nz,2\n", ["0", "1", "2"]),
            (["x.csv", "sub/x.csv"], "x.csv,1\n", ["1", None]),
            (["x.csv", "sub/x.csv"], "x,0\nx.csv,1\n", ["1", "0"]),
        ],
        ids=[
            "paths",
            "names",
            "stems",
            "numbers",
            "numbers with zeros",
            "paths alone tell apart",
            "gz",
            "dots",
            "words of the world",
            "header",
            "header over words",
            "no header",
            "no label",
            "no file",
            "two columns",
            "each in its own form",
            "the path of one is not the name of another",
            "nor keeps it from its stem",
        ],
    )
    def test_by_name(self, join, keys, text, labels):
        assert join(keys, text) == labels

    @given(
        numbers=st.sets(st.integers(0, 99_999), min_size=1, max_size=30),
        form=st.sampled_from(["{key}", "{key}.csv", "train/{key}.csv", "{number}"]),
        random=st.randoms(use_true_random=False),
    )
    @settings(
        max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_never_by_the_order_of_the_lines(self, join, numbers, form, random):
        label_of = {number: str(number * 7 % 11) for number in numbers}
        lines = [f"{form.format(key=f'{number:05d}', number=number)},{label_of[number]}" for number in numbers]
        random.shuffle(lines)
        keys = [f"train/{number:05d}.csv" for number in sorted(numbers)]
        assert join(keys, "\n".join(lines)) == [label_of[number] for number in sorted(numbers)]

    def test_numbers_without_zeros_beside_as_many_digits_as_names_have(self, join):
        """10,001 files 00000.csv to 10000.csv and ids 0 to 10000: that 10000 fits as written misleads nobody."""
        assert join(["00000.csv", "00007.csv", "10000.csv"], "10000,2\n7,1\n0,0\n") == ["0", "1", "2"]

    def test_a_first_line_that_may_be_a_missing_file_is_no_header(self, tmp_path):
        path = tmp_path / "labels.csv"
        path.write_text("alice,red\nbob,blue\ncarl,blue\n")
        found, lines = join_targets(["bob.csv", "carl.csv"], path, TargetOptions())
        assert lines.ids == ["alice", "bob", "carl"]
        assert found.tolist() == [1, 2]

    def test_as_written_goes_before_the_same_number(self, join):
        assert join(["7.csv", "07.csv"], "07,1\n7,0\n") == ["0", "1"]

    @pytest.mark.parametrize(
        ("keys", "text", "message"),
        [
            (["a.csv", "b.csv"], "a,1\nb,2\na,1\n", r"found more than one line for a, expected one line a sample"),
            (["a.csv", "b.csv"], "a,1\nb,2\na,3\n", r"found more than one line for a \(1; 3\), expected one line"),
            (
                ["x/1.csv", "y/1.csv"],
                "1,0\n",
                r"line 1: found id '1', which fits x/1\.csv, y/1\.csv, expected one sample",
            ),
            (
                ["a.csv", "a.tsv"],
                "\na,0\n",
                r"line 2: found id 'a', which fits a\.csv, a\.tsv, expected one sample an id",
            ),
            (
                ["007.csv", "07.csv"],
                "7,0\n",
                r"line 1: found id '7', which fits 007\.csv, 07\.csv, expected one sample",
            ),
            (["7.csv"], "007,0\n0007,1\n", r"found two ids that are the number 7, expected ids as the files are named"),
            (
                ["00003.csv"],
                "3,0\n00003,1\n",
                r"line 1: found id '3' beside '00003', both for 00003\.csv, expected one line a sample",
            ),
            (["t/a.csv"], "a.csv,0\na,1\n", r"line 2: found id 'a' beside 'a\.csv', both for t/a\.csv, expected one"),
            (["a.csv"], "a,0\n../b,1\n", r"line 2: found '\.\./b', expected a name inside the source's folder"),
            (["a.csv"], "a,0\nx/../b,1\n", r"line 2: found 'x/\.\./b', expected a name inside"),
            (["a.csv"], "/etc/passwd,0\na,1\n", r"line 1: found '/etc/passwd', expected a name inside"),
            (["a.csv"], "", r"found no lines, expected 'name,label' for each sample"),
        ],
        ids=[
            "twice",
            "contradiction",
            "two folders",
            "two suffixes",
            "two numbers",
            "two ids of a number",
            "two ids, one as written",
            "two forms",
            "above",
            "in and above",
            "elsewhere",
            "empty",
        ],
    )
    def test_what_is_not_one_to_one(self, join, keys, text, message):
        with pytest.raises(SourceError, match=rf"target\.csv.*{message}"):
            join(keys, text)

    def test_a_chosen_column_has_a_header(self, join):
        options = TargetOptions(columns=("y",))
        assert join(["a.csv", "b.csv"], "id,x,y\nb,1,2\na,3,4\n", options) == ["4", "2"]

    def test_a_column_that_is_not_there(self, join):
        with pytest.raises(SourceError, match=r"found no column z in its first line, expected one of x, y"):
            join(["a.csv"], "id,x,y\na,3,4\n", TargetOptions(columns=("z",)))


def typed(labels, **options):
    return typed_targets([(label,) for label in labels], "target.csv", TargetOptions(**options))


class TestTyped:
    @pytest.mark.parametrize(
        ("labels", "values", "count"),
        [(["0", "2", "1"], [0, 2, 1], 3), (["007", "+3", "-0"], [7, 3, 0], 8), (["999999"], [999_999], 1_000_000)],
    )
    def test_whole_numbers_are_classes(self, labels, values, count):
        made = typed(labels)
        assert (made.kind, made.class_count, made.class_names) == ("class", count, None)
        assert made.values.dtype == np.int64
        assert made.values.tolist() == values

    @pytest.mark.parametrize(
        ("labels", "values"), [(["0.5", "2"], [0.5, 2.0]), (["1e3", "-2"], [1000.0, -2.0]), (["0.1"], [0.1])]
    )
    def test_other_numbers_are_numbers(self, labels, values):
        made = typed(labels)
        assert (made.kind, made.class_count, made.class_names) == ("number", 0, None)
        assert made.values.dtype == np.float64
        assert made.values.tolist() == values

    @pytest.mark.parametrize(
        ("labels", "values", "names"),
        [
            (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
            (["1", "cat", "10", "2"], [0, 3, 1, 2], ("1", "10", "2", "cat")),
            (["1_0", "1_1"], [0, 1], ("1_0", "1_1")),
            (["--5", "+-5"], [1, 0], ("+-5", "--5")),
            (["é", "z"], [1, 0], ("z", "é")),
        ],
    )
    def test_words_are_classes_by_sorted_name(self, labels, values, names):
        made = typed(labels)
        assert (made.kind, made.class_count, made.class_names) == ("class", len(names), names)
        assert made.values.dtype == np.int64
        assert made.values.tolist() == values

    def test_several_columns_are_a_vector_of_numbers(self):
        made = typed_targets([("1", "2"), ("3", "4.5")], "target.csv", PLAIN)
        assert (made.kind, made.class_count) == ("number", 0)
        assert made.values.tolist() == [[1, 2], [3, 4.5]]
        assert made.values.dtype == np.float64

    def test_what_is_asked_for_is_taken(self):
        assert typed(["0", "1"], kind="number").values.dtype == np.float64
        assert typed(["-5", "7"], kind="number").values.tolist() == [-5, 7]
        assert typed(["0.5", "1"], kind="class").class_names == ("0.5", "1")
        assert typed(["-1", "1"], kind="class").class_names == ("-1", "1")
        assert typed(["0", "3"], kind="class").class_names is None

    @pytest.mark.parametrize(
        ("labels", "options", "message"),
        [
            (["0", ""], {}, r"target\.csv: found an empty label, expected one for each sample"),
            (["0", "-1"], {}, r"target\.csv: found class -1, expected classes from 0 to 999999; --target-type number"),
            (["0", "1000000"], {}, r"target\.csv: found class 1000000, expected classes from 0 to 999999"),
            (["99999999999999999999"], {}, r"found class 99999999999999999999, expected classes from 0 to 999999"),
            (["1", "cat"], {"kind": "number"}, r"target\.csv: found label 'cat', expected a number; see --target-type"),
            (["1.5", "nan"], {}, r"target\.csv: found a label that is not a finite number, expected finite numbers"),
            (["1.5", "1e999"], {}, r"target\.csv: found a label that is not a finite number"),
        ],
        ids=["empty", "negative", "large", "huge", "word", "nan", "infinite"],
    )
    def test_what_is_no_target(self, labels, options, message):
        with pytest.raises(SourceError, match=message):
            typed(labels, **options)

    @pytest.mark.parametrize(
        "options", [{"kind": "class"}, {"classes": Classes(2, None, "a.h5")}], ids=["kind", "given"]
    )
    def test_several_columns_are_no_class(self, options):
        with pytest.raises(SourceError, match="found 2 target columns, expected one; see --target-column"):
            typed_targets([("1", "2")], "target.csv", TargetOptions(**options))

    def test_a_word_among_columns_of_numbers(self):
        with pytest.raises(SourceError, match="found label 'x', expected a number"):
            typed_targets([("1", "2"), ("3", "x")], "target.csv", PLAIN)


class TestGivenClasses:
    NAMED = Classes(3, ("ant", "bee", "cat"), "old.h5")
    NUMBERED = Classes(3, None, "old.h5")

    def test_names_have_the_numbers_of_the_other_store(self):
        made = typed(["cat", "ant"], classes=self.NAMED)
        assert (made.values.tolist(), made.class_count, made.class_names) == ([2, 0], 3, ("ant", "bee", "cat"))

    def test_numbers_stay_and_the_count_is_that_of_the_other_store(self):
        made = typed(["1", "00"], classes=self.NUMBERED)
        assert (made.values.tolist(), made.class_count, made.class_names) == ([1, 0], 3, None)

    @pytest.mark.parametrize(
        ("labels", "classes", "message"),
        [
            (["cat", "dog"], NAMED, r"found classes dog, expected those of old\.h5: ant, bee, cat"),
            (["1", "3"], NUMBERED, r"found classes 3, expected those of old\.h5: 0 to 2"),
            (["-1"], NUMBERED, r"found classes -1, expected those of old\.h5: 0 to 2"),
            (["ant"], NUMBERED, r"found classes ant, expected those of old\.h5: 0 to 2"),
        ],
    )
    def test_others_are_refused(self, labels, classes, message):
        with pytest.raises(SourceError, match=message):
            typed(labels, classes=classes)


class TestFolders:
    def test_the_first_part_of_a_key_is_its_class(self):
        made = folder_targets(["cat/x/1.png", "ant/1.png", "cat/2.png"], "data", PLAIN)
        assert (made.values.tolist(), made.kind, made.class_count) == ([1, 0, 1], "class", 2)
        assert made.class_names == ("ant", "cat")
        assert made.values.dtype == np.int64

    def test_names_that_are_numbers_stay_names(self):
        assert folder_targets(["0/a.png", "10/a.png", "2/a.png"], "data", PLAIN).class_names == ("0", "10", "2")

    def test_of_another_store(self):
        options = TargetOptions(classes=TestGivenClasses.NAMED)
        assert folder_targets(["cat/1.png", "bee/1.png"], "data", options).values.tolist() == [2, 1]
        assert folder_targets(["cat/1.png"], "data", options).class_count == 3

    @pytest.mark.parametrize(
        ("keys", "options", "error", "message"),
        [
            (
                ["a/1.png", "2.png"],
                {},
                SourceError,
                r"data: found 2\.png in no class folder, expected a folder a class",
            ),
            (["a/1.png", "a/2.png"], {}, SourceError, r"data: found the one folder 'a', expected two class folders or"),
            (
                ["a/1.png", "b/1.png"],
                {"kind": "number"},
                OptionError,
                r"--target-type: found number, expected class where",
            ),
            (
                ["a/1.png", "b/1.png"],
                {"columns": ("x",)},
                OptionError,
                r"--target-column: found x where a folder is a class, expected none; or give --labels",
            ),
            (
                ["a/1.png", "ant/1.png"],
                {"classes": TestGivenClasses.NAMED},
                SourceError,
                r"data: found classes a, expected those of old\.h5: ant, bee, cat",
            ),
        ],
        ids=["loose", "one", "numbers", "columns", "unknown"],
    )
    def test_what_is_refused(self, keys, options, error, message):
        with pytest.raises(error, match=message):
            folder_targets(keys, "data", TargetOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "word"}, "--target-type: found 'word', expected class or number"),
        (
            {"kind": "number", "classes": TestGivenClasses.NUMBERED},
            "--classes-from: found together with --target-type number, expected classes",
        ),
    ],
)
def test_options_check_themselves(options, message):
    with pytest.raises(OptionError, match=message):
        TargetOptions(**options)

"""What labels are is told from the labels, or asked for."""

import numpy as np
import pytest

from seekless.errors import OptionError, SourceError
from seekless.source.targets import Classes, TargetOptions, folder_targets, typed_targets

PLAIN = TargetOptions()


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

"""What fields are called, and how several inputs become x."""

import pytest

from seekless.store.inputs import as_x, field_order, input_name, is_input


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *(("x", True), ("x/image", True), ("x/a.b-c_1", True), ("x/0", True), ("x/" + "a" * 100, True)),
        *(("y", False), ("x/", False), ("x/a/b", False), ("x/.a", False), ("x/..", False), ("x/a b", False)),
        *(("x/\u00e9", False), ("x/a\n", False), ("X", False), ("x/-a", False), ("x/" + "a" * 101, False)),
    ],
)
def test_which_fields_are_inputs(name, answer):
    assert is_input(name) is answer


def test_inputs_come_by_name_and_labels_behind_them():
    names = ["key", "x/b", "sample_weight", "y", "x/a"]
    assert field_order(names) == ["x/a", "x/b", "y", "sample_weight", "key"]
    assert field_order(["key", "x"]) == ["x", "key"]


@pytest.mark.parametrize("names", [[], ["y", "key"], ["x", "x/a"], ["x", "z"], ["x/a/b"]])
def test_fields_of_no_store(names):
    with pytest.raises(ValueError, match=r"the fields .*, expected x, or x/NAME, and others beside"):
        field_order(names)


def test_x_is_a_dictionary_of_several_inputs_and_of_one_that_has_a_name():
    assert as_x({"x": 3}) == 3
    assert as_x({"x/a": 1, "x/b": 2}) == {"a": 1, "b": 2}
    assert as_x({"x/a": 1}) == {"a": 1}
    assert (input_name("x/a"), input_name("x")) == ("a", "x")

"""What is to be learnt."""

import pytest

from seekless.train.targets import Targets


@pytest.mark.parametrize(
    ("targets", "outputs", "text"),
    [
        (Targets("class", 10), 10, "10 classes"),
        (Targets("class", 1), 1, "1 class"),
        (Targets("number"), 1, "one number"),
        (Targets("number", shape=(3,)), 3, "3 numbers"),
    ],
)
def test_a_model_gives_as_many_numbers_as_there_are_to_learn(targets, outputs, text):
    assert (targets.outputs, str(targets)) == (outputs, text)


@pytest.mark.parametrize("targets", [Targets("class", 2, ("cat", "dog")), Targets("number", shape=(3,))])
def test_targets_come_back_from_json(targets):
    assert Targets.of_dict(targets.as_dict()) == targets


def test_classes_are_called_by_name_or_number():
    assert (Targets("class", 2, ("cat", "dog")).name(1), Targets("class", 2).name(1)) == ("dog", "1")

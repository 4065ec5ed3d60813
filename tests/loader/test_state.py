"""A state survives JSON, and nothing else passes for one."""

import json

import pytest

from seekless.errors import OptionError
from seekless.loader.state import State


def test_a_state_comes_back_from_json():
    state = State(2**64 - 1, 3, 41, "shuffle window")
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


@pytest.mark.parametrize(
    "values",
    [None, [1, 2, 3], {}, {"seed": 1, "epoch": 2, "steps": 3}, {"seed": 1, "epoch": 2, "steps": "3", "order": ""}],
    ids=["none", "list", "empty", "no order", "text"],
)
def test_anything_else_is_an_option_error(values):
    with pytest.raises(OptionError, match=r"state: found .* expected seed, epoch and steps, and the order in words"):
        State.from_json(values)

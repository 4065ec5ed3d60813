"""The options that say how a source is decoded: the first given is the first in the help."""

import click
import pytest
from click.testing import CliRunner

from seekless.decoding_options import csv_options, image_options, target_options, together


@pytest.fixture
def parsed():
    """Return a function that parses arguments by some of the options, and gives what the command is called with."""

    def parse(options, *arguments):
        given = {}
        command = click.command()(options(lambda **values: given.update(values)))
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        return given

    return parse


def test_options_stand_in_the_help_in_their_order():
    both = together(click.option("--first"), click.option("--second"))
    shown = CliRunner().invoke(click.command()(both(lambda **values: None)), ["--help"]).output
    assert shown.index("--first") < shown.index("--second")


def test_csv_options_come_as_values(parsed):
    given = parsed(csv_options, "--shape", "28x28,1", "--columns", "0,-1", "--decimal", ",", "--scale", "255", "--rows")
    assert (given["shape"], given["columns"], given["decimal"]) == ((28, 28, 1), (0, -1), ",")
    assert (given["scale"], given["rows"], given["allow_nan"], given["skip_rows"]) == (255, True, False, 0)


def test_image_options_come_as_values(parsed):
    assert parsed(image_options, "--size", "20x30", "--channels", "3") == {
        "size": (20, 30),
        "channels": 3,
        "resize": "stretch",
    }
    assert parsed(image_options)["channels"] is None


def test_target_options_come_as_values(parsed):
    given = parsed(target_options, "--target-column", "a", "--target-column", "b", "--target-type", "number")
    assert given == {"labels": None, "target_columns": ("a", "b"), "target_type": "number"}

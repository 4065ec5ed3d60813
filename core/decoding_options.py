"""The options that say how a source is decoded: the same words in every command that reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from seekless.parameters import Numbers

__all__ = ["csv_file_options", "csv_options", "image_options", "target_options", "together"]

Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Make one decorator of several options; the first is the first in the help."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


csv_file_options = together(
    click.option("--shape", type=Numbers("28,28,1", ",x"), help="Of a sample, such as 28,28,1.  [default: its file's]"),
    click.option("--delimiter", metavar="CHAR", help="Between columns; also tab, whitespace.  [default: found]"),
    click.option("--decimal", type=click.Choice([".", ","]), default=".", show_default=True, help="The decimal point."),
    click.option("--skip-rows", default=0, show_default=True, help="Lines to leave out at the top of each file."),
    click.option("--columns", type=Numbers("0,1,-1"), help="Columns to keep, such as 0,1,-1.  [default: all]"),
    click.option("--allow-nan", is_flag=True, help="Take NaN and infinity as values."),
    click.option("--scale", default=1, show_default=True, help="Training divides by this: 255 for pixels of 0 to 255."),
)
csv_options = together(
    click.option("--rows", is_flag=True, help="SOURCE is a table, or a folder of tables: a row is a sample."),
    csv_file_options,
)
image_options = together(
    click.option(
        "--size",
        type=Numbers("256x256", "x", count=2),
        metavar="HEIGHTxWIDTH",
        help="Resize all to this, such as 256x256.  [default: as they are]",
    ),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "fit", "crop"]),
        default="stretch",
        show_default=True,
        help="Ignore proportions, pad with black, or cut what stands over.",
    ),
    click.option(
        "--channels",
        type=click.Choice(["1", "3", "4"]),
        callback=lambda context, parameter, value: None if value is None else int(value),
        help="Gray, RGB or RGBA.  [default: each file's own]",
    ),
)
target_options = together(
    click.option("--labels", metavar="FILE", help="Targets: lines 'name,label'; or none.  [default: found]"),
    click.option("--target-column", "target_columns", multiple=True, metavar="NAME", help="Its column; repeatable."),
    click.option("--target-type", type=click.Choice(["class", "number"]), help="[default: told from the labels]"),
)

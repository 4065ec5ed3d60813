"""The `convert` command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from seekless.command import run
from seekless.convert.cli_look import info, preview, verify
from seekless.parameters import ByteSize, Numbers

__all__ = ["convert", "main"]

Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> None:
    """Run `convert` as a console command."""
    run(convert, name="convert")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seekless", prog_name="seekless")
def convert() -> None:
    """Pack many small files into one store of large blocks, in random order, for training with `train`."""


def _together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Make one decorator of several options; the first is the first in the help."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_csv_options = _together(
    click.option("--rows", is_flag=True, help="SOURCE is a table, or a folder of tables: a row is a sample."),
    click.option("--shape", type=Numbers("28,28,1", ",x"), help="Of a sample, such as 28,28,1.  [default: its file's]"),
    click.option("--delimiter", metavar="CHAR", help="Between columns; also tab, whitespace.  [default: found]"),
    click.option("--decimal", type=click.Choice([".", ","]), default=".", show_default=True, help="The decimal point."),
    click.option("--skip-rows", default=0, show_default=True, help="Lines to leave out at the top of each file."),
    click.option("--columns", type=Numbers("0,1,-1"), help="Columns to keep, such as 0,1,-1.  [default: all]"),
    click.option("--allow-nan", is_flag=True, help="Take NaN and infinity as values."),
)
_image_options = _together(
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
_common_options = _together(
    click.option("--labels", metavar="FILE", help="Targets: lines 'name,label'; or none.  [default: found]"),
    click.option("--target-column", "target_columns", multiple=True, metavar="NAME", help="Its column; repeatable."),
    click.option("--target-type", type=click.Choice(["class", "number"]), help="[default: told from the labels]"),
    click.option("--classes-from", metavar="STORE", help="Number classes as another store does."),
    click.option("--seed", default=0, show_default=True, help="Draws the random order; the same seed, the same bytes."),
    click.option("--test-fraction", type=float, metavar="F", help="Record the last part of STORE as its test part."),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        show_default=True,
        help="List bad samples and stop, or leave them out.",
    ),
    click.option(
        "--memory", type=ByteSize(), default="1GiB", show_default=True, help="For samples; more goes through files."
    ),
    click.option("--workers", type=int, metavar="N", help="Worker processes.  [default: one a core]"),
    click.option("--overwrite", is_flag=True, help="Replace STORE if it exists."),
    click.option("--quiet", is_flag=True, help="No progress bar, no summary."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
)

_HELP = {
    "csv": """Pack CSV files, each one sample, into one {store}.

SOURCE is a folder (default: data): train/*.csv beside target.csv, or a folder a class, or any files with --labels.
STORE is the {what} to make (default: {default}). Targets are joined to files by name. With --rows a row of a table is a
sample, and --target-column names the column of its target.""",
    "image": """Pack images, each one sample, into one {store}.

SOURCE is a folder (default: data) of PNG, JPEG, BMP, GIF, TIFF or WebP files: a folder a class, or train/ beside
target.csv, or any files with --labels. STORE is the {what} to make (default: {default}). Without --size all must have
one size.""",
}
_STORES = {
    "h5": {"store": "HDF5 file", "what": "file", "default": "data.h5"},
    "npy": {"store": "folder of .npy files", "what": "folder", "default": "data.npy.d"},
}


def _add(name: str, kind: str, own_options: Callable[[Command], Command], to: str) -> None:
    """Add the command for one kind of source and one of store."""
    words = _STORES[to]

    def command(source: str, store: str, *, quiet: bool, debug: bool, **options: Any) -> None:
        del debug  # read by seekless.command.run from the arguments themselves
        from seekless.convert.run import pack

        summary = pack(source, store, kind=kind, progress=not quiet, **options)
        if not quiet:
            click.echo(summary)

    decorated = own_options(_common_options(command))  # type: ignore[arg-type]  # a decorator keeps what it decorates
    decorated = click.argument("store", default=words["default"])(decorated)
    decorated = click.argument("source", default="data")(decorated)
    convert.command(f"{name}-to-{to}", help=_HELP[kind].format(**words))(decorated)


for _to in _STORES:
    _add("csv", "csv", _csv_options, _to)
    _add("png", "image", _image_options, _to)

for _command in (info, verify, preview):
    convert.add_command(_command)

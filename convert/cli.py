"""The `convert` command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from seekless.command import run
from seekless.convert.cli_look import info, preview, verify
from seekless.convert.cli_options import run_options, store_options
from seekless.convert.cli_stores import extract, merge, shuffle
from seekless.decoding_options import csv_options, image_options, target_options, together

__all__ = ["convert", "main"]

Command = TypeVar("Command", bound=Callable[..., Any])


def main() -> None:
    """Run `convert` as a console command."""
    run(convert, name="convert")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seekless", prog_name="seekless")
def convert() -> None:
    """Pack many small files into one store of large blocks, in random order, for training with `train`."""


# As in seekless.convert.options; written here so that --help need not wait for NumPy.
DTYPES = ("auto", "uint8", "int8", "uint16", "int16", "float16", "float32", "float64")

_common_options = together(
    target_options,
    click.option("--classes-from", metavar="STORE", help="Number classes as another store does."),
    click.option("--seed", default=0, show_default=True, help="Draws the random order; the same seed, the same bytes."),
    click.option(
        "--no-shuffle", "shuffle", flag_value=False, default=True, help="Leave samples in the order of their names."
    ),
    click.option(
        "--group-by",
        metavar="PATTERN",
        help="Never split what the names have in common, such as '^[^/]*' for a folder a patient.",
    ),
    click.option("--test-fraction", type=float, metavar="F", help="Record the last part of STORE as its test part."),
    click.option(
        "--on-error",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        show_default=True,
        help="List bad samples and stop, or leave them out.",
    ),
    click.option("--workers", type=int, metavar="N", help="Worker processes.  [default: one a core]"),
    click.option("--dask", metavar="ADDRESS", help="Have a Dask cluster do it: tcp://HOST:8786, or local."),
    click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        default="auto",
        show_default=True,
        help="Stored; auto: the smallest that gives every value back bit for bit.",
    ),
    click.option("--lossy", is_flag=True, help="With --dtype: keep the nearest where a value does not fit."),
    store_options("STORE"),
    click.option("--resume", is_flag=True, help="Go on with what a stopped run of the same command has done."),
    click.option("--save-every", default=20.0, show_default=True, metavar="SECONDS", help="Save work for --resume."),
    click.option("--append", is_flag=True, help="Add to STORE what it does not hold yet, as it was made."),
    run_options,
)

_HELP = {
    "csv": """Pack CSV files into one {store}.

SOURCE is a folder (default: data): train/*.csv beside target.csv, or a folder a class, or any files with --labels.
STORE is the {what} to make (default: {default}). Targets are joined to files by name. With --rows a row of a table is a
sample, and --target-column names the column of its target.""",
    "image": """Pack images into one {store}.

SOURCE is a folder (default: data) of PNG, JPEG, BMP, GIF, TIFF or WebP files: a folder a class, or train/ beside
target.csv, or any files with --labels. STORE is the {what} to make (default: {default}). Without --size all must have
one size.""",
}
_STORES = {
    "h5": {"store": "HDF5 file", "what": "file", "default": "data.h5", "suffix": ".h5"},
    "npy": {"store": "folder of .npy files", "what": "folder", "default": "data.npy.d", "suffix": ".npy.d"},
}


def _add(name: str, kind: str, own_options: Callable[[Command], Command], to: str) -> None:
    """Add the command for one kind of source and one of store."""
    words = _STORES[to]

    def command(source: str, store: str, *, quiet: bool, debug: bool, **options: Any) -> None:
        del debug  # read by seekless.command.run from the arguments themselves
        if not store.endswith(words["suffix"]):
            raise click.UsageError(f"found a STORE named {store}, expected a name that ends in {words['suffix']}")
        from seekless.convert.server import start_early

        if options["dask"] is None:
            start_early(options["workers"])
        if options["append"]:  # what is not given is as the store was made
            source_of = click.get_current_context().get_parameter_source
            default = click.core.ParameterSource.DEFAULT
            options = {name: value for name, value in options.items() if source_of(name) is not default}
        from seekless.convert.run import pack
        from seekless.convert.target import saved_samples
        from seekless.errors import BusyError, OptionError, ResumeError, StoreExistsError

        try:
            summary = pack(source, store, kind=kind, progress=not quiet, **options)
        except (OptionError, StoreExistsError, BusyError, ResumeError):
            raise  # these say themselves what to do
        except BaseException as error:
            if kept := saved_samples(store, options.get("temp")):
                click.echo(f"{store}: {kept:,} samples read are kept; the same command goes on by --resume", err=True)
            elif not isinstance(error, Exception):
                what = "nothing was added" if options.get("append") else "no store was written"
                click.echo(f"{store}: {what}; the same command starts again", err=True)
            raise
        if not quiet:
            click.echo(summary)

    decorated = own_options(_common_options(command))  # type: ignore[arg-type]  # a decorator keeps what it decorates
    decorated = click.argument("store", default=words["default"])(decorated)
    decorated = click.argument("source", default="data")(decorated)
    convert.command(f"{name}-to-{to}", help=_HELP[kind].format(**words))(decorated)


for _to in _STORES:
    _add("csv", "csv", csv_options, _to)
    _add("png", "image", image_options, _to)

for _command in (extract, info, merge, preview, shuffle, verify):
    convert.add_command(_command)

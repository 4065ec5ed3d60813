"""The commands that look at a store: `convert info`, `preview`, `verify`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from seekless.decoding_options import csv_options, image_options, target_options

__all__ = ["info", "preview", "verify"]


@click.command()
@click.argument("store")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--scan/--no-scan", default=None, help="Read all values for their range.  [default: up to 1 GiB]")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def info(store: str, *, as_json: bool, scan: bool | None, debug: bool) -> None:
    """Say what STORE holds.

    Samples, shape, dtypes, blocks, classes, range of the values, and how long an epoch takes to read from this disk.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.store.describe import describe
    from seekless.store.store import open as open_store

    description = describe(open_store(store), scan=scan, progress=sys.stderr.isatty())
    click.echo(json.dumps(description.as_dict(), indent=2, ensure_ascii=False) if as_json else description)


@click.command()
@click.argument("store")
@click.argument("out", metavar="OUT.png")
@click.option("--class", "of_class", metavar="NAME_OR_NUMBER", help="Draw only samples of this class.")
@click.option("--input", "of_input", metavar="NAME", help="Which of several inputs; default: the one of pictures.")
@click.option("--count", default=64, show_default=True, help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Chooses them; the same seed, the same samples.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.png if it exists.")
@click.option("--quiet", is_flag=True, help="No summary.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def preview(store: str, out: str, *, quiet: bool, debug: bool, **options: Any) -> None:
    """Draw samples of STORE with their classes.

    They are chosen at random, and drawn side by side to the picture OUT.png: images and two-dimensional arrays.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.store.preview import preview as draw
    from seekless.store.store import open as open_store

    drawn = draw(open_store(store), out, **options)
    if not quiet:
        click.echo(drawn)


@click.command()
@click.argument("store")
@click.option("--against", metavar="SOURCE", help="Decode SOURCE again too, and compare every value and target.")
@target_options
@csv_options
@image_options
@click.option("--workers", type=int, metavar="N", help="Worker processes for SOURCE.  [default: one a core]")
@click.option("--quiet", is_flag=True, help="No progress bar, no summary: only what is wrong.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def verify(
    context: click.Context,
    /,
    store: str,
    *,
    against: str | None,
    workers: int | None,
    quiet: bool,
    debug: bool,
    **options: Any,
) -> None:
    """Check every byte of STORE.

    Every block that is not as it was written is named, with the samples in it.

    With --against, the samples of SOURCE are decoded again as the store recorded it; options that are given here count
    instead. --labels FILE must be given again, as a store keeps no path.

    Exit code 0: all is as it was written; 1: something is damaged or differs.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    given = {name: value for name, value in options.items() if _is_given(context, name)}
    if against is None and (given or workers is not None):
        raise click.UsageError("found options of a source without --against SOURCE, expected it with them")
    from seekless.store.verify import verify as verify_store

    verdict = verify_store(store, progress=not quiet)
    if verdict.bad or not quiet:
        click.echo(verdict)
    if verdict.bad:
        raise click.exceptions.Exit(1)
    if against is None:
        return
    from seekless.convert.compare import compare
    from seekless.store.store import open as open_store

    comparison = compare(open_store(store), against, workers=workers, progress=not quiet, **given)
    if not comparison.equal or not quiet:
        click.echo(comparison)
    if not comparison.equal:
        raise click.exceptions.Exit(1)


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT

"""The commands that look at a store: `convert info`, `verify`, `preview`."""

from __future__ import annotations

import json
from typing import Any

import click

__all__ = ["info", "preview", "verify"]


@click.command()
@click.argument("store")
@click.option("--quiet", is_flag=True, help="No progress bar, no summary: only what is wrong.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def verify(store: str, *, quiet: bool, debug: bool) -> None:
    """Read all of STORE, and name every block that is not as it was written.

    Exit code 0: every byte is as it was written; 1: something is damaged.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.store.verify import verify as verify_store

    verdict = verify_store(store, progress=not quiet)
    if verdict.bad or not quiet:
        click.echo(verdict)
    if verdict.bad:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("store")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--scan/--no-scan", default=None, help="Read all values for their range.  [default: up to 1 GiB]")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def info(store: str, *, as_json: bool, scan: bool | None, debug: bool) -> None:
    """Say what STORE holds: samples, shape, dtypes, blocks, classes, values, and how long an epoch takes to read."""
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.store.describe import describe
    from seekless.store.store import open as open_store

    description = describe(open_store(store), scan=scan, progress=True)
    click.echo(json.dumps(description.as_dict(), indent=2, ensure_ascii=False) if as_json else description)


@click.command()
@click.argument("store")
@click.argument("out", metavar="OUT.png")
@click.option("--class", "of_class", metavar="NAME_OR_NUMBER", help="Draw only samples of this class.")
@click.option("--count", default=64, show_default=True, help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="Chooses them; the same seed, the same samples.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.png if it exists.")
@click.option("--quiet", is_flag=True, help="No summary.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def preview(store: str, out: str, *, quiet: bool, debug: bool, **options: Any) -> None:
    """Draw randomly chosen samples of STORE, each with its class under it, to the picture OUT.png."""
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.store.preview import preview as draw
    from seekless.store.store import open as open_store

    drawn = draw(open_store(store), out, **options)
    if not quiet:
        click.echo(drawn)

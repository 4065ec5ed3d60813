"""The commands that look at a store: `convert verify`."""

from __future__ import annotations

import click

__all__ = ["verify"]


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

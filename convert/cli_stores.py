"""The commands that make something new of stores: `convert extract`, `merge`, `shuffle`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from seekless.convert.cli_options import memory_option, run_options, store_options

__all__ = ["extract", "merge", "shuffle"]


@contextmanager
def _nothing_left(out: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"{out}: nothing was written; the same command starts again", err=True)
        raise


@click.command()
@click.argument("store")
@click.argument("out")
@click.option("--seed", type=int, help="Draws the order; the same seed, the same bytes.  [default: STORE's + 1]")
@store_options("OUT")
@run_options
def shuffle(store: str, out: str, *, quiet: bool, debug: bool, **options: Any) -> None:
    """Write STORE to OUT in a new random order.

    STORE is read once from end to end. Where it records a train and a test part, each is shuffled by itself: no sample
    crosses from one to the other. By the seed that STORE was made with, samples come in the order they have. Values,
    dtypes, targets, classes and keys stay as they are.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.convert.rewrite import shuffle as shuffle_store

    with _nothing_left(out):
        summary = shuffle_store(store, out, progress=not quiet, **options)
    if not quiet:
        click.echo(summary)


@click.command()
@click.argument("stores", nargs=-1, required=True, metavar="STORE STORE...")
@click.argument("out")
@click.option("--prefix", is_flag=True, help="Put the name of its store before each key: a/7.csv for a sample of a.h5.")
@click.option("--seed", default=0, show_default=True, help="Draws the random order; the same seed, the same bytes.")
@store_options("OUT")
@run_options
def merge(stores: tuple[str, ...], out: str, *, quiet: bool, debug: bool, **options: Any) -> None:
    """Join two or more stores to OUT, in a random order.

    Samples have one shape, dtype and scale, and targets are of one kind. Each store is read once from end to end. Class
    names that the first store lacks get the next numbers. A train part is joined of all train parts, a test part of all
    test parts; all stores record them, or none does.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.convert.rewrite import merge as merge_stores

    with _nothing_left(out):
        summary = merge_stores(stores, out, progress=not quiet, **options)
    if not quiet:
        click.echo(summary)


@click.command()
@click.argument("store")
@click.argument("folder")
@memory_option
@run_options
def extract(store: str, folder: str, *, quiet: bool, debug: bool, **options: Any) -> None:
    """Write the samples of STORE back as files to a new FOLDER.

    Keys are the files' paths. Pictures become PNG files, other samples CSV files, rows of tables tables. Targets go to
    target.csv, unless each file lies in the folder of its class. The last line of the summary is the command that makes
    a store of FOLDER again.
    """
    del debug  # read by seekless.command.run from the arguments themselves
    from seekless.convert.extract import extract as extract_store

    with _nothing_left(folder):
        summary = extract_store(store, folder, progress=not quiet, **options)
    if not quiet:
        click.echo(summary)

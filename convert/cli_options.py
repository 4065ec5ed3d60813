"""The options that commands which write a store share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from seekless.decoding_options import together
from seekless.parameters import ByteSize

__all__ = ["memory_option", "run_options", "store_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

# As in seekless.store.codecs; written here so that --help need not wait for NumPy.
CODECS = ("none", "zstd", "lz4", "gzip", "blosc2", "auto")

memory_option = click.option(
    "--memory", type=ByteSize(), default="1GiB", show_default=True, help="For samples; more goes through files."
)
run_options = together(
    click.option("--quiet", is_flag=True, help="No progress bar, no summary."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
)


def store_options(store: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of how a store is written.

    Args:
        store: What the command's help calls it.
    """
    return together(
        memory_option,
        click.option(
            "--temp", metavar="DIR", help=f"For passing files, of data past --memory.  [default: beside {store}]"
        ),
        click.option(
            "--compression",
            type=click.Choice(CODECS),
            default="auto",
            show_default=True,
            help="Of blocks; auto: the shortest epochs on a spinning disk.",
        ),
        click.option(
            "--block-bytes", type=ByteSize(), metavar="SIZE", help="Of a block at most.  [default: up to 8 MiB]"
        ),
        click.option("--shard-bytes", type=ByteSize(), metavar="SIZE", help=f"Spread {store} over files of this size."),
        click.option("--overwrite", is_flag=True, help=f"Replace {store} if it exists."),
    )

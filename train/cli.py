"""The `train` command."""

from __future__ import annotations

from typing import Any

import click

from seekless.command import run
from seekless.parameters import Numbers

__all__ = ["main", "train"]


def main() -> None:
    """Run `train` as a console command."""
    run(train, name="train")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seekless", prog_name="seekless")
@click.option("--store", metavar="STORE", help="The store to train from, such as data.h5.")
@click.option("--files", metavar="FOLDER", help="Train from loose files instead, the slow way, to compare.")
@click.option("--labels", metavar="FILE", help="With --files: their targets.  [default: found]")
@click.option("--shape", type=Numbers("28,28,1", ",x"), help="With --files of CSV: the shape of a sample.")
@click.option("--size", type=Numbers("256x256", "x", count=2), metavar="HEIGHTxWIDTH", help="With --files: of images.")
@click.option(
    "--channels",
    type=click.Choice(["1", "3", "4"]),
    callback=lambda context, parameter, value: None if value is None else int(value),
    help="With --files: of images.",
)
@click.option(
    "--model", type=click.Choice(["lenet", "lenet-wide"]), default="lenet", show_default=True, help="What to train."
)
@click.option("--epochs", default=5, show_default=True, help="Passes over the train part.")
@click.option("--batch-size", default=64, show_default=True, help="Samples in a batch.")
@click.option("--learning-rate", default=1e-3, show_default=True, help="Of the Adam optimizer.")
@click.option("--seed", default=0, show_default=True, help="Draws the weights and the order of the samples.")
@click.option(
    "--test-fraction",
    type=float,
    metavar="F",
    help="Hold out the last part of the store.  [default: the part that the store records, else 0.1]",
)
@click.option(
    "--method",
    type=click.Choice(["fit", "train-on-batch"]),
    default="fit",
    show_default=True,
    help="Keras' own loop, or an explicit one.",
)
@click.option("--out", default="runs", show_default=True, metavar="FOLDER", help="Where runs are kept, a folder each.")
@click.option("--quiet", is_flag=True, help="Print only the result.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def train(*, debug: bool, **options: Any) -> None:
    """Train a model from a store, test it on the part held out, and leave a folder under runs/."""
    from seekless.train.backend import start_keras

    start_keras(quiet=not debug)
    from seekless.train.fit import train_model
    from seekless.train.options import Options

    result = train_model(Options(**options))
    click.echo(f"Test loss: {result.loss:.4f}")
    click.echo(f"Test accuracy: {result.accuracy:.4f}")
    if not options["quiet"]:
        picture = result.folder / "history.png"
        click.echo(f"{result.folder}: model.keras, history.csv, config.json" + (", history.png" * picture.exists()))

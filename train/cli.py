"""The `train` command."""

from __future__ import annotations

from typing import Any

import click

from seekless.command import run
from seekless.decoding_options import csv_file_options, image_options, target_options, together
from seekless.errors import OptionError
from seekless.parameters import ByteSize
from seekless.train.options import BACKENDS, DECODING, METHODS, SHUFFLES, TYPED, Options

__all__ = ["main", "train"]


# What may be given with --continue.
GOING_ON = ("run_folder", "epochs", "quiet", "debug")


def main() -> None:
    """Run `train` as a console command."""
    run(train, name="train")


def _choice(values: tuple[str, ...]) -> click.Choice[str]:
    return click.Choice(list(values))


_data_options = together(
    click.option("--store", metavar="STORE", help="The store to train from, such as data.h5 or s3://bucket/data.h5."),
    click.option("--files", metavar="FOLDER", help="Train from loose files instead, the slow way, to compare."),
    target_options,
    csv_file_options,
    image_options,
)
_model_options = together(
    click.option(
        "--model",
        default="lenet",
        show_default=True,
        metavar="MODEL",
        help="lenet, lenet-wide, saved.keras, or package.module:function, looked for in the current folder first: "
        "called as function(sample_shape, outputs), outputs being the number of classes or of numbers to predict, it "
        "returns a Keras model. One that comes compiled keeps its own optimizer, loss and metrics, but for those that "
        "are given here.",
    ),
    click.option("--epochs", default=5, show_default=True, help="Passes over the train part."),
    click.option("--batch-size", default=64, show_default=True, help="Samples in a batch."),
    click.option("--optimizer", metavar="NAME", help="A Keras optimizer, such as sgd or adamw.  [default: adam]"),
    click.option("--learning-rate", type=float, metavar="RATE", help="[default: the optimizer's; of adam 0.001]"),
    click.option(
        "--loss",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="A Keras loss; auto is sparse_categorical_crossentropy for classes, mse for numbers.",
    ),
    click.option(
        "--metrics",
        metavar="NAMES",
        callback=lambda context, parameter, value: tuple(name for name in (value or "").split(",") if name),
        help="Keras metrics, such as accuracy,sparse_top_k_categorical_accuracy.  [default: accuracy, or mae]",
    ),
    click.option("--class-weight", type=_choice(("balanced",)), help="Let every class count alike."),
    click.option("--mixed-precision", is_flag=True, help="Compute in 16 bits, for GPUs that are faster so."),
    click.option("--backend", type=_choice(BACKENDS), help="What Keras runs on.  [default: as Keras is set]"),
    click.option(
        "--method",
        type=_choice(METHODS),
        default="fit",
        show_default=True,
        help="Keras' own loop, or an explicit one, whose metrics are means over batches.",
    ),
)
_order_options = together(
    click.option("--shuffle", type=_choice(SHUFFLES), help="How samples are mixed.  [default: window; of files full]"),
    click.option(
        "--window-bytes", type=ByteSize(), help="Bytes mixed at one time; two are in memory.  [default: 256MiB]"
    ),
    click.option(
        "--workers", default=1, show_default=True, help="Threads that decompress blocks of the store; two at the least."
    ),
    click.option(
        "--seed",
        default=0,
        show_default=True,
        help="Draws the weights, the order of the samples, and blocks to hold out.",
    ),
    click.option(
        "--test-fraction",
        type=float,
        metavar="F",
        help="Hold out the last part of the store; of one that is not shuffled blocks drawn by the seed.  [default: "
        "the part that the store records, else 0.1]",
    ),
    click.option(
        "--validation-fraction",
        type=float,
        metavar="F",
        help="Hold out the last of the train part too, and look at it after each epoch.  [default: look at the test]",
    ),
    click.option(
        "--early-stopping",
        type=int,
        metavar="N",
        help="Stop after N epochs without a smaller validation loss, and test the best model instead of the last.",
    ),
)
_run_options = together(
    click.option(
        "--continue",
        "run_folder",
        metavar="RUN",
        help="Go on with a run that was stopped, from the folder it was begun in; with --epochs N for N epochs in all. "
        "All other options are those of the run.",
    ),
    click.option(
        "--save-every",
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="Save what --continue needs so often, and at the end of each epoch.",
    ),
    click.option(
        "--out", default="runs", show_default=True, metavar="FOLDER", help="Where runs are kept, a folder each."
    ),
    click.option("--name", metavar="NAME", help="The run's folder there.  [default: the store's name and a number]"),
    click.option(
        "--rank-timeout",
        type=float,
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="Of several processes that train together (docs/clusters.md): how long to wait for one that is silent.",
    ),
    click.option("--tensorboard", is_flag=True, help="Write for TensorBoard, to tensorboard/ in the run's folder."),
    click.option("--quiet", is_flag=True, help="Print only the result."),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seekless", prog_name="seekless")
@_data_options
@_model_options
@_order_options
@_run_options
@click.pass_context
def train(context: click.Context, /, *, debug: bool, run_folder: str | None, **options: Any) -> None:
    """Train a model from a store, test it on the part held out, and leave a folder under runs/.

    The folder holds model.keras (the last weights), model-best.keras (those of the epoch with the least loss on the
    validation part, or without one on the test part), history.csv and history.png, for classes confusion.png and
    mistakes.png, config.json and log.txt.
    """
    given = [name for name in context.params if _is_typed(context, name)]
    if context.invoked_subcommand is not None:
        if given:
            raise click.UsageError(f"found options before {context.invoked_subcommand}, expected them behind it")
        return
    result = _begun(debug, options) if run_folder is None else _continued(run_folder, debug, given, options)
    from seekless.train.ranks import join

    if not join().first:  # the first speaks for all ranks
        return
    click.echo(result)
    if not options["quiet"]:
        click.echo(f"{result.folder}: {', '.join(result.files)}")


def _is_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _begun(debug: bool, options: dict[str, Any]) -> Any:
    checked = Options(**options)
    from seekless.train.backend import start_keras

    start_keras(quiet=not debug, backend=checked.backend, rank_timeout=checked.rank_timeout)
    from seekless.train.fit import train_model

    return train_model(checked)


def _continued(run_folder: str, debug: bool, given: list[str], options: dict[str, Any]) -> Any:
    for name in given:
        if name not in GOING_ON:
            option = TYPED.get(name, name.replace("_", "-"))
            raise OptionError(
                f"--{option}: found together with --continue, expected only --epochs, --quiet and --debug: a run goes "
                "on with the options it was begun with"
            )
    from seekless.train.past import read_past

    past = read_past(run_folder, epochs=options["epochs"] if "epochs" in given else None, quiet=options["quiet"])
    from seekless.train.backend import start_keras

    start_keras(quiet=not debug, backend=past.backend, rank_timeout=past.options.rank_timeout)
    from seekless.train.fit import continue_training

    return continue_training(past)


for _parameter in train.params:
    if isinstance(_parameter, click.Option) and _parameter.name in DECODING:
        _parameter.help = f"With --files: {(_parameter.help or '')[:1].lower()}{(_parameter.help or '')[1:]}"


_trained_options = together(
    click.option(
        "--model",
        required=True,
        metavar="RUN",
        help="The folder of a run, such as runs/data-1: its model-best.keras, or else model.keras; or a .keras file.",
    ),
    click.option("--store", required=True, metavar="STORE", help="The store to read."),
    click.option("--batch-size", type=click.IntRange(1), default=256, show_default=True, help="Samples in a batch."),
    click.option("--backend", type=_choice(BACKENDS), help="What Keras runs on.  [default: as Keras is set]"),
    click.option("--debug", is_flag=True, help="Show the traceback of an error."),
)


@train.command()
@_trained_options
@click.option(
    "--part",
    type=_choice(("all", "train", "test")),
    default="all",
    show_default=True,
    help="All samples, or a part that convert --test-fraction recorded.",
)
def evaluate(*, model: str, store: str, batch_size: int, backend: str | None, part: str, debug: bool) -> None:
    """Test a trained model on a store."""
    from seekless.train.backend import start_keras

    start_keras(quiet=not debug, backend=backend)
    from seekless.train.result import said_scores
    from seekless.train.trained import evaluate as evaluate_model

    click.echo(said_scores(evaluate_model(model, store, batch_size=batch_size, part=part)))


@train.command()
@click.argument("out", metavar="OUT.csv")
@_trained_options
@click.option("--overwrite", is_flag=True, help="Replace OUT.csv if it exists.")
@click.option("--quiet", is_flag=True, help="No progress bar, no summary.")
def predict(
    *, model: str, store: str, out: str, batch_size: int, backend: str | None, overwrite: bool, quiet: bool, debug: bool
) -> None:
    """Write what a trained model says of each sample of a store, which needs no targets.

    OUT.csv has a line a sample: its key, its class by name or number, and a probability for each class; of a model for
    numbers the key and the prediction.
    """
    from seekless.train.backend import start_keras

    start_keras(quiet=not debug, backend=backend)
    from seekless.train.trained import predict as predict_samples

    samples = predict_samples(model, store, out, batch_size=batch_size, overwrite=overwrite, progress=not quiet)
    if not quiet:
        click.echo(f"{out}: {samples:,} samples")

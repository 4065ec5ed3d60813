"""A training run as one call: a store -> batches -> a model, its test result, and a folder that shows the run."""

import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from seekless.errors import MissingExtraError, OptionError
from seekless.train.build import build_model, precision, wants_one_hot
from seekless.train.confusion import draw_confusion
from seekless.train.data import Data, Parts, open_data, samples_in
from seekless.train.folder import BEST, LAST, Log, new_run_folder, write_config
from seekless.train.history import figure_of
from seekless.train.mistakes import draw_mistakes
from seekless.train.options import Options
from seekless.train.outcome import examine
from seekless.train.ranks import Ranks, join
from seekless.train.run import Run, check_tensorboard, save_model

__all__ = ["Result", "said_scores", "train_model"]

# What a run leaves, in the order in which it is named.
FILES = (LAST, BEST, "history.csv", "history.png", "confusion.png", "mistakes.png", "config.json", "log.txt")


@dataclass(frozen=True)
class Result:
    """What a run came to; as text, what the command prints.

    Attributes:
        folder: The run's folder.
        scores: The loss and the metrics on the test part.
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
        best: The epoch with the least loss on that part, 1 and up; 0 if none had a finite one.
    """

    folder: Path
    scores: dict[str, float]
    history: list[dict[str, float]]
    best: int

    @property
    def loss(self) -> float:
        """The loss on the test part."""
        return self.scores["loss"]

    @property
    def accuracy(self) -> float:
        """The accuracy on the test part, 0 to 1, where it is among the metrics."""
        return self.scores["accuracy"]

    @property
    def files(self) -> list[str]:
        """The names of the files in the folder."""
        return [name for name in FILES if (self.folder / name).exists()]

    def __str__(self) -> str:
        return said_scores(self.scores)


def said_scores(scores: dict[str, float]) -> str:
    """Return the lines that say what a test came to."""
    return "\n".join(f"Test {name.replace('_', ' ')}: {figure_of(value)}" for name, value in scores.items())


def train_model(options: Options) -> Result:
    """Train a model on the train part of the data, test it on the rest, and leave a folder that shows the run.

    Args:
        options: What to train on, and how.

    Returns:
        The test's result and where the run's folder is. Of several processes that train together the first writes the
        folder; another may come without the test's result.

    Raises:
        StoreError: The store is missing or damaged.
        SourceError: The files are missing, or a batch of them cannot be read.
        OptionError: There is no such model, optimizer, loss or metric, or the run's name is taken.
        MissingExtraError: What TensorBoard needs is not installed.
        TrainError: There is nothing to learn, or the model cannot take the samples.
    """
    ranks = join(options.rank_timeout)
    if options.tensorboard:
        check_tensorboard()
    data = open_data(options)
    if options.class_weight and data.targets.kind != "class":
        raise OptionError(f"--class-weight: found targets that are {data.targets}, expected classes")
    keras.utils.set_random_seed(options.seed)
    with precision(mixed=options.mixed_precision):
        model = build_model(options, data.sample_shape, data.targets)
        parts = data.open_parts(wants_one_hot(model, data.targets), ranks)
        folder = _open_folder(options, data, parts, ranks)
        log = Log(folder if ranks.first else None, quiet=options.quiet)
        _introduce(options, data, parts, model, log)
        run = Run(folder, options, model, data, parts, log, ranks)
        with _left(run), _errors_of(parts), ranks.watching():
            ranks.wrap(model)
            run.train()
            scores = _finish(run)
    progress = run.progress
    result = Result(folder, scores, progress.history, progress.best)
    log.keep(str(result))
    return result


def _open_folder(options: Options, data: Data, parts: Parts, ranks: Ranks) -> Path:
    """Make the run's folder, which only the first rank does; the others name one that nothing is written to."""
    if not ranks.first:
        return Path(options.out) / f"{options.name or data.name}-rank-{ranks.rank}"
    folder = new_run_folder(Path(options.out), options.name or data.name, exact=options.name is not None)
    write_config(folder, _config(options, data, parts, ranks))
    return folder


def _introduce(options: Options, data: Data, parts: Parts, model: Any, log: Log) -> None:
    validation = "" if parts.validation is None else f"{samples_in(parts.validation):,} to validate, "
    log.say(
        f"{options.model}, {model.count_params():,} parameters: {parts.samples:,} samples to train, "
        f"{validation}{parts.whole_test.samples:,} to test"
    )
    for text in (data.warning, data.hint()):
        if text:
            log.warn(text)
    if options.early_stopping is not None and parts.validation is None:
        log.warn(
            "--early-stopping looks at the test part, so its result will flatter the model; --validation-fraction 0.1 "
            "holds another part out for it"
        )


def _finish(run: Run) -> dict[str, float]:
    """Save the model, test it, and draw what it is wrong about."""
    model, parts, folder = run.model, run.parts, run.folder
    run.ranks.leave(model)
    if run.ranks.first:
        save_model(model, folder / LAST)
    if run.options.early_stopping is not None and run.progress.best not in (0, run.progress.epochs):
        if run.ranks.first:
            model.load_weights(folder / BEST)
        run.ranks.spread(model)
    if not (run.ranks.first or run.ranks.divides_tests):
        return {}
    found = run.test(parts.test)
    scores = {name: float(found[name]) for name in sorted(found, key=lambda name: name != "loss")}
    if run.ranks.first and run.data.targets.kind == "class":
        _draw_outcome(run)
    return scores


def _draw_outcome(run: Run) -> None:
    outcome = examine(run.model, run.parts.whole_test, run.data.targets)
    title = f"{run.options.model}, {run.folder.name}"
    try:
        draw_confusion(run.folder, outcome, run.data.targets, title)
    except MissingExtraError as error:
        run.log.keep(str(error))  # said already, of history.png
    if outcome.worst:
        draw_mistakes(run.folder, outcome, run.data.targets, title)


@contextmanager
def _left(run: Run) -> Iterator[None]:
    """Say what a run that ends early leaves, and leave nothing of one that has not ended an epoch."""
    try:
        yield
    except BaseException:
        run.close()
        progress = run.progress
        if not run.ranks.first:
            pass
        elif not progress.epochs:
            shutil.rmtree(run.folder, ignore_errors=True)
        else:
            kept = f"{BEST} is that of epoch {progress.best}" if progress.best else "no model was saved"
            text = f"{run.folder}: {progress.epochs} of {run.options.epochs} epochs; {kept}"
            run.log.keep(text)
            print(text, file=sys.stderr)
        raise


@contextmanager
def _errors_of(parts: Parts) -> Iterator[None]:
    """Raise an error of the data as itself; TensorFlow makes one of its own of it, with a page of text."""
    try:
        yield
    except Exception as error:
        for sequence in (parts.train, parts.validation, parts.test):
            if sequence is not None and sequence.error is not None:
                raise sequence.error from error
        raise


def _config(options: Options, data: Data, parts: Parts, ranks: Ranks) -> dict[str, Any]:
    versions = {name: version(name) for name in ("seekless", "keras", "numpy", "h5py")}
    backend = keras.backend.backend()
    samples = {"train": parts.samples, "test": parts.whole_test.samples}
    if parts.validation is not None:
        samples["validation"] = samples_in(parts.validation)
    return {
        "data": {**data.described, "sample_shape": data.sample_shape, "targets": data.targets.as_dict()},
        "options": options.as_dict(),
        "samples": samples,
        **({"ranks": ranks.count} if ranks.count > 1 else {}),
        "versions": {
            **versions,
            backend: sys.modules[backend].__version__,
            "python": platform.python_version(),
            "backend": backend,
        },
    }

"""A training run as one call: a store -> batches -> a model, its test result, and a folder that shows the run."""

import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from seekless.errors import OptionError
from seekless.train.build import build_model, precision, wants_one_hot
from seekless.train.checkpoint import CHECKPOINT, read_checkpoint
from seekless.train.data import Data, Parts, open_data
from seekless.train.ending import errors_of, shown_end
from seekless.train.folder import Log, new_run_folder, write_config
from seekless.train.lock import in_use
from seekless.train.loops import train_epochs
from seekless.train.mixing import mixing_of
from seekless.train.options import Options
from seekless.train.past import Past
from seekless.train.progress import Progress
from seekless.train.result import RESULT, Result, finish, read_result
from seekless.train.run import Run, check_tensorboard

__all__ = ["continue_training", "train_model"]


def train_model(options: Options) -> Result:
    """Train a model on the train part of the data, test it on the rest, and leave a folder that shows the run.

    Args:
        options: What to train on, and how.

    Returns:
        The test's result and where the run's folder is.

    Raises:
        StoreError: The store is missing or damaged.
        SourceError: The files are missing, or a batch of them cannot be read.
        OptionError: There is no such model, optimizer, loss or metric, or the run's name is taken.
        MissingExtraError: What TensorBoard needs is not installed.
        TrainError: There is nothing to learn, the model cannot take the samples, memory is not enough, or the loss is
            no number any more.
    """
    data = _opened(options)
    with precision(mixed=options.mixed_precision):
        model, parts = _built(options, data)
        mixing = mixing_of(parts.train)
        folder = new_run_folder(Path(options.out), options.name or data.name, exact=options.name is not None)
        with in_use(folder):
            log = Log(folder, quiet=options.quiet)
            write_config(folder, _config(options, data, parts))
            _introduce(options, data, parts, model, log)
            mixing.tell(log)
            return _trained(Run(folder, options, model, data, parts, log))


def continue_training(past: Past) -> Result:
    """Go on with a run from its last checkpoint, as if it had not been stopped.

    Args:
        past: The run.

    Returns:
        As of `train_model`; of a run that is finished, what it came to.

    Raises:
        TrainError: There is no checkpoint, the data have changed, or another process trains this run; and all else
            that `train_model` raises.
    """
    options, folder = past.options, past.folder
    with in_use(folder):
        checkpoint = read_checkpoint(folder)
        log = Log(folder, quiet=options.quiet)
        progress = Progress(checkpoint.history, checkpoint.best)
        over = progress.is_over(options.epochs, options.early_stopping)
        if over and (result := read_result(folder, progress)):
            log.say(_finished(folder, options, progress))
            return result
        data = _opened(options)
        past.check_data(data.described)
        with precision(mixed=options.mixed_precision):
            model, parts = _built(options, data)
            if checkpoint.place.steps and options.method == "fit":
                model.test_on_batch(*parts.watched[0])  # builds the metrics, whose sums are to be put back
            checkpoint.restore(model, folder / CHECKPOINT)
            (folder / RESULT).unlink(missing_ok=True)
            write_config(folder, {**past.config, "options": replace(options, quiet=False).as_dict()})
            run = Run(folder, options, model, data, parts, log, checkpoint)
            log.say(_going_on(run))
            if changes := past.changes(_versions()):
                log.warn(changes)
            return _trained(run)


def _opened(options: Options) -> Data:
    if options.tensorboard:
        check_tensorboard()
    data = open_data(options)
    if options.class_weight and data.targets.kind != "class":
        raise OptionError(f"--class-weight: found targets that are {data.targets}, expected classes")
    return data


def _built(options: Options, data: Data) -> tuple[Any, Parts]:
    keras.utils.set_random_seed(options.seed)
    model = build_model(options, data.sample_shape, data.targets)
    return model, data.open_parts(wants_one_hot(model, data.targets))


def _trained(run: Run) -> Result:
    with shown_end(run), errors_of(run.parts, run.options):
        train_epochs(run)
        result = finish(run)
    run.log.keep(str(result))
    return result


def _introduce(options: Options, data: Data, parts: Parts, model: Any, log: Log) -> None:
    validation = "" if parts.validation is None else f"{parts.validation.samples:,} to validate, "
    log.say(
        f"{options.model}, {model.count_params():,} parameters: {parts.train.samples:,} samples to train, "
        f"{validation}{parts.test.samples:,} to test"
    )
    for text in (data.warning, data.hint()):
        if text:
            log.warn(text)
    if options.early_stopping is not None and parts.validation is None:
        log.warn(
            "--early-stopping looks at the test part, so its result will flatter the model; --validation-fraction 0.1 "
            "holds another part out for it"
        )


def _going_on(run: Run) -> str:
    if run.is_over:
        return f"{run.folder}: all epochs have ended; what is left is the test"
    done = f", after {run.done:,} of {run.steps:,} batches" if run.done else ""
    return f"{run.folder}: going on in epoch {run.epoch + 1} of {run.options.epochs}{done}"


def _finished(folder: Path, options: Options, progress: Progress) -> str:
    if progress.epochs < options.epochs:
        patience = options.early_stopping
        return f"{folder}: finished; --early-stopping {patience} ended it after epoch {progress.epochs}"
    return f"{folder}: finished, {progress.epochs} of {options.epochs} epochs; a larger --epochs goes further"


def _config(options: Options, data: Data, parts: Parts) -> dict[str, Any]:
    samples = {"train": parts.train.samples, "test": parts.test.samples}
    if parts.validation is not None:
        samples["validation"] = parts.validation.samples
    described = {**data.described, "folder": os.getcwd()}
    return {
        "data": {**described, "sample_shape": data.sample_shape, "targets": data.targets.as_dict()},
        "options": options.as_dict(),
        "samples": samples,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    backend = keras.backend.backend()
    return {
        **{name: version(name) for name in ("seekless", "keras", "numpy", "h5py")},
        backend: sys.modules[backend].__version__,
        "python": platform.python_version(),
        "backend": backend,
    }

"""A training run as one call: a store -> batches -> a model, its test result, and a folder that shows the run."""

import contextlib
import json
import os
import platform
import sys
import zlib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from seekless.errors import OptionError, TrainError
from seekless.train.build import build_model, precision, wants_one_hot
from seekless.train.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from seekless.train.data import Data, Parts, open_data, samples_in
from seekless.train.ending import errors_of, shown_end
from seekless.train.folder import Log, new_run_folder, write_config
from seekless.train.lock import in_use
from seekless.train.loops import train_epochs
from seekless.train.mixing import mixing_of
from seekless.train.options import Options
from seekless.train.past import Past
from seekless.train.progress import Progress
from seekless.train.ranks import Ranks, join
from seekless.train.result import RESULT, Result, finish, read_result
from seekless.train.run import Run, check_tensorboard

__all__ = ["continue_training", "train_model"]


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
        TrainError: There is nothing to learn, the model cannot take the samples, memory is not enough, or the loss is
            no number any more; or another of several processes is gone.
    """
    ranks = join(options.rank_timeout)
    data = _opened(options)
    with ranks.watching(), precision(mixed=options.mixed_precision):
        model, parts = _built(options, data, ranks)
        mixing = mixing_of(parts.train) if ranks.first else None
        folder = _new_folder(options, data, ranks)
        with _held(folder, ranks):
            log = Log(folder if ranks.first else None, quiet=options.quiet)
            if ranks.first:
                write_config(folder, _config(options, data, parts, ranks))
            _introduce(options, data, parts, model, log)
            if mixing is not None:
                mixing.tell(log)
            return _trained(Run(folder, options, model, data, parts, log, ranks=ranks))


def continue_training(past: Past) -> Result:
    """Go on with a run from its last checkpoint, as if it had not been stopped.

    Args:
        past: The run.

    Returns:
        As of `train_model`; of a run that is finished, what it came to.

    Raises:
        TrainError: There is no checkpoint, the data have changed, another process trains this run, or one of several
            processes has another checkpoint than the first; and all else that `train_model` raises.
    """
    options, folder, ranks = past.options, past.folder, join(past.options.rank_timeout)
    with ranks.watching(), _held(folder, ranks):
        checkpoint = read_checkpoint(folder)
        _check_same(checkpoint, folder, ranks)
        past.check_ranks(ranks.count, checkpoint.place.steps)
        log = Log(folder if ranks.first else None, quiet=options.quiet)
        progress = Progress(checkpoint.history, checkpoint.best)
        over = progress.is_over(options.epochs, options.early_stopping)
        if over and (result := read_result(folder, progress)):
            log.say(_finished(folder, options, progress))
            return result
        data = _opened(options)
        past.check_data(data.described)
        with precision(mixed=options.mixed_precision):
            model, parts = _built(options, data, ranks)
            if checkpoint.place.steps and options.method == "fit":
                model.test_on_batch(*parts.watched[0])  # builds the metrics, whose sums are to be put back
            checkpoint.restore(model, folder / CHECKPOINT)
            run = Run(folder, options, model, data, parts, log, checkpoint, ranks)
            ranks.wait()  # before the first changes what all have read
            if ranks.first:
                (folder / RESULT).unlink(missing_ok=True)
                now = {"options": replace(options, quiet=False).as_dict(), **_count(ranks)}
                write_config(folder, {**{key: past.config[key] for key in past.config if key != "ranks"}, **now})
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


def _built(options: Options, data: Data, ranks: Ranks) -> tuple[Any, Parts]:
    keras.utils.set_random_seed(options.seed)
    model = build_model(options, data.sample_shape, data.targets)
    return model, data.open_parts(wants_one_hot(model, data.targets), ranks)


def _new_folder(options: Options, data: Data, ranks: Ranks) -> Path:
    """Make the run's folder, which only the first rank does; the others name one that nothing is written to."""
    if not ranks.first:
        return Path(options.out) / (options.name or data.name)
    return new_run_folder(Path(options.out), options.name or data.name, exact=options.name is not None)


def _held(folder: Path, ranks: Ranks) -> contextlib.AbstractContextManager[None]:
    """Keep other trainings out of the folder, which the first rank does for all."""
    return in_use(folder) if ranks.first else contextlib.nullcontext()


def _check_same(checkpoint: Checkpoint, folder: Path, ranks: Ranks) -> None:
    """Check that all ranks go on from the same place: their folders may be different ones on different machines."""
    own = zlib.crc32(json.dumps(checkpoint.facts()).encode())
    of_first = ranks.total(np.array([float(own) if ranks.first else 0.0]))[0]
    if own != of_first:
        place = checkpoint.place
        raise TrainError(
            f"rank {ranks.rank}: found {folder / CHECKPOINT} of epoch {place.epoch + 1} after {place.steps:,} batches, "
            "expected that of the first rank, which is another; go on in a folder that all ranks see"
        )


def _trained(run: Run) -> Result:
    with shown_end(run), errors_of(run.parts, run.options):
        run.ranks.wrap(run.model)
        train_epochs(run)
        result = finish(run)
    run.log.keep(str(result))
    return result


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


def _config(options: Options, data: Data, parts: Parts, ranks: Ranks) -> dict[str, Any]:
    samples = {"train": parts.samples, "test": parts.whole_test.samples}
    if parts.validation is not None:
        samples["validation"] = samples_in(parts.validation)
    described = {**data.described, "folder": os.getcwd()}
    return {
        "data": {**described, "sample_shape": data.sample_shape, "targets": data.targets.as_dict()},
        "options": options.as_dict(),
        "samples": samples,
        **_count(ranks),
        "versions": _versions(),
    }


def _count(ranks: Ranks) -> dict[str, int]:
    return {"ranks": ranks.count} if ranks.count > 1 else {}


def _versions() -> dict[str, str]:
    backend = keras.backend.backend()
    return {
        **{name: version(name) for name in ("seekless", "keras", "numpy", "h5py")},
        backend: sys.modules[backend].__version__,
        "python": platform.python_version(),
        "backend": backend,
    }

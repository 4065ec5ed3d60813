"""How a run ends before its time: what is said, and what is left to go on with."""

import csv
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seekless.errors import TrainError
from seekless.loader.options import WINDOW_BYTES
from seekless.train.data import Parts
from seekless.train.folder import BEST, replacing
from seekless.train.losses import Diverged
from seekless.train.options import Options
from seekless.train.run import Run

__all__ = ["errors_of", "ran_out_of_memory", "shown_end"]

BATCH = "nan-batch.csv"
# Samples that are named in the message; all are in the file.
NAMED = 3
# How the backends say that a device, or the machine, has no memory left.
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "out of memory", "can't allocate memory", "MemoryError")


@contextmanager
def shown_end(run: Run) -> Iterator[None]:
    """Say where a run stands that ends early, and leave nothing of one that has nothing to go on with.

    Args:
        run: The run.
    """
    try:
        yield
    except BaseException as error:
        run.close()
        if isinstance(error, Diverged):
            raise _diverged(run, error) from None
        if not run.ranks.first:
            raise
        if run.saved is None:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        text = f"{run.folder}: {_place(run, *run.saved)}; go on by: train --continue {shlex.quote(str(run.folder))}"
        run.log.keep(text)
        print(text, file=sys.stderr)
        raise


def _place(run: Run, epoch: int, step: int) -> str:
    if not step:
        best = f"{BEST} is that of epoch {run.progress.best}" if run.progress.best else "none had a finite loss"
        return f"saved after epoch {epoch} of {run.options.epochs}; {best}"
    return f"saved in epoch {epoch + 1} of {run.options.epochs}, after {step:,} of {run.steps:,} batches"


def _diverged(run: Run, error: Diverged) -> TrainError:
    """Write down which samples were in the batch, and return what to say."""
    steps = [(step, sample) for step in error.steps for sample in run.parts.train.keys(run.epoch, step)]
    if run.ranks.first:
        with replacing(run.folder / BATCH) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "batch", "sample", "key"])
            writer.writerows([run.epoch + 1, step + 1, number, key] for step, (number, key) in steps)
    where = run.folder if run.ranks.count == 1 else f"{run.folder}, rank {run.ranks.rank}"
    listed = f", listed in {run.folder / BATCH}" if run.ranks.first else ""
    names = [key or f"sample {number}" for _, (number, key) in steps]
    others = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    text = (
        f"{where}: found loss {error.loss} in epoch {run.epoch + 1} after batch {error.steps.stop:,} of "
        f"{run.steps:,}, expected a number; its samples are {', '.join(names[:NAMED])}{others}{listed}: "
        f"look at their values, or lower --learning-rate"
    )
    run.log.keep(text)
    return TrainError(text)


@contextmanager
def errors_of(parts: Parts, options: Options) -> Iterator[None]:
    """Raise an error of the data as itself, of which TensorFlow makes one of its own; say one of memory in words.

    Args:
        parts: The batches.
        options: What to lower.

    Raises:
        TrainError: There is not enough memory.
    """
    try:
        yield
    except Exception as error:
        for sequence in (parts.train, parts.validation, parts.test, parts.whole_test):
            if sequence is not None and sequence.error is not None:
                _say_memory(sequence.error, options)
                raise sequence.error from error
        _say_memory(error, options)
        raise


def _say_memory(error: BaseException, options: Options) -> None:
    if not ran_out_of_memory(error):
        return
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    window = options.window_bytes or WINDOW_BYTES
    less = f" or --window-bytes, now {window / 2**20:,.0f} MiB, of which two are in memory" if options.store else ""
    raise TrainError(
        f"out of memory: found {said[:200]}; expected room for the model and its batches; lower --batch-size, now "
        f"{options.batch_size:,},{less}"
    ) from error


def ran_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python or of a backend says that memory was not enough.

    Args:
        error: The error.
    """
    if isinstance(error, MemoryError):
        return True
    text = f"{type(error).__name__}: {error}"
    return isinstance(error, RuntimeError | _tensorflow_error()) and any(words in text for words in OUT_OF_MEMORY)


def _tensorflow_error() -> Any:
    tensorflow = sys.modules.get("tensorflow")
    return RuntimeError if tensorflow is None else tensorflow.errors.OpError

"""A training run as one call: a store -> batches -> a model, its test accuracy, and a folder that shows the run."""

import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from tqdm import tqdm

from seekless.errors import MissingExtraError
from seekless.train.data import Data, open_data
from seekless.train.models import MODELS
from seekless.train.options import Options
from seekless.train.report import draw_history, new_run_folder, write_config, write_history

__all__ = ["Result", "train_model"]


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        folder: The run's folder.
        loss: On the test part, after the last epoch.
        accuracy: The same, 0 to 1.
        history: For each epoch its metrics by name; `val_` marks those of the test part.
    """

    folder: Path
    loss: float
    accuracy: float
    history: list[dict[str, float]]


def train_model(options: Options) -> Result:
    """Train a model on the train part of the data, test it on the rest, and leave a folder that shows the run.

    Args:
        options: What to train on, and how.

    Returns:
        The test's result and where the run's folder is.

    Raises:
        StoreError: The store is missing or damaged.
        SourceError: The files are missing, or a batch of them cannot be read.
        TrainError: There are no classes to learn, or the model cannot take the samples.
    """
    data = open_data(options)
    keras.utils.set_random_seed(options.seed)
    model = MODELS[options.model](data.sample_shape, data.class_count)
    model.compile(
        optimizer=keras.optimizers.Adam(options.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    folder = new_run_folder(Path(options.out), data.name)
    write_config(folder, _config(options, data))
    if not options.quiet:
        print(
            f"{options.model}, {model.count_params():,} parameters: {data.train.samples:,} samples to train, "
            f"{data.test.samples:,} to test"
        )
        if hint := data.hint():
            print(hint, file=sys.stderr)
    run = _Run(folder, options, model, data)
    with _left(run), _errors_of(data):
        run.train()
        scores = model.evaluate(data.test, verbose=0, return_dict=True)
        _save(model, folder / "model.keras")
    return Result(folder, float(scores["loss"]), float(scores["accuracy"]), run.history)


def _save(model: Any, path: Path) -> None:
    """Save a model whole or not at all: half a file looks like a model until somebody loads it."""
    partial = path.with_name(f"partial-{path.name}")
    try:
        model.save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _left(run: "_Run") -> Iterator[None]:
    """Say what a run that ends early leaves, and leave nothing of one that has not ended an epoch."""
    try:
        yield
    except BaseException:
        run.close()
        epochs = len(run.history)
        if not epochs:
            shutil.rmtree(run.folder, ignore_errors=True)
        else:
            done = f"{epochs} of {run.options.epochs} epochs"
            print(f"{run.folder}: {done}, history.csv and config.json; no model was saved", file=sys.stderr)
        raise


@contextmanager
def _errors_of(data: Data) -> Iterator[None]:
    """Raise an error of the data as itself; TensorFlow makes one of its own of it, with a page of text."""
    try:
        yield
    except Exception as error:
        for sequence in (data.train, data.test):
            if sequence.error is not None:
                raise sequence.error from error
        raise


def _config(options: Options, data: Data) -> dict[str, Any]:
    versions = {name: version(name) for name in ("seekless", "keras", "numpy", "h5py")}
    return {
        "data": data.described,
        "options": asdict(options),
        "samples": {"train": data.train.samples, "test": data.test.samples},
        "versions": {**versions, "python": platform.python_version(), "backend": keras.backend.backend()},
    }


class _Run:
    """One training: the epochs, and what is written after each."""

    def __init__(self, folder: Path, options: Options, model: Any, data: Data) -> None:
        self.folder = folder
        self.options = options
        self.model = model
        self.train_data = data.train
        self.test_data = data.test
        self.history: list[dict[str, float]] = []
        self._draw = True
        self._began = 0.0
        self._bar: tqdm[Any] | None = None

    def train(self) -> None:
        if self.options.method == "fit":
            callback = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: self._begin(epoch),
                on_train_batch_end=lambda batch, logs: self._step(logs),
                on_epoch_end=lambda epoch, logs: self._end(logs),
            )
            epochs = self.options.epochs
            self.model.fit(
                self.train_data, validation_data=self.test_data, epochs=epochs, callbacks=[callback], verbose=0
            )
            return
        for epoch in range(self.options.epochs):
            self._begin(epoch)
            sums, samples = dict.fromkeys(("loss", "accuracy"), 0.0), 0
            for x, y in self.train_data:
                self.model.reset_metrics()  # Keras before 3.15 would give running means, not those of this batch
                logs = self.model.train_on_batch(x, y, return_dict=True)
                samples += len(x)
                sums = {name: total + float(logs[name]) * len(x) for name, total in sums.items()}
                self._step({name: total / samples for name, total in sums.items()})
            self.train_data.on_epoch_end()
            scores = self.model.evaluate(self.test_data, verbose=0, return_dict=True)
            means = {name: total / samples for name, total in sums.items()}
            self._end({**means, **{f"val_{name}": score for name, score in scores.items()}})

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()

    def _begin(self, epoch: int) -> None:
        self._began = time.perf_counter()
        self._bar = tqdm(
            total=len(self.train_data),
            desc=f"epoch {epoch + 1}/{self.options.epochs}",
            unit="batch",
            leave=False,
            disable=self.options.quiet,
        )

    def _step(self, logs: dict[str, float]) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {logs['loss']:.4f} acc {logs['accuracy']:.4f}", refresh=False)
            self._bar.update()

    def _end(self, logs: dict[str, float]) -> None:
        self.close()
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        self.history.append({name: float(logs[name]) for name in names})
        write_history(self.folder, self.history)
        if self._draw:
            try:
                draw_history(self.folder, self.history, f"{self.options.model}, {self.folder.name}")
            except MissingExtraError as error:
                self._draw = False
                print(error, file=sys.stderr)
        if not self.options.quiet:
            last, seconds = self.history[-1], time.perf_counter() - self._began
            print(
                f"epoch {len(self.history)}/{self.options.epochs}  loss {last['loss']:.4f} acc {last['accuracy']:.4f}  "
                f"test loss {last['val_loss']:.4f} acc {last['val_accuracy']:.4f}  {seconds:.1f} s",
                flush=True,
            )

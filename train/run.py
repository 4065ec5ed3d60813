"""The epochs of a run: training by either method, what is written after each, and when to stop."""

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from seekless.errors import MissingExtraError
from seekless.loader.resume import undistributed
from seekless.train.data import Data, Parts
from seekless.train.folder import BEST, Log, replacing
from seekless.train.history import draw_history, figure_of, ordered, write_history
from seekless.train.options import Options
from seekless.train.ranks import Ranks
from seekless.train.targets import balanced_weights
from seekless.train.waiting import Spent, advice

__all__ = ["Progress", "Run", "check_tensorboard", "save_model"]

SHORT = {"accuracy": "acc"}


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
        best: The epoch with the least loss on that part, 1 and up; 0 before there is one.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: int = 0

    @property
    def epochs(self) -> int:
        """Epochs that have ended."""
        return len(self.history)

    def note(self, logs: Mapping[str, Any]) -> bool:
        """Note an epoch; return whether it is the best so far."""
        self.history.append(ordered(logs))
        loss = self.history[-1]["val_loss"]
        better = loss < (self.history[self.best - 1]["val_loss"] if self.best else float("inf"))
        if better:
            self.best = self.epochs
        return better


class Run:
    """One training: its folder, its model, its data, and how far it has come.

    Args:
        folder: The run's folder.
        options: How to train.
        model: The compiled model.
        data: What it learns.
        parts: The batches.
        log: Where it says how it goes.
        ranks: The processes that train together, of which the first writes to the folder.
    """

    def __init__(
        self, folder: Path, options: Options, model: Any, data: Data, parts: Parts, log: Log, ranks: Ranks
    ) -> None:
        self.folder = folder
        self.options = options
        self.model = model
        self.data = data
        self.parts = parts
        self.log = log
        self.ranks = ranks
        self.progress = Progress()
        self.watched = "test" if parts.validation is None else "validation"
        self._weights: dict[int, float] | None = None
        if options.class_weight == "balanced":
            self._weights = balanced_weights(data.train_targets(), data.targets.class_count)
        self._draw = True
        self._advised = False
        self._began = 0.0
        self._bar: tqdm[Any] | None = None

    def train(self) -> None:
        """Train for the epochs that are left, or until it does not get better any more."""
        if self.options.method == "fit":
            self._fit()
            return
        while self.progress.epochs < self.options.epochs:
            self._begin(self.progress.epochs)
            logs = self._train_on_batches()
            scores = self.test(self.parts.watched)
            self._end({**logs, **{f"val_{name}": score for name, score in scores.items()}})
            if self._is_over():
                break

    def test(self, part: Any) -> dict[str, float]:
        """Return the loss and the metrics on a part, of all ranks.

        Args:
            part: Its batches, or this rank's share of them.
        """
        callbacks = self.ranks.callbacks(len(part))
        more = {"callbacks": callbacks} if callbacks else {}
        scores: dict[str, float] = self.model.evaluate(part, verbose=0, return_dict=True, **more)
        return scores

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()

    def _fit(self) -> None:
        def end(logs: Mapping[str, Any]) -> None:
            self._end(logs)
            if self._is_over():
                self.model.stop_training = True

        clock = self.parts.clock
        callbacks = [
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: self._begin(epoch),
                on_train_batch_begin=lambda batch, logs: clock.want(),
                on_train_batch_end=lambda batch, logs: self._step(logs),
                on_epoch_end=lambda epoch, logs: end(logs),
            )
        ]
        callbacks = [*self.ranks.callbacks(len(self.parts.watched)), *callbacks]
        if self.options.tensorboard and self.ranks.first:
            callbacks.append(keras.callbacks.TensorBoard(str(self.folder / "tensorboard"), profile_batch=0))
        self.model.fit(
            self.parts.train,
            validation_data=self.parts.watched,
            initial_epoch=self.progress.epochs,
            epochs=self.options.epochs,
            class_weight=self._weights,
            callbacks=callbacks,
            shuffle=False,  # the order is the sequence's; Keras' own would mix the batches of --shuffle none
            verbose=0,
        )

    def _train_on_batches(self) -> dict[str, float]:
        """Train one epoch by an explicit loop; return the means of the metrics over its samples."""
        train, clock = self.parts.train, self.parts.clock
        weights: dict[str, Any] = {} if self._weights is None else {"class_weight": self._weights}
        sums: dict[str, float] = {}
        samples = 0
        for step in range(len(train)):
            clock.want()
            x, y, *own = train[step]
            if own:
                weights = {"sample_weight": own[0]}
            self.model.reset_metrics()  # Keras before 3.15 would give running means, not those of this batch
            logs = self.model.train_on_batch(x, y, return_dict=True, **weights)
            samples += len(y)
            sums = {name: sums.get(name, 0.0) + float(value) * len(y) for name, value in logs.items()}
            self._step({name: total / samples for name, total in sums.items()})
        train.on_epoch_end()
        self.ranks.settle_statistics(self.model)
        *totals, samples = self.ranks.total(np.array([*sums.values(), samples], np.float64)).tolist()
        return {name: total / samples for name, total in zip(sums, totals, strict=True)}

    def _is_over(self) -> bool:
        patience = self.options.early_stopping
        over = patience is not None and self.progress.epochs - self.progress.best >= patience
        if over and self.progress.epochs < self.options.epochs:
            best = f"epoch {self.progress.best} was the best" if self.progress.best else "no epoch had a finite loss"
            self.log.say(f"stopped: {best}, and {patience} since were no better")
        return over

    def _begin(self, epoch: int) -> None:
        self._began = time.perf_counter()
        self._bar = tqdm(
            total=len(self.parts.train),
            desc=f"epoch {epoch + 1}/{self.options.epochs}",
            unit="batch",
            leave=False,
            disable=self.log.quiet,
        )
        self.parts.clock.begin(len(self.parts.train))

    def _step(self, logs: Mapping[str, Any]) -> None:
        if self._bar is not None:
            # Reading the loss waits for the device, so that the clock tells when a step is done, not when it was begun.
            self._bar.set_postfix_str(_said(logs), refresh=False)
            self._bar.update()
        self.parts.clock.step()

    def _end(self, logs: Mapping[str, Any]) -> None:
        self.close()
        better = self.progress.note(logs)
        if self.ranks.first:
            self._tell(better=better)

    def _tell(self, *, better: bool) -> None:
        """Write and say what the epoch that has just ended came to."""
        spent = self.parts.clock.spent(self.parts.samples)
        write_history(self.folder, self.progress.history)
        if better:
            save_model(self.model, self.folder / BEST)
        self._draw_history()
        history, options = self.progress.history, self.options
        seen = {name.removeprefix("val_"): value for name, value in history[-1].items() if name.startswith("val_")}
        own = {name: value for name, value in history[-1].items() if not name.startswith("val_")}
        seconds = time.perf_counter() - self._began
        watched = "test" if self.parts.validation is None else "val"
        place = f"epoch {len(history)}/{options.epochs}"
        self.log.say(f"{place}  {_said(own)}  {watched} {_said(seen)}  {seconds:.1f} s")
        self.log.say(f"{' ' * len(place)}  {spent}")
        self._advise(spent)

    def _draw_history(self) -> None:
        if not self._draw:
            return
        title, progress = f"{self.options.model}, {self.folder.name}", self.progress
        try:
            draw_history(self.folder, progress.history, title, watched=self.watched, best=progress.best)
        except MissingExtraError as error:
            self._draw = False
            self.log.warn(str(error))

    def _advise(self, spent: Spent) -> None:
        """Say once what would help, where training waits for data."""
        if not self._advised and (text := advice(spent, **self.data.reading(self.options))):
            self._advised = True
            self.log.warn(text)


def _said(logs: Mapping[str, Any]) -> str:
    return " ".join(f"{SHORT.get(name, name)} {figure_of(float(value))}" for name, value in ordered(logs).items())


def save_model(model: Any, path: Path) -> None:
    """Save a model whole or not at all: half a file looks like a model until somebody loads it.

    Args:
        model: The model.
        path: The file, which ends in .keras.
    """
    with replacing(path) as partial, undistributed():
        model.save(partial)


def check_tensorboard() -> None:
    """Check before a training that what TensorBoard shows can be written.

    Raises:
        MissingExtraError: A package that Keras needs for it is missing.
    """
    for package in ("tensorflow", "tensorboard"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"--tensorboard: found no package {package}, which Keras writes it with; pip install {package}"
            )

"""The state of a run: what is noted after each step, what is written after each epoch, and when it is saved."""

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from seekless.errors import MissingExtraError
from seekless.loader.resume import undistributed
from seekless.train.bar import Bar
from seekless.train.build import has_gpu
from seekless.train.checkpoint import CHECKPOINT, Checkpoint, restore_metrics, write_checkpoint
from seekless.train.data import Data, Parts
from seekless.train.folder import BEST, Log, replacing
from seekless.train.history import draw_history, figure_of, ordered, write_history
from seekless.train.interrupt import Interrupt
from seekless.train.losses import Losses
from seekless.train.options import Options
from seekless.train.progress import Progress
from seekless.train.ranks import ALONE, Ranks
from seekless.train.waiting import Spent, advice

__all__ = ["Run", "check_tensorboard", "save_model"]

SHORT = {"accuracy": "acc"}
# Steps after which several ranks ask each other whether to stop, which each of them waits for.
ASKED_EVERY = 16


class Run:
    """One training: its folder, its model, its data, and how far it has come.

    Args:
        folder: The run's folder.
        options: How to train.
        model: The compiled model.
        data: What it learns.
        parts: The batches.
        log: Where it says how it goes.
        checkpoint: Where to go on; None to begin. The model has its values already.
        ranks: The processes that train together, of which the first writes to the folder.

    Attributes:
        progress: The epochs that have ended.
        epoch: The epoch that is trained now, from 0.
        done: Steps of it that are finished.
        trained: Its train metrics once all its steps are; else None.
        sums: Of an explicit loop: the samples so far, and the sum of each metric over them.
        weights: Of each class; None where all count alike.
        interrupt: What Ctrl-C asks.
        saved: Where the last checkpoint stands, (epoch, step); None before there is one.
        active: The model while Keras trains it, with the state that its backend keeps beside it.
    """

    def __init__(
        self,
        folder: Path,
        options: Options,
        model: Any,
        data: Data,
        parts: Parts,
        log: Log,
        checkpoint: Checkpoint | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.folder, self.options, self.model = folder, options, model
        self.data, self.parts, self.log = data, parts, log
        self.ranks = ranks
        self.progress = Progress()
        self.epoch, self.done = 0, 0
        self.trained: dict[str, float] | None = None
        self.sums: tuple[int, dict[str, float]] = (0, {})
        self.weights = parts.train.class_weights() if options.class_weight else None
        self.interrupt = Interrupt()
        self.saved: tuple[int, int] | None = None
        self.active: Callable[[], Any] = lambda: model
        self.watched = "test" if parts.validation is None else "validation"
        # Where the processor computes, a step is done when Keras hands it back; JAX alone hands it back before.
        self._at_once = options.method != "fit" or (keras.backend.backend() != "jax" and not has_gpu())
        self._torch: Any = sys.modules["torch"] if keras.backend.backend() == "torch" else None
        self._losses, self._bar = Losses(), Bar("", 0, quiet=True)
        self._draw, self._advised = True, False
        self._began, self._first = 0.0, 0
        self._before = 0.0  # seconds of the epoch before it was stopped
        self._metrics: list[Any] = []  # their sums when the epoch was stopped
        self._saved_at = time.monotonic()
        if checkpoint is not None:
            self._take(checkpoint)

    def _take(self, checkpoint: Checkpoint) -> None:
        place = checkpoint.place
        self.progress = Progress(list(checkpoint.history), checkpoint.best)
        self.epoch, self.done = place.epoch, place.steps
        self.trained, self.sums = checkpoint.trained, checkpoint.sums
        self.saved = (place.epoch, place.steps)
        self._before, self._metrics = checkpoint.seconds, checkpoint.values["metrics"]

    @property
    def is_over(self) -> bool:
        """Whether all epochs have ended, or the last ones were no better."""
        return self.progress.is_over(self.options.epochs, self.options.early_stopping)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.parts.train.steps

    def begin(self) -> None:
        """Note that the epoch begins, or what is left of it."""
        self._first, self._began, self._saved_at = self.done, time.perf_counter(), time.monotonic()
        self._losses = Losses()
        title = f"epoch {self.epoch + 1}/{self.options.epochs}"
        self._bar = Bar(title, self.steps, self.done, quiet=self.log.quiet)
        self.parts.train.begin(self.epoch)
        self.parts.clock.begin(self.steps - self.done)
        if self.done and self.trained is None and self._metrics and self.options.method == "fit":
            restore_metrics(self.model, self._metrics, self.folder / CHECKPOINT)
        self._metrics = []

    def want(self, step: int) -> None:
        """Note that a step begins.

        Args:
            step: The step of the epoch, from 0.
        """
        if self._torch is not None:
            # Keras lets layers without a seed draw from PyTorch's generator, which knows nothing of a stop.
            rank = (self.ranks.rank,) if self.ranks.rank else ()  # the ranks should drop different values
            drawn = np.random.SeedSequence((self.options.seed, self.epoch, step, *rank)).generate_state(1, np.uint64)
            self._torch.manual_seed(int(drawn[0]))
        self.parts.clock.want()

    def step(self, done: int, logs: Mapping[str, Any]) -> None:
        """Note that steps are finished; save if it is time, and end the training if that is asked.

        Args:
            done: Steps of the epoch that are finished.
            logs: The metrics over them by name, perhaps still being computed.

        Raises:
            Diverged: The loss is no number any more.
            KeyboardInterrupt: It was asked for by Ctrl-C; all is saved.
        """
        steps, self.done = range(self.done, done), done
        saving = self.ranks.first and time.monotonic() - self._saved_at >= self.options.save_every
        finished = self._at_once
        if self._losses.note(steps, logs) or done == self.steps or saving or self.interrupt.asked:
            read = self._losses.read()
            self._bar.show(done, _said(read))
            finished = True
            if done == self.steps:
                self.trained = read
        self.parts.clock.step(finished=finished)
        if saving:
            self.save()
        if self.ranks.count == 1:
            self.check()
        elif done == self.steps or steps.start // ASKED_EVERY < done // ASKED_EVERY:
            self._stop_together()

    def check(self) -> None:
        """End the training if that is asked, all saved; several ranks do so after a step alone.

        Raises:
            KeyboardInterrupt: It was asked for by Ctrl-C.
        """
        if self.interrupt.asked and self.ranks.count == 1:
            self.save()
            self.interrupt.act()

    def _stop_together(self) -> None:
        """End the training of all ranks after the same step, if one of them is asked to."""
        if not self.ranks.total(np.array([float(self.interrupt.asked)]))[0]:
            return
        self.save()
        self.ranks.wait()  # a launcher may end the first, which saves, as soon as another has ended
        self.interrupt.act()
        raise KeyboardInterrupt

    def save(self) -> None:
        """Write a checkpoint; the first rank does it for all."""
        if not self.ranks.first:
            return
        place = self.parts.train.state_at(self.epoch, self.done)
        seconds = self._before + (time.perf_counter() - self._began if self.done else 0.0)
        history, best = self.progress.history, self.progress.best
        checkpoint = Checkpoint(place, history, best, seconds, self.sums, self.trained)
        with undistributed():
            write_checkpoint(self.folder, self.active(), checkpoint)
        self.saved, self._saved_at = (self.epoch, self.done), time.monotonic()

    def end(self, logs: Mapping[str, Any]) -> None:
        """Note that the epoch has ended: write what it came to, and a checkpoint.

        Args:
            logs: Its metrics by name; `val_` marks those of the part that is looked at.
        """
        self.close()
        seconds = self._before + time.perf_counter() - self._began
        done = min(self._first * self.options.batch_size * self.ranks.count, self.parts.samples)
        spent = self.parts.clock.spent(self.parts.samples - done) if self._first < self.steps else None
        better = self.progress.note(logs)
        if self.ranks.first:
            write_history(self.folder, self.progress.history)
            if better:
                save_model(self.model, self.folder / BEST)
            self._draw_history()
        self.epoch, self.done, self.trained, self.sums, self._before = self.progress.epochs, 0, None, (0, {}), 0.0
        self.save()
        self._say(seconds, spent)

    def close(self) -> None:
        """Take the progress bar away."""
        self._bar.close()

    def _say(self, seconds: float, spent: Spent | None) -> None:
        history, options = self.progress.history, self.options
        seen = {name.removeprefix("val_"): value for name, value in history[-1].items() if name.startswith("val_")}
        own = {name: value for name, value in history[-1].items() if not name.startswith("val_")}
        watched = "test" if self.parts.validation is None else "val"
        place = f"epoch {len(history)}/{options.epochs}"
        self.log.say(f"{place}  {_said(own)}  {watched} {_said(seen)}  {seconds:.1f} s")
        if spent is not None:
            self.log.say(f"{' ' * len(place)}  {spent}")
            self._advise(spent)
        if self.progress.stopped(options.early_stopping) and self.progress.epochs < options.epochs:
            best = f"epoch {self.progress.best} was the best" if self.progress.best else "no epoch had a finite loss"
            self.log.say(f"stopped: {best}, and {options.early_stopping} since were no better")

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
            reader = self.parts.train.reader
            self.log.warn(f"{text}; the store is read by {reader}" if reader else text)


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

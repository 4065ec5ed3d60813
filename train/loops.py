"""The two ways to train the epochs of a run: Keras' own `fit`, and an explicit loop of `train_on_batch`."""

from typing import Any

import keras
import numpy as np

from seekless.train.checkpoint import CHECKPOINT, read_checkpoint
from seekless.train.interrupt import deferred
from seekless.train.run import Run

__all__ = ["train_epochs"]


def train_epochs(run: Run) -> None:
    """Train for the epochs that are left, or until it does not get better any more.

    Args:
        run: The run, perhaps amid an epoch.

    Raises:
        Diverged: The loss is no number any more.
        KeyboardInterrupt: Ctrl-C; all is saved.
    """
    with deferred() as run.interrupt:
        if run.trained is not None:  # stopped while it looked at the other part
            run.begin()
            _validate(run, run.trained)
        while not run.is_over:
            (_fit if run.options.method == "fit" else _train_on_batches)(run)


class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Tells a run how Keras gets on.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._first = run.done
        run.active = lambda: run.model if self.model is None else self.model  # which fetches JAX's own copy

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin an epoch, or what is left of it."""
        self._first = self._run.done
        self._run.begin()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note that a batch is wanted."""
        self._run.want(self._first + batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note that steps are finished; with several in one execution, Keras names the last it had room for."""
        self._run.step(min(self._first + batch + 1, self._run.steps), logs or {})

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """End if that is asked."""
        self._run.check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what the epoch came to."""
        self._run.end(logs or {})
        if self._run.is_over:
            self.model.stop_training = True


class _Callbacks(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Hands metrics on as they are: Keras' own list reads them after each step, which waits for the device."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


def _fit(run: Run) -> None:
    """Train what is left of the epoch, or all epochs that are left."""
    model, train, rest = run.model, run.parts.train, run.done > 0
    callbacks: list[Any] = [*run.ranks.callbacks(len(run.parts.watched)), Watch(run)]
    if run.options.tensorboard and run.ranks.first:
        callbacks.append(keras.callbacks.TensorBoard(str(run.folder / "tensorboard"), profile_batch=0))
    train.restore(train.state_at(run.epoch, run.done))
    model.fit(
        train,
        validation_data=run.parts.watched,
        initial_epoch=run.epoch,
        epochs=run.epoch + 1 if rest else run.options.epochs,
        class_weight=run.weights,
        callbacks=_Callbacks(callbacks, add_history=True, model=model, steps=len(train)),
        shuffle=False,  # the order is the sequence's; Keras' own would mix the batches of --shuffle none
        verbose=0,
    )
    if rest and not run.is_over and getattr(model.optimizer, "use_ema", False):
        # At the end of each fit Keras replaces weights by their averages; an unbroken run has one fit.
        run.ranks.wait()  # for the first, which writes it
        read_checkpoint(run.folder).restore(model, run.folder / CHECKPOINT)
        run.ranks.part_seeds(model)


def _train_on_batches(run: Run) -> None:
    """Train what is left of the epoch; its metrics are means over its samples."""
    train = run.parts.train
    options = {} if run.weights is None else {"class_weight": run.weights}
    train.restore(train.state_at(run.epoch, run.done))
    run.begin()
    first = run.done
    for step in range(first, run.steps):
        run.want(step)
        x, y, *weight = train[step - first]
        run.model.reset_metrics()  # Keras before 3.15 would give running means, not those of this batch
        logs = run.model.train_on_batch(x, y, *weight, return_dict=True, **options)
        samples, sums = run.sums
        run.sums = (
            samples + len(y),
            {name: sums.get(name, 0.0) + float(value) * len(y) for name, value in logs.items()},
        )
        if step + 1 == run.steps:
            _settle(run)
        run.step(step + 1, _means(run))
    train.on_epoch_end()
    _validate(run, _means(run))


def _settle(run: Run) -> None:
    """Add up what the ranks have counted in the epoch."""
    run.ranks.settle_statistics(run.model)
    samples, sums = run.sums
    *totals, samples_of_all = run.ranks.total(np.array([*sums.values(), samples], np.float64)).tolist()
    run.sums = round(samples_of_all), dict(zip(sums, totals, strict=True))


def _means(run: Run) -> dict[str, float]:
    samples, sums = run.sums
    return {name: total / samples for name, total in sums.items()}


def _validate(run: Run, logs: dict[str, float]) -> None:
    """Look at the other part, and end the epoch."""
    callbacks = [*run.ranks.callbacks(len(run.parts.watched)), Watch(run)]
    scores = run.model.evaluate(run.parts.watched, verbose=0, return_dict=True, callbacks=callbacks)
    run.end({**logs, **{f"val_{name}": score for name, score in scores.items()}})

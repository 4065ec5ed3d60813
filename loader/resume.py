"""Stop a training at any step and go on later as if it had not stopped: the model and its place in the data, together.

Keras takes batches some steps before it trains on them, so the place is counted by a callback, from steps that are
finished, and is kept in the model's own file: a file holds both or is not there.
"""

import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from seekless.errors import OptionError
from seekless.loader.passes import Place
from seekless.loader.sequence import StoreSequence
from seekless.loader.state import State

__all__ = ["SaveState", "load_training", "resume_fit", "undistributed"]

# A member of the model's file, which is a zip archive; Keras leaves it alone.
MEMBER = "seekless.json"


class SaveState(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Count the steps that are finished, and save the model with its place in the data.

    On PyTorch, give dropout layers a seed: without one, Keras lets them draw from PyTorch's own generator, from which
    its data loader draws at the beginning of each pass as well, so that they drop other values after a stop.

    The file is an ordinary `.keras` file; `seekless.load_training` reads both out of it. It appears whole or not at
    all, so a training that is killed at any moment leaves the last one that was complete.

    Args:
        sequence: What `fit` trains on.
        path: Where to save, ending in `.keras`; None to count alone.
        every_steps: Save each time this many more steps are finished.
        every_seconds: Save at the first step after this many seconds.
        every_epoch: Save at the end of each epoch of Keras, after its validation.

    Raises:
        OptionError: The path has another suffix, or a number is not positive.

    Example:
        >>> saving = seekless.SaveState(train, "model.keras", every_seconds=600)  # doctest: +SKIP
        >>> model.fit(train, epochs=5, callbacks=[saving])  # doctest: +SKIP
        >>> # and after it was killed
        >>> model, state = seekless.load_training("model.keras")  # doctest: +SKIP
        >>> seekless.resume_fit(model, train, state, epochs=5)  # doctest: +SKIP
    """

    def __init__(
        self,
        sequence: StoreSequence,
        path: str | PathLike[str] | None = None,
        *,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        every_epoch: bool = True,
    ) -> None:
        super().__init__()
        if path is not None and Path(path).suffix != ".keras":
            raise OptionError(f"path: found {str(path)!r}, expected a name that ends in .keras")
        for name, value in (("every_steps", every_steps), ("every_seconds", every_seconds)):
            if value is not None and not value > 0:
                raise OptionError(f"{name}: found {value}, expected a positive number, or None")
        self.sequence = sequence
        self.path = None if path is None else Path(path)
        self.every_steps, self.every_seconds, self.every_epoch = every_steps, every_seconds, every_epoch
        self._begun: Place = sequence.upcoming
        self._finished = 0  # steps of this fit
        self._before = 0  # of them in earlier epochs of Keras
        self._saved_at, self._saved_time = 0, time.monotonic()

    def state(self) -> State:
        """Return the place after the last step that is finished."""
        epoch, step = self._begun
        more, step = divmod(step + self._finished, self.sequence.steps)
        return self.sequence.state_at(epoch + more, step)

    def save(self) -> None:
        """Save the model with its place now.

        Raises:
            OptionError: There is no path.
        """
        if self.path is None:
            raise OptionError("path: found None, expected a path to save to; give it to SaveState")
        _save(self.model, self.state(), self.path)
        self._saved_at, self._saved_time = self._finished, time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        """Note where the training begins."""
        self._begun = self.sequence.upcoming
        self._finished = self._before = self._saved_at = 0
        self._saved_time = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note that Keras counts its steps from 0 again."""
        self._before = self._finished

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count what is finished, and save if it is time."""
        # With several steps in one execution, Keras names the last that the execution had room for.
        left = self.params.get("steps")
        self._finished = self._before + min(batch + 1, left or batch + 1)
        if self.path is None:
            return
        steps, seconds = self._finished - self._saved_at, time.monotonic() - self._saved_time
        if (self.every_steps and steps >= self.every_steps) or (self.every_seconds and seconds >= self.every_seconds):
            self.save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save."""
        if self.path is not None and self.every_epoch:
            self.save()


def _save(model: Any, state: State, path: Path) -> None:
    partial = path.with_name(f"partial-{path.name}")
    try:
        with undistributed():
            model.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(MEMBER, json.dumps({"state": state.to_json(), "random": _random_values(model)}))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def undistributed() -> Iterator[None]:
    """Let one of several JAX processes do what makes variables, such as saving a model, without the others.

    While a `keras.distribution` is set, each new variable is a meeting of all processes; saving makes some.
    """
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def _random_variables(model: Any) -> list[Any]:
    """Return the states of a model's random layers, such as dropout, which Keras' own file leaves out."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _random_values(model: Any) -> list[list[int]]:
    return [keras.ops.convert_to_numpy(variable).tolist() for variable in _random_variables(model)]


def load_training(path: str | PathLike[str], **options: Any) -> tuple[Any, State]:
    """Return a model that `SaveState` saved, and the place in the data that it was saved at.

    Args:
        path: The `.keras` file.
        **options: Further arguments of `keras.models.load_model`, such as custom_objects.

    Returns:
        The model, with its optimizer and the states of its random layers; and the place, for `resume_fit`.

    Raises:
        OptionError: The file holds no place.
        FileNotFoundError: There is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            saved = json.loads(archive.read(MEMBER))
    except (KeyError, zipfile.BadZipFile) as error:
        raise OptionError(
            f"{path}: found no place in the data ({error}), expected a model that seekless.SaveState saved"
        ) from error
    model = keras.models.load_model(path, **options)
    for variable, values in zip(_random_variables(model), saved["random"], strict=True):
        variable.assign(np.array(values, keras.backend.standardize_dtype(variable.dtype)))
    return model, State.from_json(saved["state"])


def resume_fit(model: Any, sequence: StoreSequence, state: State, *, epochs: int = 1, **fit: Any) -> Any:
    """Fit a model from where a state was taken, as if the training had not stopped.

    The rest of the epoch that the state stands in is one call of `fit`, the epochs after it another. With the model
    that was saved with the state, the weights at the end are those of the unbroken training, bit for bit, where the
    backend computes the same bits twice.

    Args:
        model: The model, compiled, as it was when the state was taken.
        sequence: What it trains on, with the options of the first time.
        state: From `load_training`, `SaveState.state` or `StoreSequence.state`.
        epochs: Number of the last epoch, as Keras counts: 5 ends where `fit(epochs=5)` would have ended.
        **fit: Further arguments of `fit`, such as validation_data and callbacks; both calls get them.

    Returns:
        Keras' History of both calls; the first epoch in it is the rest of one.

    Raises:
        OptionError: The state does not fit the sequence, or an argument would count steps or epochs otherwise.
    """
    for name in ("steps_per_epoch", "initial_epoch"):
        if fit.get(name):
            raise OptionError(
                f"{name}: found {fit[name]}, expected none: the state says where to begin, epochs where to end"
            )
    sequence.restore(state)
    epoch, step = sequence.upcoming
    parts = [(epoch, epoch + 1), (epoch + 1, epochs)] if step else [(epoch, epochs)]
    whole = keras.callbacks.History()
    whole.epoch = []
    for first, last in parts:
        if first >= min(last, epochs):
            continue  # even a fit of no epoch would look ahead
        history = model.fit(sequence, initial_epoch=first, epochs=last, **fit)
        whole.epoch += history.epoch
        for name, values in history.history.items():
            whole.history.setdefault(name, []).extend(values)
        if model.stop_training:
            break
    return whole

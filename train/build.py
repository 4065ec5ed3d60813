"""From `--model` to a compiled model that fits the samples and the targets."""

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from seekless.errors import OptionError, TrainError
from seekless.train.models import MODELS
from seekless.train.options import Options
from seekless.train.shapes import SampleShape
from seekless.train.targets import Targets

__all__ = ["build_model", "check_input", "has_gpu", "load_model", "outputs_of", "precision", "wants_one_hot"]

# Words that `compile` takes for metrics beside the names of Keras' own.
METRIC_WORDS = ("accuracy", "acc", "crossentropy", "ce")


def build_model(options: Options, sample_shape: SampleShape, targets: Targets) -> Any:
    """Build, import or load the model that the options name, and compile it.

    A model that comes compiled, from a function or a file, keeps its own optimizer, loss and metrics but for those that
    the options name.

    Args:
        options: With the model, the optimizer, the loss and the metrics.
        sample_shape: The shape of one sample; of several inputs a dictionary of them by name.
        targets: What it is to learn.

    Returns:
        A compiled `keras.Model`.

    Raises:
        OptionError: There is no such model, optimizer, loss or metric.
        TrainError: The model cannot take the samples, or does not give what is to be learnt.
    """
    where = f"--model {options.model}"
    if options.model in MODELS:
        if isinstance(sample_shape, dict):
            raise TrainError(
                f"{where}: found samples of the inputs {', '.join(sample_shape)}, expected one input; give a model "
                "that takes them, by --model package.module:function"
            )
        model = MODELS[options.model](sample_shape, targets.outputs, linear=targets.kind != "class")
    else:
        function = options.model_function
        if function is not None:
            model = _call(*function, sample_shape, targets.outputs, where)
        else:
            model = load_model(Path(options.model), where)
        check_input(model, sample_shape, where)
        _check_outputs(model, sample_shape, targets, where)
    _compile(model, options, targets)
    return model


def load_model(path: Path, where: str) -> Any:
    """Load a saved model.

    Args:
        path: The file, as Keras saved it.
        where: The option that names it, for messages.

    Raises:
        OptionError: There is no such file.
        TrainError: It is no model that Keras can load.
    """
    if not path.is_file():
        raise OptionError(f"{where}: found no file {path}, expected a model that Keras saved, such as model.keras")
    try:
        return keras.models.load_model(path)
    except Exception as error:  # Keras raises ten kinds, and says in the first line what is wrong
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TrainError(
            f"{where}: found {path}, which Keras cannot load ({reason}), expected a whole model of known layers"
        ) from error


def check_input(model: Any, sample_shape: SampleShape, where: str) -> None:
    """Check that a model takes samples of a shape.

    Args:
        model: The model.
        sample_shape: The shape of one sample; of several inputs a dictionary of them by name.
        where: The option that names the model, for messages.

    Raises:
        TrainError: It takes another shape, or other inputs.
    """
    if isinstance(sample_shape, dict):
        _check_inputs(model, sample_shape, where)
        return
    shape = getattr(model, "input_shape", None)  # a subclassed model has none
    if shape is None:
        return
    if isinstance(shape, list | dict):
        raise TrainError(f"{where}: found a model of {len(shape)} inputs, expected one input: the sample")
    wanted = tuple(shape[1:])
    if not _fits(sample_shape, wanted):
        raise TrainError(
            f"{where}: found samples of shape {_times(sample_shape)}, expected {_times(wanted)}, which is what the "
            "model takes; give another --model, or convert to that shape (--shape for CSV, --size and --channels for "
            "images)"
        )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    # Keras adds or takes away a last axis of length 1 by itself.
    for found in (shape, (*shape, 1), shape[:-1] if shape[-1:] == (1,) else shape):
        if len(found) == len(wanted) and all(side in (None, own) for side, own in zip(wanted, found, strict=True)):
            return True
    return False


def _check_inputs(model: Any, shapes: dict[str, tuple[int, ...]], where: str) -> None:
    """Check that a model takes several inputs of these names and shapes."""
    tensors = getattr(model, "inputs", None)  # a subclassed model has none
    if not tensors:
        return
    wanted = {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
    if set(wanted) != set(shapes) or not all(_fits(shape, wanted[name]) for name, shape in shapes.items()):
        found, takes = (
            ", ".join(f"{name} of {_times(shape)}" for name, shape in sorted(s.items())) for s in (shapes, wanted)
        )
        raise TrainError(f"{where}: found the inputs {found}, expected {takes}, which is what the model takes")


def outputs_of(model: Any, sample_shape: SampleShape, where: str) -> tuple[int, ...]:
    """Return the shape of what a model gives for one sample.

    Args:
        model: The model.
        sample_shape: The shape of one sample; of several inputs a dictionary of them by name.
        where: The option that names the model, for messages.

    Raises:
        TrainError: It gives more than one array.
    """
    shape = getattr(model, "output_shape", None)
    if shape is None:  # a subclassed model knows once it has run
        one = sample_shape if isinstance(sample_shape, dict) else {"": sample_shape}
        zeros = {name: keras.ops.zeros((1, *shape)) for name, shape in one.items()}
        given = model(zeros if isinstance(sample_shape, dict) else zeros[""])
        shape = [part.shape for part in given] if isinstance(given, list | tuple | dict) else given.shape
    if isinstance(shape, list | dict):
        raise TrainError(f"{where}: found a model of {len(shape)} outputs, expected one output")
    return tuple(shape[1:])


def wants_one_hot(model: Any, targets: Targets) -> bool:
    """Return whether class targets have to come as rows with a single 1 for the model's loss.

    Keras' own losses do, but for the sparse ones; a loss of the user's is handed the numbers of the classes.
    """
    if targets.kind != "class" or targets.outputs == 1:
        return False
    loss = getattr(model, "loss", None)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if not getattr(loss if inspect.isfunction(loss) else type(loss), "__module__", "").startswith("keras."):
        return False
    name = loss.__name__ if inspect.isfunction(loss) else type(loss).__name__
    binary = "binary" in name.lower() and tuple(getattr(model, "output_shape", ()))[1:] == (1,)
    return not (name.lower().startswith("sparse") or binary)


@contextlib.contextmanager
def precision(*, mixed: bool) -> Iterator[None]:
    """Build models of mixed precision: 16 bits to compute in (float16 on a GPU, bfloat16 else), 32 for the weights.

    Args:
        mixed: Whether to do so; else nothing is changed.
    """
    before = keras.config.dtype_policy()
    if mixed:
        keras.config.set_dtype_policy("mixed_float16" if has_gpu() else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def has_gpu() -> bool:
    """Return whether Keras' backend sees a GPU."""
    if keras.backend.backend() == "torch":
        return bool(importlib.import_module("torch").cuda.is_available())
    return any(
        "gpu" in str(device).lower() or "cuda" in str(device).lower() for device in keras.distribution.list_devices()
    )


def _call(module: str, function: str, sample_shape: SampleShape, outputs: int, where: str) -> Any:
    with _current_folder_first():
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there; one that it imports is not
            raise OptionError(
                f"{where}: found no module {error.name}, expected one in the current folder or installed"
            ) from None
        build = getattr(found, function, None)
        if not callable(build):
            raise OptionError(
                f"{where}: found no function {function} in {getattr(found, '__file__', module)}, expected "
                f"{function}(sample_shape, outputs) that returns a Keras model"
            )
        model = build(sample_shape, outputs)
    if not isinstance(model, keras.Model):
        raise TrainError(f"{where}: found a function that returns {type(model).__name__}, expected a keras.Model")
    return model


@contextlib.contextmanager
def _current_folder_first() -> Iterator[None]:
    sys.path.insert(0, folder := os.getcwd())
    try:
        yield
    finally:
        sys.path.remove(folder)


def _check_outputs(model: Any, sample_shape: SampleShape, targets: Targets, where: str) -> None:
    found = outputs_of(model, sample_shape, where)
    wanted = [(targets.outputs,)] if targets.kind == "class" else [targets.shape or (1,)]
    if targets.kind == "class" and targets.class_count == 2:
        wanted.append((1,))
    if found not in wanted:
        raise TrainError(
            f"{where}: found a model that gives {_times(found)} for a sample, expected {_times(wanted[0])}: the "
            f"targets are {targets}; give a --model with as many outputs"
        )


def _compile(model: Any, options: Options, targets: Targets) -> None:
    own = bool(getattr(model, "compiled", False))
    if options.loss != "auto":
        _check_name("loss", options.loss, keras.losses.get, "auto, or the name of a Keras loss, such as mse")
    for name in options.metrics:
        if name not in METRIC_WORDS:
            _check_name("metrics", name, keras.metrics.get, "names of Keras metrics, such as accuracy or mae")
    if own and options.optimizer is None and options.loss == "auto" and not options.metrics:
        if options.learning_rate is not None:
            _set_learning_rate(model.optimizer, options.learning_rate)
        return
    optimizer = _optimizer(options)
    if own and options.optimizer is None:
        optimizer = model.optimizer
        if options.learning_rate is not None:
            _set_learning_rate(optimizer, options.learning_rate)
    loss: Any = targets.loss if options.loss == "auto" else options.loss
    metrics: Any = list(options.metrics or targets.metrics)
    if own:
        kept = model.get_compile_config() or {}
        loss = model.loss if options.loss == "auto" else loss
        if not options.metrics and kept.get("metrics"):
            metrics = keras.saving.deserialize_keras_object(kept["metrics"])
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)


def _optimizer(options: Options) -> Any:
    known: dict[str, Any] = {
        name.lower(): kind
        for name, kind in vars(keras.optimizers).items()
        if inspect.isclass(kind) and issubclass(kind, keras.optimizers.Optimizer)
    }
    for base in ("optimizer", "lossscaleoptimizer"):
        known.pop(base, None)
    chosen = known.get((options.optimizer or "adam").lower())
    if chosen is None:
        names = ", ".join(sorted(kind.__name__ for kind in known.values()))
        raise OptionError(f"--optimizer: found {options.optimizer!r}, expected one of {names}")
    return chosen() if options.learning_rate is None else chosen(options.learning_rate)


def _set_learning_rate(optimizer: Any, rate: float) -> None:
    try:
        optimizer.learning_rate = rate
    except TypeError:  # it follows a schedule
        raise OptionError(
            f"--learning-rate: found {rate} for a model whose optimizer follows a schedule, expected none; or give "
            "--optimizer too"
        ) from None


def _check_name(option: str, name: str, get: Any, expected: str) -> None:
    try:
        get(name)
    except (ValueError, TypeError):
        raise OptionError(f"--{option}: found {name!r}, expected {expected}") from None


def _times(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape) or "one value"

"""The two LeNets of the articles.

They follow LeCun et al., "Gradient-based learning applied to document recognition" (1998), with ReLU and max-pooling.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from seekless.errors import TrainError

__all__ = ["MODELS", "lenet", "lenet_wide"]

# Two poolings halve each side twice.
SMALLEST_SIDE = 4


def lenet(shape: tuple[int, ...], outputs: int, *, linear: bool = False) -> Any:
    """Build LeNet: 6 and 16 filters, dense 120 and 64; 105,166 parameters for 28 x 28 x 1 and 10 classes.

    Args:
        shape: One sample, (height, width) or (height, width, channels), values 0 to 1.
        outputs: Number of classes, or of numbers to predict.
        linear: Give the numbers themselves, not probabilities of classes.

    Returns:
        A `keras.Model` that gives float32, (batch, outputs), not compiled.

    Raises:
        TrainError: The samples are no pictures.
    """
    return _lenet(shape, outputs, linear, filters=(6, 16), dense=(120, 64), name="lenet")


def lenet_wide(shape: tuple[int, ...], outputs: int, *, linear: bool = False) -> Any:
    """Build the wide LeNet: 20 and 50 filters, dense 500; 1,256,080 parameters for 28 x 28 x 1 and 10 classes.

    Args:
        shape: One sample, (height, width) or (height, width, channels), values 0 to 1.
        outputs: Number of classes, or of numbers to predict.
        linear: Give the numbers themselves, not probabilities of classes.

    Returns:
        A `keras.Model` that gives float32, (batch, outputs), not compiled.

    Raises:
        TrainError: The samples are no pictures.
    """
    return _lenet(shape, outputs, linear, filters=(20, 50), dense=(500,), name="lenet-wide")


def _lenet(
    shape: tuple[int, ...], outputs: int, linear: bool, *, filters: tuple[int, ...], dense: tuple[int, ...], name: str
) -> Any:
    picture = (*shape, 1) if len(shape) == 2 else shape
    if len(picture) != 3 or min(picture[:2]) < SMALLEST_SIDE:
        raise TrainError(
            f"--model {name}: found samples of shape {' x '.join(map(str, shape)) or 'one value'}, expected pictures: "
            f"height x width or height x width x channels, {SMALLEST_SIDE} x {SMALLEST_SIDE} or larger; give another "
            "--model, or convert CSV with --shape"
        )
    stack = [keras.Input(shape)]
    if picture != shape:
        stack.append(layers.Reshape(picture))
    for count in filters:
        stack.append(layers.Conv2D(count, 5, padding="same", activation="relu", kernel_initializer="he_uniform"))
        stack.append(layers.MaxPooling2D(2))
    stack.append(layers.Flatten())
    stack += [layers.Dense(units, activation="relu", kernel_initializer="he_normal") for units in dense]
    # Probabilities lose too much in 16 bits, so that the last layer computes in 32 also with --mixed-precision.
    activation = "linear" if linear else "softmax"
    stack.append(layers.Dense(outputs, activation=activation, kernel_initializer="he_normal", dtype="float32"))
    return keras.Sequential(stack, name=name.replace("-", "_"))


MODELS: dict[str, Callable[..., Any]] = {"lenet": lenet, "lenet-wide": lenet_wide}

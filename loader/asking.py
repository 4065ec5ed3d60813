"""What Keras is about to do, read from its own frames where it asks: it tells a dataset no more than an index."""

import warnings
from types import FrameType
from typing import Any

__all__ = ["asks_keras", "steps_of_epoch", "takes_endless", "warn_of_prediction"]


def asks_keras(frame: FrameType | None) -> bool:
    """Return whether the code that asks is Keras' own."""
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("keras.")


def takes_endless(frame: FrameType) -> bool:
    """Return whether Keras asks where it can be told that a pass has no end; once it would only warn of it."""
    return asks_keras(frame) and frame.f_code.co_name != "get_data_adapter"


def steps_of_epoch(frame: FrameType | None, dataset: Any) -> int | None:
    """Return how many steps Keras' epochs will have, where it is about to begin a training or something else.

    Args:
        frame: Of the code that asks.
        dataset: What it asks.

    Returns:
        The `steps_per_epoch` of a `fit` on the dataset; 0 where `fit` was given none, where Keras evaluates or
        predicts, or where it is not Keras that asks; None where Keras is in the midst of it.
    """
    if not asks_keras(frame):
        return 0
    steps = None
    while frame is not None and asks_keras(frame):
        name, its = frame.f_code.co_name, frame.f_globals["__name__"]
        if name == "__init__" and its.endswith(".epoch_iterator") and steps is None:
            steps = frame.f_locals.get("steps_per_epoch") or 0
        elif name == "fit" and steps is not None:
            return steps if frame.f_locals.get("x") is dataset else 0
        frame = frame.f_back
    return None if steps is None else 0


def warn_of_prediction(frame: FrameType | None, shuffle: object) -> bool:
    """Warn where it is `predict` that asks: in a random order nobody can tell which prediction is whose.

    Args:
        frame: Of the code that asks the caller.
        shuffle: How the batches are shuffled.

    Returns:
        Whether it warned.
    """
    depth = 3
    predicting = False
    while frame is not None and asks_keras(frame):
        predicting |= frame.f_code.co_name == "predict"
        frame, depth = frame.f_back, depth + 1
    if predicting:
        warnings.warn(
            f"predict: found a StoreSequence with shuffle={shuffle!r}, expected shuffle=False: predictions come in the "
            "order of its batches, not in that of the store",
            UserWarning,
            stacklevel=depth,
        )
    return predicting

"""Keras' own fit with a model that does nothing: what is left is the feeding."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

__all__ = ["fit"]

See = Callable[[Any, Any], None]


class Nothing(keras.Model):
    """Takes batches and counts their samples."""

    def __init__(self) -> None:
        super().__init__()
        self.see: See | None = None
        self.samples = tf.Variable(0, dtype=tf.int64)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Count a batch."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.samples.assign_add(tf.shape(y, out_type=tf.int64)[0])
        if self.see is not None:
            self.see(x.numpy(), y.numpy())
        return {"samples": tf.identity(self.samples)}


@cache
def _model(seen: bool) -> Nothing:
    """Return a model that is kept: its step is compiled once a process, as in a training of many epochs."""
    model = Nothing()
    model.compile(run_eagerly=seen)
    return model


def fit(see: See | None, *data: Any, **options: Any) -> int:
    """Run one epoch of fit; return its samples.

    Args:
        see: What is shown each batch; None to let Keras compile the step, as it does by default.
        *data: What fit takes: a dataset, or x and y.
        **options: Such as batch_size.
    """
    model = _model(see is not None)
    model.see = see
    model.samples.assign(0)
    model.fit(*data, epochs=1, verbose=0, **options)
    return int(model.samples.numpy())

"""Ranks on TensorFlow: workers that TF_CONFIG names, joined by the collectives of MultiWorkerMirroredStrategy.

Keras 3 cannot train under that strategy (docs/clusters.md), but making one joins the workers and watches over them. The
model stays outside of it, a plain one in each process, and the gradients are summed by the same operation that the
strategy would use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seekless.errors import TrainError
from seekless.train.launch import Launch
from seekless.train.ranks import AveragingRanks

__all__ = ["TensorFlowRanks"]

GROUP = 20_000
# Sums of one length share a key: TensorFlow wants one shape for each.
NUMBERS, GRADIENTS = 1 << 28, 1 << 30


class TensorFlowRanks(AveragingRanks):
    """One of several processes on TensorFlow.

    Args:
        rank: Which process this is.
        count: How many there are.
        timeout: Seconds after which a sum that others do not come to is an error.
        strategy: What joined them.
    """

    def __init__(self, rank: int, count: int, timeout: float, strategy: Any) -> None:
        super().__init__(rank, count)
        self.timeout = timeout
        self._strategy = strategy  # it watches over the other workers as long as it lives

    @classmethod
    def join(cls, launch: Launch, timeout: float) -> TensorFlowRanks:
        """Join the other processes; see `seekless.train.ranks.join`.

        Args:
            launch: What TF_CONFIG says.
            timeout: Seconds after which a rank that does not answer is taken for lost.

        Raises:
            TrainError: The others do not come, or something was computed before.
        """
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            raise TrainError(
                f"rank {launch.rank}: found no way to the other workers ({error}), expected {launch.count} that "
                "TF_CONFIG names, all started, and to be called before anything is computed"
            ) from error
        return cls(launch.rank, launch.count, timeout, strategy)

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum over all ranks; see `Ranks`."""
        summed: npt.NDArray[np.float64] = self._sum(tf.constant(values, tf.float64), NUMBERS + len(values)).numpy()
        return summed

    def average(self, gradients: list[Any], samples: Any) -> list[Any]:
        """Return the means of gradients over the ranks; see `AveragingRanks`."""
        there = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
        if not there:
            return gradients
        count = tf.cast(samples, there[0].dtype)
        flat = tf.concat([*(tf.reshape(gradient, [-1]) * count for gradient in there), count[tf.newaxis]], 0)
        sizes = [int(np.prod(gradient.shape)) for gradient in there]
        summed = self._sum(flat, GRADIENTS + sum(sizes))
        means = iter(tf.split(summed[:-1] / summed[-1], sizes))
        return [None if gradient is None else tf.reshape(next(means), gradient.shape) for gradient in gradients]

    def wrap(self, model: Any) -> None:
        """Let a compiled model train together with those of the other ranks; see `Ranks`."""
        model.jit_compile = False  # XLA knows no sum over processes
        super().wrap(model)

    def length(self, x: Any) -> Any:
        """Return the number of samples in a batch; see `AveragingRanks`."""
        return tf.shape(x)[0]

    def _sum(self, values: Any, key: int) -> Any:
        with tf.device("CPU:0"):
            return tf.raw_ops.CollectiveReduceV2(
                input=values,
                group_size=self.count,
                group_key=GROUP,
                instance_key=key,
                ordering_token=[],
                merge_op="Add",
                final_op="Id",
                timeout_seconds=self.timeout,
            )

    def _tells_of_loss(self, error: Exception) -> bool:
        return isinstance(error, tf.errors.OpError) and "ollective" in str(error)

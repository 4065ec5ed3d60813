"""Ranks on JAX: processes that make one machine of all their devices, on which Keras shares the batches out.

Each process hands Keras its own part of a batch. All do the same at the same time: what makes a variable or runs the
model on one of them waits for the others.
"""

from __future__ import annotations

import secrets
from typing import Any

import jax
import keras
import numpy as np
import numpy.typing as npt
from jax.experimental import multihost_utils

from seekless.errors import OptionError, TrainError
from seekless.train.launch import Launch
from seekless.train.ranks import Ranks

__all__ = ["JaxRanks"]


class JaxRanks(Ranks):
    """One of several processes on JAX, with one device each.

    After `leave`, which ends their work together, each is alone.
    """

    uneven = "uneven"  # the parts of a batch have to be equal
    divides_tests = False  # which is no way to test on each sample once

    @classmethod
    def join(cls, launch: Launch, timeout: float) -> JaxRanks:
        """Join the other processes; see `seekless.train.ranks.join`.

        Args:
            launch: What the environment says.
            timeout: Seconds after which a rank that does not answer is taken for lost.

        Raises:
            OptionError: This process has more than one device.
            TrainError: The others do not come.
        """
        try:
            # Not by keras.distribution.initialize, which has no time-outs.
            jax.distributed.initialize(
                launch.address,
                launch.count,
                launch.rank,
                initialization_timeout=max(1, int(timeout)),
                heartbeat_timeout_seconds=max(1, int(timeout)),
                shutdown_timeout_seconds=max(1, int(timeout)),
            )
        except RuntimeError as error:
            raise TrainError(
                f"rank {launch.rank}: found no other ranks at {launch.address} ({error}), expected {launch.count}, all "
                "started, and to be called before anything is computed"
            ) from error
        if jax.local_device_count() != 1:
            raise OptionError(
                f"rank {launch.rank}: found {jax.local_device_count()} devices, expected one a process; start as many "
                "processes as there are devices, each with a CUDA_VISIBLE_DEVICES of its own"
            )
        # Fresh weights that differ between processes are an error here, even where others are loaded into them.
        seed = multihost_utils.broadcast_one_to_all(np.array(secrets.randbits(31), np.uint32))
        keras.utils.set_random_seed(int(seed))
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        return cls(launch.rank, launch.count)

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum over all ranks; see `Ranks`."""
        halves = np.ascontiguousarray(values).view(np.uint32)  # JAX would make float32 of them
        gathered = np.ascontiguousarray(multihost_utils.process_allgather(halves)).view(np.float64)
        summed: npt.NDArray[np.float64] = gathered.reshape(self.count, -1).sum(axis=0)
        return summed

    def leave(self, model: Any) -> None:
        """Make the model one that this process can use alone; see `Ranks`."""
        keras.distribution.set_distribution(None)
        model_variables = (*model.variables, *model.optimizer.variables, *model.metrics_variables)
        for variable in {id(found): found for found in model_variables}.values():
            value = np.asarray(variable.value)
            variable._layout = None  # Keras has no public way to take a variable out of a distribution
            variable.assign(value)
        model.train_function = model.test_function = model.predict_function = None

    def _tells_of_loss(self, error: Exception) -> bool:
        return isinstance(error, jax.errors.JaxRuntimeError)

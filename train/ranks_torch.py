"""Ranks on PyTorch: processes that `torchrun` started, joined by torch.distributed."""

from __future__ import annotations

import datetime
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from seekless.errors import TrainError
from seekless.train.launch import Launch
from seekless.train.ranks import AveragingRanks

__all__ = ["TorchRanks"]


class TorchRanks(AveragingRanks):
    """One of several processes on PyTorch."""

    @classmethod
    def join(cls, launch: Launch, timeout: float) -> TorchRanks:
        """Join the other processes; see `seekless.train.ranks.join`.

        Args:
            launch: What torchrun says.
            timeout: Seconds after which a rank that does not answer is taken for lost.

        Raises:
            TrainError: The others do not come.
        """
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        try:
            # With no backend named, gloo serves tensors in memory and NCCL those of GPUs.
            distributed.init_process_group(timeout=datetime.timedelta(seconds=timeout))
        except (RuntimeError, ValueError) as error:
            raise TrainError(
                f"rank {launch.rank}: found no other ranks ({error}), expected {launch.count} within {timeout:g} s"
            ) from error
        # Layers without a seed of their own draw from this generator.
        torch.manual_seed(torch.initial_seed() + launch.rank)
        return cls(launch.rank, launch.count)

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum over all ranks; see `Ranks`."""
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor)
        summed: npt.NDArray[np.float64] = tensor.numpy()
        return summed

    def average(self, gradients: list[Any], samples: Any) -> list[Any]:
        """Return the means of gradients over the ranks; see `AveragingRanks`."""
        there = [gradient for gradient in gradients if gradient is not None]
        if not there:
            return gradients
        flat = torch.cat([gradient.detach().reshape(-1) * samples for gradient in there])
        flat = torch.cat([flat, flat.new_tensor([samples])])
        distributed.all_reduce(flat)
        means = iter((flat[:-1] / flat[-1]).split([gradient.numel() for gradient in there]))
        return [None if gradient is None else next(means).reshape(gradient.shape) for gradient in gradients]

    def length(self, x: Any) -> Any:
        """Return the number of samples in a batch; see `AveragingRanks`."""
        return len(x)

    def _tells_of_loss(self, error: Exception) -> bool:
        return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()

"""Processes that train one model together: each on its own samples, all with the same weights.

Each process, a rank, computes the gradients of its own batch. Before they are applied they are averaged over the ranks,
weighted by samples, so that a step does what one process would do with all the batches as one. Metrics are added up at
the end of each pass. What Keras does not do itself is done here by two hooks of the model: `train_step`, which knows
how many samples a batch has, and the optimizer's `apply`, which is handed the gradients.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from seekless.errors import TrainError
from seekless.train.launch import find_launch

__all__ = ["ALONE", "AveragingRanks", "Ranks", "Settle", "join"]

# Far apart, so that layers of neighbouring ranks do not drop the same values a step later.
SEED_STRIDE = 0x9E3779B9


class Ranks:
    """The processes that train together; this class is a process alone, its subclasses are one of several.

    Attributes:
        rank: Which process this is, from 0.
        count: How many there are.
        uneven: What a `StoreSequence` to train on does with samples by which ranks would differ: its drop_remainder.
        divides_tests: Each rank is to test on its share; else each tests on all samples.
    """

    uneven: bool | str = False
    divides_tests = True

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count

    @property
    def shard(self) -> tuple[int, int]:
        """What a `StoreSequence` to train on takes as its shard."""
        return self.rank, self.count

    @property
    def test_shard(self) -> tuple[int, int]:
        """What a `StoreSequence` to test on takes as its shard."""
        return self.shard if self.divides_tests else (0, 1)

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum over all ranks.

        Args:
            values: float64, (numbers,), of this rank.
        """
        return values

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.total(np.zeros(1))

    def wrap(self, model: Any) -> None:
        """Let a compiled model train together with those of the other ranks; the weights of rank 0 are for all.

        Args:
            model: As it was built or loaded, before its first step.
        """

    def part_seeds(self, model: Any) -> None:
        """Let layers such as dropout, whose seeds are those of rank 0, draw other values on each rank.

        Args:
            model: The model.
        """

    def settle(self, model: Any) -> None:
        """Add up what the ranks have measured, at the end of a pass over the data.

        Args:
            model: The model.
        """

    def settle_statistics(self, model: Any) -> None:
        """Average what layers such as BatchNormalization have measured on the samples of each rank.

        Args:
            model: The model.
        """

    def callbacks(self, test_steps: int) -> list[Any]:
        """Return what `fit` and `evaluate` need as callbacks.

        Args:
            test_steps: Batches of the part that is looked at.
        """
        return []

    def spread(self, model: Any) -> None:
        """Give the models of all ranks the weights of the first.

        Args:
            model: The model.
        """

    def leave(self, model: Any) -> None:
        """Make the model one that this process can use alone.

        Args:
            model: The model.
        """

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raise the loss of another rank as what it is.

        Raises:
            TrainError: Another rank is gone, or does not answer any more.
        """
        try:
            yield
        except Exception as error:
            if self.count > 1 and self._tells_of_loss(error):
                line = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise TrainError(
                    f"rank {self.rank}: found another of the {self.count} ranks gone or silent ({line[:300]}), "
                    "expected all to the end; what it said itself tells why; start all of them again"
                ) from error
            raise

    def _tells_of_loss(self, error: Exception) -> bool:
        return False


ALONE = Ranks()


class AveragingRanks(Ranks):
    """Ranks with a model each, whose gradients are averaged."""

    @abstractmethod
    def total(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sum over all ranks; see `Ranks`."""

    @abstractmethod
    def average(self, gradients: list[Any], samples: Any) -> list[Any]:
        """Return the means of gradients over the ranks.

        Args:
            gradients: Of this rank, as the framework has them; None where a weight has none.
            samples: How many samples they are the mean of.
        """

    @abstractmethod
    def length(self, x: Any) -> Any:
        """Return the number of samples in a batch, as the framework counts in a step."""

    def wrap(self, model: Any) -> None:
        """Let a compiled model train together with those of the other ranks; see `Ranks`."""
        self.part_seeds(model)
        self.spread(model)
        batch: dict[str, Any] = {}
        train_step: Callable[[Any], Any] = model.train_step
        apply: Callable[..., Any] = model.optimizer.apply

        def counting_step(data: Any) -> Any:
            batch["samples"] = self.length(keras.tree.flatten(data)[0])
            return train_step(data)

        def averaging_apply(grads: list[Any], trainable_variables: Any = None) -> Any:
            return apply(self.average(list(grads), batch["samples"]), trainable_variables)

        model.train_step = counting_step
        model.optimizer.apply = averaging_apply

    def part_seeds(self, model: Any) -> None:
        """Let layers such as dropout draw other values on each rank; see `Ranks`."""
        for variable in model.variables:
            if variable.name == "seed_generator_state":
                state = keras.ops.convert_to_numpy(variable).astype(np.uint64)
                state[0] += self.rank * SEED_STRIDE
                variable.assign((state & 0xFFFFFFFF).astype(np.uint32))

    def spread(self, model: Any) -> None:
        """Give the models of all ranks the weights of the first; see `Ranks`."""
        self._share([v for v in (*model.variables, *model.optimizer.variables) if _is_float(v)], from_first=True)

    def settle(self, model: Any) -> None:
        """Add up what the metrics of the ranks have counted; see `Ranks`."""
        self._share(list(model.metrics_variables))

    def settle_statistics(self, model: Any) -> None:
        """Average what layers have measured on the samples of each rank; see `Ranks`."""
        self._share([v for v in model.non_trainable_variables if _is_float(v)], divisor=self.count)

    def callbacks(self, test_steps: int) -> list[Any]:
        """Return what `fit` and `evaluate` need as callbacks; see `Ranks`."""
        return [Settle(self, test_steps)]

    def _share(self, variables: list[Any], *, from_first: bool = False, divisor: int = 1) -> None:
        if not variables:
            return
        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        flat = np.concatenate([value.astype(np.float64).ravel() for value in values])
        flat = self.total(flat if self.first or not from_first else np.zeros_like(flat)) / divisor
        edges = np.cumsum([value.size for value in values])[:-1]
        for variable, value, shared in zip(variables, values, np.split(flat, edges), strict=True):
            variable.assign(shared.reshape(value.shape).astype(value.dtype))


class Settle(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Adds up the metrics of the ranks with the last batch of a pass, just before Keras reads them.

    Args:
        ranks: The processes that train together.
        test_steps: Batches of the part that is looked at.
    """

    def __init__(self, ranks: AveragingRanks, test_steps: int) -> None:
        super().__init__()
        self.ranks = ranks
        self.test_steps = test_steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Add up after the last batch to train on."""
        if batch + 1 >= self.params["steps"]:
            self.ranks.settle_statistics(self.model)
            self.ranks.settle(self.model)
            if logs:  # which the callbacks after this one are handed
                logs.update(self.model.get_metrics_result())

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Add up after the last batch to test on."""
        if batch + 1 >= self.test_steps:
            self.ranks.settle(self.model)


def _is_float(variable: Any) -> bool:
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(variable.dtype)))


# A process joins its group once for good: no framework lets it leave and join another.
_joined: list[Ranks] = []


def join(timeout: float = 300.0) -> Ranks:
    """Join the processes that train together, as their launcher says; call it before anything is computed.

    Args:
        timeout: Seconds after which a rank that does not answer is taken for lost.

    Returns:
        The ranks; a process alone where no launcher has left a word in the environment. The same each time.

    Raises:
        OptionError: The launcher is that of another backend, or says what makes no sense.
        TrainError: The others do not come.
    """
    if not _joined:
        launch = find_launch(os.environ, keras.backend.backend())
        if launch.count == 1:
            _joined.append(Ranks())
        elif launch.backend == "torch":
            from seekless.train.ranks_torch import TorchRanks

            _joined.append(TorchRanks.join(launch, timeout))
        elif launch.backend == "jax":
            from seekless.train.ranks_jax import JaxRanks

            _joined.append(JaxRanks.join(launch, timeout))
        else:
            from seekless.train.ranks_tensorflow import TensorFlowRanks

            _joined.append(TensorFlowRanks.join(launch, timeout))
    return _joined[0]

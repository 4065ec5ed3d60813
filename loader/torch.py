"""A store's batches as a PyTorch dataset, shared among the workers of a DataLoader."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset, get_worker_info

from seekless.loader.agreed import AgreedPasses
from seekless.loader.batches import BatchMaker
from seekless.loader.passes import Place
from seekless.loader.transform import Batch

__all__ = ["StoreDataset", "share"]


class StoreDataset(IterableDataset):  # type: ignore[misc]  # mypy runs without PyTorch
    """Batches for `DataLoader(dataset, batch_size=None, num_workers=...)`; each iteration is the next epoch.

    Each batch comes once an epoch, with any number of workers. With none or one, batches come in the order of the
    Sequence. Of several, each makes a run of consecutive batches, so that each window is read by one worker, but for
    those in which two runs meet; the loader then takes a batch of each worker in turn. Where nothing is shuffled, the
    first worker makes all of them, in order.

    Args:
        maker: Makes the batches.
        first: The place, (epoch, step), at which the first iteration begins; later ones are whole epochs.
    """

    def __init__(self, maker: BatchMaker, first: Place) -> None:
        super().__init__()
        self._maker = maker
        self._first = first
        self._passes = AgreedPasses()
        self._begun = 0  # passes that this worker has begun

    def __len__(self) -> int:
        return self._maker.steps - self._place(self._passes.begun)[1]

    def __iter__(self) -> Iterator[Any]:
        """Begin the next pass, or join it where other workers have begun it.

        Returns:
            Batches: (x, y) or (x, y, sample_weight), x alone without targets; tensors of the dtypes of the Sequence.
        """
        info = get_worker_info()
        if info is None:
            epoch, step = self._place(self._passes.number())
            return self._tensors(epoch, step, self._maker.steps)
        self._maker = self._maker.in_one_process()  # workers may have no processes of their own
        # The loader draws one seed for all its workers.
        name, self._begun = (info.seed - info.id, self._begun), self._begun + 1
        epoch, step = self._place(self._passes.number(name, info.num_workers))
        shuffled = bool(self._maker.options.shuffle)
        return self._tensors(epoch, *share(step, self._maker.steps, info.id, info.num_workers, shuffled=shuffled))

    def _place(self, number: int) -> Place:
        epoch, step = self._first
        return (epoch + number, 0) if number else (epoch, step)

    def _tensors(self, epoch: int, first: int, last: int) -> Iterator[Any]:
        for batch in self._maker.epoch(epoch, first, last):
            yield _tensors(batch)


def share(first: int, last: int, worker: int, workers: int, *, shuffled: bool) -> tuple[int, int]:
    """Return the steps that one of several workers makes, as (first, last + 1).

    Args:
        first: The first step of all.
        last: The last step of all + 1.
        worker: From 0.
        workers: How many.
        shuffled: Whether the order of the batches may change.
    """
    if not shuffled:
        return (first, last) if worker == 0 else (last, last)
    steps = last - first
    return first + steps * worker // workers, first + steps * (worker + 1) // workers


def _tensors(batch: Batch) -> Any:
    tensors = tuple(map(_tensor, batch))
    return tensors if len(tensors) > 1 else tensors[0]


def _tensor(array: npt.NDArray[Any] | dict[str, npt.NDArray[Any]]) -> Any:
    if isinstance(array, dict):
        return {name: _tensor(values) for name, values in array.items()}
    # A transform may give a mirrored view or a read-only one, of which PyTorch takes neither; else nothing is copied.
    return torch.from_numpy(np.require(array, requirements=["C_CONTIGUOUS", "WRITEABLE"]))

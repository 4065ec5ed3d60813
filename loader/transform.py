"""Run a user's transform on batches, each with a random generator of its own; here or in other processes."""

import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

from seekless.errors import LoaderError, OptionError
from seekless.loader.draw import generator

__all__ = ["Batch", "Transform", "TransformProcesses"]

# x, or a dictionary of several inputs; and beside it y and sample_weight, where there are any.
Batch = tuple[Any, ...]


@dataclass(frozen=True)
class Transform:
    """A user's function of (x, y, rng), and what its random numbers follow from beside epoch and step.

    Attributes:
        function: Gives (x, y) again.
        seed: Of the order.
        rank: Of the batches.
    """

    function: Callable[..., Any]
    seed: int
    rank: int

    def __call__(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Return a batch with its x and y transformed; each may become a dictionary of arrays, or stay one.

        Args:
            batch: (x,), (x, y) or (x, y, sample_weight).
            epoch: The epoch.
            step: The step.

        Raises:
            LoaderError: The function does not give a pair of equal lengths, or gives another length than the weights'.
        """
        x, y = batch[0], batch[1] if len(batch) > 1 else None
        given = self.function(x, y, generator(self.seed, epoch, step, self.rank))
        if not (isinstance(given, tuple) and len(given) == 2):
            raise LoaderError(f"transform: found {type(given).__name__}, expected a pair (x, y); return both")
        parts = (_arrays(given[0]), *([] if y is None else [_arrays(given[1])]), *batch[2:])
        lengths = [len(array) for part in parts for array in (part.values() if isinstance(part, dict) else [part])]
        if len(set(lengths)) > 1:
            raise LoaderError(
                f"transform: found {' and '.join(map(str, lengths))} samples, expected as many x as y"
                + (" and as many as there are sample weights" if len(batch) > 2 else "")
            )
        return parts


def _arrays(given: Any) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """Return what a transform gave as an array, or as a dictionary of arrays: several inputs, or several outputs."""
    return {name: np.asarray(a) for name, a in given.items()} if isinstance(given, Mapping) else np.asarray(given)


class TransformProcesses:
    """Worker processes that transform batches, a few ahead, and give them back in order.

    They begin with the first batch and end with this object. A copy by pickle begins its own.

    Args:
        transform: What they run.
        count: How many.

    Raises:
        OptionError: The transform cannot be sent to another process.
    """

    def __init__(self, transform: Transform, count: int) -> None:
        try:
            pickle.dumps(transform)
        except Exception as error:  # what pickle raises differs from one kind of function to the next
            raise OptionError(
                f"transform: found a function that no other process can be sent ({error}), expected one at the top of "
                "a module; or use_multiprocessing=False"
            ) from error
        self.transform = transform
        self.count = count
        self._executor: ProcessPoolExecutor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_executor": None}

    def map(self, batches: Iterator[Batch], epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield batches transformed, in order; those that are ahead are in the processes.

        Args:
            batches: Of steps one behind the other.
            epoch: Their epoch.
            first_step: The step of the first.

        Raises:
            LoaderError: A process ended.
        """
        waiting: deque[Future[Batch]] = deque()
        try:
            for step, batch in enumerate(batches, first_step):
                waiting.append(self._submit(batch, epoch, step))
                if len(waiting) > self.count:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, batch: Batch, epoch: int, step: int) -> Future[Batch]:
        if self._executor is None:
            # Not by fork: a process with threads of TensorFlow or of a reader does not survive one.
            method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
            self._executor = ProcessPoolExecutor(self.count, multiprocessing.get_context(method))
            finalize(self, self._executor.shutdown, wait=False, cancel_futures=True)
        try:
            return self._executor.submit(self.transform, batch, epoch, step)
        except BrokenProcessPool as error:
            raise _ended(error) from error


def _result(future: Future[Batch]) -> Batch:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _ended(error) from error


def _ended(error: Exception) -> LoaderError:
    return LoaderError(
        f"transform: found that a worker process had ended ({error}), expected it to live; a script that trains needs "
        'if __name__ == "__main__": around what it does, and the machine memory enough; or use_multiprocessing=False'
    )

"""The batches of a Sequence as they are asked for: one at a time, whichever thread asks, and in each process anew."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seekless.loader.batches import BatchMaker
from seekless.loader.garbage import collector
from seekless.loader.passes import Passes, Place
from seekless.loader.state import State
from seekless.loader.transform import Batch

__all__ = ["Feed"]


class Feed:
    """Makes batches in the order in which they are asked for, and reads ahead while that is the order of the epochs.

    Args:
        maker: Of the batches.

    Attributes:
        maker: Of the batches; another one after a state of another seed was restored.
        passes: Which batch a request gets. Ask it in `alone`.
        error: Of the last request; TensorFlow passes on no more than its text.
    """

    def __init__(self, maker: BatchMaker) -> None:
        self.maker = maker
        self.passes = Passes(maker.steps)
        self.error: BaseException | None = None
        self._stream: Iterator[Batch] | None = None
        self._stream_at = (0, 0)  # epoch and step of the batch that the stream gives next
        self._begin_process()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads out; to free garbage here could mean to wait for one of them."""
        if self._process != os.getpid():
            self._begin_process()
        with collector.needed(), self._lock:
            yield

    def next(self) -> Any:
        """Return the batch of the next request; x alone where there is nothing beside it."""
        with self.alone():
            return _given(self._batch(*self.passes.request()))

    def at(self, place: Place) -> Any:
        """Return the batch of a place; a pass does not go on by it."""
        with self.alone():
            return _given(self._batch(*place))

    def use(self, place: Place) -> Any:
        """Return the batch of a place, and note that it was used."""
        with self.alone():
            batch = self._batch(*place)
            self.passes.use(place)
        return _given(batch)

    def begin_pass(self) -> tuple[BatchMaker, Place]:
        """Give an epoch to someone who makes its batches himself."""
        with self.alone():
            self.error = None
            epoch, step = self.passes.upcoming
            self.passes.restart((epoch + 1, 0))
            return self.maker, (epoch, step)

    def note(self, error: BaseException) -> None:
        """Note why he could not."""
        self.error = error

    def restore(self, state: State) -> None:
        """Go on where a state was taken.

        Args:
            state: The state.

        Raises:
            OptionError: It stands amid an epoch whose batches are others than these.
        """
        state.check(self.maker.described, self.maker.steps)
        with self.alone():
            if state.seed != self.maker.options.seed:
                self.maker = self.maker.with_seed(state.seed)
            self._stream = None
            self.passes.restart((state.epoch, state.steps))

    def close(self) -> None:
        """Stop reading ahead, and free what was read."""
        with self.alone():
            self._stream = None
            self.maker.forget()

    def _batch(self, epoch: int, step: int) -> Batch:
        if self._stream is None or self._stream_at != (epoch, step):
            self._stream = self.maker.epoch(epoch, step)
        try:
            batch = next(self._stream)
        except BaseException as error:
            self._stream, self.error = None, error
            raise
        self.error = None
        self._stream_at = (epoch, step + 1)
        if step + 1 == self.maker.steps:
            # Ends its thread and frees its window now: TensorFlow keeps every dataset it was given for good.
            self._stream = None
        return batch

    def __getstate__(self) -> dict[str, Any]:
        # A thread that reads ahead and a lock cannot be pickled; a copy opens its own.
        return {**self.__dict__, "_stream": None, "_lock": None, "error": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_process()

    def _begin_process(self) -> None:
        """Begin in a new process, also a fork: the thread that reads ahead did not come along."""
        self._stream = None
        self._lock = threading.Lock()
        self._process = os.getpid()


def _given(batch: Batch) -> Any:
    return batch if len(batch) > 1 else batch[0]

"""Hand runs of samples to worker processes, a bounded number at a time."""

import contextlib
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_ends
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

from seekless.convert.server import available_cores, undisturbed, worker_context
from seekless.convert.shared import SharedMemory, can_share
from seekless.convert.workers import RunResult, begin, encode_run, work
from seekless.errors import ConvertError
from seekless.source.place import is_of_one_process
from seekless.source.samples import Reader

__all__ = ["map_runs", "without_main", "worker_count"]

# Runs handed out and not yet answered, for each worker: enough that none waits for the parent.
AHEAD = 3
# Seconds without an answer after which workers are asked whether they live.
PATIENCE = 1.0
# Starting processes costs about as long as decoding this many small files.
FEW_SAMPLES = 512


def worker_count(wanted: int | None, samples: int) -> int:
    """Return how many worker processes to use.

    Args:
        wanted: As asked for; None for one a core, but none where that would not help.
        samples: Samples in the source.
    """
    if wanted is not None:
        return wanted
    cores = available_cores()
    return 0 if samples <= FEW_SAMPLES or cores == 1 else cores


def map_runs(
    reader: Reader, runs: Iterable[Any], workers: int, *, dtype: str | None = None
) -> Generator[RunResult, None, None]:
    """Decode runs of samples, in this process or in several, and yield each as it is done, in any order.

    Args:
        reader: Decodes runs of the source.
        runs: What to do, in the order in which it is begun.
        workers: Worker processes; 0 to decode in this one.
        dtype: The stored dtype to try values in, if one is asked for.

    Raises:
        ConvertError: A worker process died; the message names what it may have been reading.
    """
    if workers == 0 or is_of_one_process(reader.root):
        for run in runs:
            rest = run
            while rest is not None:
                result = encode_run(reader.read(rest), dtype)
                yield result
                rest = result.rest
        return
    shared = SharedMemory() if can_share() else None
    out = _Work(_start(reader, workers, dtype, shared), shared)
    whole = False
    try:
        for run in runs:
            out.submit(run)
            while len(out.pending) >= AHEAD * workers:
                yield from out.finished()
        while out.pending:
            yield from out.finished()
        whole = True
    except BrokenProcessPool as error:
        keys = [str(run) for future, (run, _) in out.pending.items() if not _is_answered(future)][:workers]
        raise ConvertError(
            f"a worker process died (killed, or out of memory) while reading one of: {'; '.join(keys)}; no store was "
            "written; run it again, with fewer --workers if memory is short"
        ) from error
    finally:
        if not whole:
            _kill(out.executor)  # a run of files on a slow disk takes seconds to its end
        out.executor.shutdown(wait=False, cancel_futures=True)
        if shared is not None:
            shared.close()


def _start(reader: Reader, workers: int, dtype: str | None, shared: SharedMemory | None) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, worker_context(), begin, (reader, dtype, shared))


def _kill(executor: ProcessPoolExecutor) -> None:
    """End the worker processes now, and wait for it: what they share with this one must outlast them."""
    processes = list((executor._processes or {}).values())  # public from Python 3.14 on, as kill_workers
    for process in processes:
        process.kill()
    # One that was killed half-way through an answer would leave the executor's thread waiting for the rest of it, and
    # this process for that thread at its end, as long as anyone could still write there.
    answers = getattr(executor, "_result_queue", None)
    if answers is not None:
        answers._writer.close()
    left, end = {process.sentinel for process in processes}, time.monotonic() + 1
    while left and time.monotonic() < end:
        left -= set(wait_for_ends(list(left), end - time.monotonic()))


def _is_answered(future: Future[RunResult]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


class _Work:
    """Runs that are handed out.

    Attributes:
        executor: The worker processes.
        pending: Those not yet answered: the run, and its place in shared memory.
    """

    def __init__(self, executor: ProcessPoolExecutor, shared: SharedMemory | None) -> None:
        self.executor = executor
        self.pending: dict[Future[RunResult], tuple[Any, int]] = {}
        self._answers: SimpleQueue[Future[RunResult]] = SimpleQueue()
        self._shared = shared

    def submit(self, run: Any) -> None:
        """Hand out a run."""
        region = 0 if self._shared is None else self._shared.region()
        # A worker that has been started but is not yet known to the executor could not be ended.
        with without_main(), undisturbed():
            future = self.executor.submit(work, run, region)
            self.pending[future] = run, region
            future.add_done_callback(self._answers.put)

    def finished(self) -> Iterator[RunResult]:
        """Wait for a run and yield it; what of it is left is handed out first."""
        # Not by concurrent.futures.wait: Ctrl-C in the midst of it leaves the locks of futures held, and the executor's
        # own thread waits for them for ever.
        future = None
        while future is None:
            try:
                future = self._answers.get(timeout=PATIENCE)
            except Empty:
                # The executor does not see a worker die while it waits for the rest of what that one was sending.
                if wait_for_ends([process.sentinel for process in (self.executor._processes or {}).values()], 0):
                    raise BrokenProcessPool("a worker process has ended while another answer was awaited") from None
        with undisturbed():
            result = future.result()
        if self._shared is not None:
            result = self._shared.received(result, self.pending[future][1])
        if result.rest is not None:
            self.submit(result.rest)
        yield result
        del self.pending[future]


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep a new process from importing the user's script, which would run again where it has no `__main__` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

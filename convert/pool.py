"""Hand runs of samples to worker processes, a bounded number at a time."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType
from typing import Any

from seekless.convert.workers import RunResult, begin, encode_run, work
from seekless.errors import ConvertError
from seekless.source.samples import Reader

__all__ = ["available_cores", "map_runs", "worker_count"]

# Runs handed out and not yet answered, for each worker: enough that none waits for the parent.
AHEAD = 3
# Starting processes costs about as long as decoding this many small files.
FEW_SAMPLES = 512


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover (macOS, Windows)


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
    if workers == 0:
        for run in runs:
            rest = run
            while rest is not None:
                result = encode_run(reader.read(rest), dtype)
                yield result
                rest = result.rest
        return
    executor = _start(reader, workers, dtype)
    pending: dict[Future[RunResult], Any] = {}
    try:
        for run in runs:
            _submit(executor, run, pending)
            while len(pending) >= AHEAD * workers:
                yield from _finished(executor, pending)
        while pending:
            yield from _finished(executor, pending)
    except KeyboardInterrupt:
        _kill(executor)  # a run of files on a slow disk takes seconds to its end
        raise
    except BrokenProcessPool as error:
        keys = [str(run) for run in list(pending.values())[:workers]]
        raise ConvertError(
            f"a worker process died (killed, or out of memory) while reading one of: {'; '.join(keys)}; no store was "
            "written; run it again, with fewer --workers if memory is short"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _start(reader: Reader, workers: int, dtype: str | None) -> ProcessPoolExecutor:
    # A fork of a process with threads (Keras has many) can hang: the server forks from a fresh process instead.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["seekless.convert.workers"])
    return ProcessPoolExecutor(workers, context, begin, (reader, dtype))


def _kill(executor: ProcessPoolExecutor) -> None:
    """End the worker processes now."""
    for process in list((executor._processes or {}).values()):  # public from Python 3.14 on, as kill_workers
        process.kill()


def _submit(executor: Executor, run: Any, pending: dict[Future[RunResult], Any]) -> None:
    with _without_main():
        pending[executor.submit(work, run)] = run


def _finished(executor: Executor, pending: dict[Future[RunResult], Any]) -> Iterator[RunResult]:
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        result = future.result()
        if result.rest is not None:
            _submit(executor, result.rest, pending)
        yield result
        del pending[future]


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a new process from importing the user's script, which would run again where it has no `__main__` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

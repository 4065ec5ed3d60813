"""Hand runs of samples to worker processes, a bounded number at a time."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_ends
from queue import Empty, SimpleQueue
from types import FrameType, ModuleType
from typing import Any

from seekless.convert.workers import RunResult, begin, encode_run, work
from seekless.errors import ConvertError
from seekless.source.place import is_of_one_process
from seekless.source.samples import Reader

__all__ = ["available_cores", "map_runs", "worker_count"]

Answers = SimpleQueue[Future[RunResult]]

# Runs handed out and not yet answered, for each worker: enough that none waits for the parent.
AHEAD = 3
# Seconds without an answer after which workers are asked whether they live.
PATIENCE = 1.0
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
    if workers == 0 or is_of_one_process(reader.root):
        for run in runs:
            rest = run
            while rest is not None:
                result = encode_run(reader.read(rest), dtype)
                yield result
                rest = result.rest
        return
    executor = _start(reader, workers, dtype)
    pending: dict[Future[RunResult], Any] = {}
    answers: Answers = SimpleQueue()
    whole = False
    try:
        for run in runs:
            _submit(executor, run, pending, answers)
            while len(pending) >= AHEAD * workers:
                yield from _finished(executor, pending, answers)
        while pending:
            yield from _finished(executor, pending, answers)
        whole = True
    except BrokenProcessPool as error:
        keys = [str(run) for future, run in pending.items() if not _is_answered(future)][:workers]
        raise ConvertError(
            f"a worker process died (killed, or out of memory) while reading one of: {'; '.join(keys)}; no store was "
            "written; run it again, with fewer --workers if memory is short"
        ) from error
    finally:
        if not whole:
            _kill(executor)  # a run of files on a slow disk takes seconds to its end
        executor.shutdown(wait=False, cancel_futures=True)


def _start(reader: Reader, workers: int, dtype: str | None) -> ProcessPoolExecutor:
    # A fork of a process with threads (Keras has many) can hang: the server forks from a fresh process instead.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["seekless.convert.workers"])
    return ProcessPoolExecutor(workers, context, begin, (reader, dtype))


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


def _submit(executor: Executor, run: Any, pending: dict[Future[RunResult], Any], answers: Answers) -> None:
    # A worker that has been started but is not yet known to the executor could not be ended.
    with _without_main(), _undisturbed():
        future = executor.submit(work, run)
        pending[future] = run
        future.add_done_callback(answers.put)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the end of the context; processes that are started in it have no Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    held = {number: handler for number, handler in before.items() if callable(handler)}
    for held_back in held:
        signal.signal(held_back, lambda number, frame: came.append((number, frame)))
    # Inherited by what is started: Ctrl-C in a terminal reaches all, and one that is just starting would print a trace.
    mask = getattr(signal, "pthread_sigmask", None)
    unmasked = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask else None
    try:
        yield
    finally:
        if mask:
            mask(signal.SIG_SETMASK, unmasked)
        for held_back, handler in held.items():
            signal.signal(held_back, handler)
    for number, frame in came:
        held[signal.Signals(number)](number, frame)


def _finished(
    executor: ProcessPoolExecutor, pending: dict[Future[RunResult], Any], answers: Answers
) -> Iterator[RunResult]:
    # Not by concurrent.futures.wait: Ctrl-C in the midst of it leaves the locks of futures held, and the executor's own
    # thread waits for them for ever.
    future = None
    while future is None:
        try:
            future = answers.get(timeout=PATIENCE)
        except Empty:
            # The executor does not see the death of a worker while it waits for the rest of what that one was sending.
            if wait_for_ends([process.sentinel for process in (executor._processes or {}).values()], 0):
                raise BrokenProcessPool("a worker process has ended while another answer was awaited") from None
    with _undisturbed():
        result = future.result()
    if result.rest is not None:
        _submit(executor, result.rest, pending, answers)
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

"""The process that worker processes come from: it imports what they need once, and is started before it is needed."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from types import FrameType

__all__ = ["available_cores", "start_early", "undisturbed", "worker_context"]

# What workers import; together they take longer than to start a process.
NEEDED = ["seekless.convert.workers", "seekless.convert.shared", "seekless.source.csv", "seekless.source.image"]


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover (macOS, Windows)


def worker_context() -> BaseContext:
    """Return the way to start worker processes."""
    # A fork of a process with threads (Keras has many) can hang: the server forks from a fresh process instead.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")  # pragma: no cover (Windows)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(NEEDED)
    # It must not start beside the server: it lets Ctrl-C through as it does, and the server would inherit that.
    with undisturbed():
        resource_tracker.ensure_running()
    return context


def start_early(workers: int | None) -> None:
    """Start that process now, so that it imports on another core while this one imports and lists files.

    Args:
        workers: Worker processes that were asked for; None if they are to be chosen.
    """
    if workers == 0 or available_cores() == 1 or worker_context().get_start_method() != "forkserver":
        return
    from multiprocessing.forkserver import ensure_running

    with undisturbed():
        ensure_running()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
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

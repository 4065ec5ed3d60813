"""A Dask cluster, as far as a conversion uses it: tasks out, answers and progress in, and what goes wrong in words."""

import asyncio
import contextlib
import pickle
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from seekless.convert.dask_site import PACKAGES, Site, is_busy, look, versions_here
from seekless.errors import ConvertError
from seekless.source.place import stamp_of

__all__ = ["Cluster", "Told"]

# Tasks handed out and not yet answered, for each thread of a worker.
AHEAD = 2
# Seconds to wait: for the first worker, for any worker once all are gone, for tasks to stop.
TO_BEGIN, TO_RETURN, TO_STOP = 60.0, 120.0, 10.0
# Seconds without an answer after which the scheduler is asked whether it lives; and between two counts of workers.
PATIENCE, COUNT_EVERY = 1.0, 5.0
# Seconds between two words of a task; and how many words of all tasks may come a second.
EVERY, WORDS = 0.5, 100
GOES_ON = "the same command goes on by --resume"

# Before Python 3.11 these are two.
TIMEOUTS = (TimeoutError, asyncio.TimeoutError)

# Called with a task's number, and how many samples and bytes it has done.
Told = Callable[[int, int, int], None]
# For workers that may lack this package: what they have, in an expression of Python alone.
_VERSIONS = (
    "[(name, next((one.version for one in __import__('importlib.metadata').metadata.distributions(name=name)), None))"
    f" for name in {PACKAGES!r}]"
)


class Cluster:
    """The workers of a cluster.

    Attributes:
        name: Where it is, as it was given.

    Args:
        client: A client of its scheduler.
        name: Where it is.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name
        self._site: Site | None = None
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._abandoned = False
        self._workers: dict[str, int] = {}
        self._counted = self._seen = time.monotonic()
        try:
            client.wait_for_workers(1, timeout=TO_BEGIN)
        except TIMEOUTS:
            raise ConvertError(
                f"--dask {name}: found no worker within {TO_BEGIN:.0f} seconds, expected one or more; start them by "
                f"`dask worker {name}`"
            ) from None
        self._count()

    @property
    def slots(self) -> int:
        """Tasks that workers do at a time."""
        if time.monotonic() - self._counted >= COUNT_EVERY:
            self._count()
        return max(1, sum(self._workers.values()))

    def memory(self, memory: int) -> int:
        """Return the bytes that a task may take, of those that a worker's process may."""
        return memory // max(1, *self._workers.values())

    def settle(self, folder: Path, source: Any, written: tuple[Path, ...]) -> Site:
        """Hold that all workers see the same files and have the same packages.

        Args:
            folder: Of passing files; made where it is missing.
            source: The source.
            written: Other folders that workers will have to write to.

        Returns:
            What tasks are to be handed.

        Raises:
            ConvertError: A worker does not; the message says which, and what it lacks.
        """
        self._check_versions()
        self._leave_site()
        folder = folder.absolute()
        folder.mkdir(exist_ok=True)
        for left in folder.glob("sign-*"):
            left.unlink(missing_ok=True)  # of a run that was killed: what still works for it stops
        token = uuid.uuid4().hex
        sign = folder / f"sign-{token}"
        sign.write_bytes(b"")
        witness, stamp = _witness(source)
        every = max(EVERY, self.slots / WORDS)
        self._site = Site(folder, sign.name, witness, stamp, versions_here(), f"seekless-{token}", every)
        self._client.subscribe_topic(self._site.topic, self._hear)
        answers = self._ask(look, self._site, (folder, *(path.absolute() for path in written)))
        self._refuse({worker: answer for worker, answer in answers.items() if answer is not None})
        return self._site

    def note(self, kind: str, value: Any) -> str:
        """Write something that all tasks share to a file in the folder of passing files; return its name."""
        site = self._there()
        name = f"{kind}-{uuid.uuid4().hex}"
        with open(site.folder / name, "wb") as file:
            pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
        return name

    def work(
        self, do: Callable[[Site, Any], Any], tasks: Iterator[Any], told: Told, *, in_order: bool = False
    ) -> Generator[tuple[Any, Any], None, None]:
        """Have workers do tasks, a bounded number at a time; yield each with its answer.

        Args:
            do: What to do with each, at the site.
            tasks: The tasks; each has a `number`, counted from 0.
            told: Is told how far they are.
            in_order: Yield them in their order.

        Raises:
            ConvertError: The scheduler is gone, or all workers, or workers died of a task.
        """
        pending: dict[str, tuple[Any, Any]] = {}
        answered: dict[int, tuple[Any, Any]] = {}
        following, more = 0, True
        try:
            while True:
                while more and len(pending) + len(answered) < AHEAD * self.slots:
                    task = next(tasks, None)
                    more = task is not None
                    if more:
                        future = self._submit(do, task)
                        pending[future.key] = future, task
                if not pending and not answered:
                    return
                news = self._next(pending)
                if isinstance(news, tuple):
                    if news[0] == do.__name__:  # what is told of the pass before may come late
                        told(*news[1])
                elif news in pending:
                    future, task = pending[news]
                    answered[task.number] = task, self._answer(future, task)
                    future.release()
                    del pending[news]
                while answered and (not in_order or following in answered):
                    yield answered.pop(following if in_order else next(iter(answered)))
                    following += 1
        finally:
            self._abandoned |= bool(pending)
            for future, _ in pending.values():
                with contextlib.suppress(Exception):
                    future.release()  # which tells the scheduler, and waits for nothing

    def leave(self) -> None:
        """Have what is still at work end, and wait for it, so that nothing comes into folders that are removed."""
        site = self._site
        self._leave_site()
        if site is None or not self._abandoned:
            return
        end = time.monotonic() + TO_STOP
        with contextlib.suppress(Exception):
            while (
                self._client.status == "running"
                and time.monotonic() < end
                and any(answer is True for answer in self._ask(is_busy, site.sign).values())
            ):
                time.sleep(0.1)

    def _leave_site(self) -> None:
        if self._site is not None:
            with contextlib.suppress(Exception):
                self._client.unsubscribe_topic(self._site.topic)
            (self._site.folder / self._site.sign).unlink(missing_ok=True)
        self._site = None

    def _there(self) -> Site:
        if self._site is None:
            raise ConvertError(
                f"--dask {self.name}: found no folder that was looked at, expected `settle` to come first"
            )
        return self._site

    def _submit(self, do: Callable[[Site, Any], Any], task: Any) -> Any:
        name = f"seekless-{do.__name__}-{task.number}-{uuid.uuid4().hex}"
        try:
            future = self._client.submit(do, self._there(), task, key=name, pure=False)
        except Exception as error:
            self._check_alive()
            raise self._lost() from error
        future.add_done_callback(lambda done: self._news.put(done.key))
        return future

    def _hear(self, event: Any) -> None:
        """Take what a task says of itself; in the client's own thread."""
        doing, *numbers = event[1]
        self._news.put((doing, [int(number) for number in numbers]))

    def _next(self, pending: dict[str, tuple[Any, Any]]) -> Any:
        """Return what happened next: a task's progress, or the key of one that is done."""
        while True:
            try:
                return self._news.get(timeout=PATIENCE)
            except Empty:
                self._check_alive()
                if time.monotonic() - self._seen > TO_RETURN:
                    task = next(iter(pending.values()))[1]
                    raise ConvertError(
                        f"--dask {self.name}: found no worker any more for {TO_RETURN:.0f} seconds, expected one to do "
                        f"{task}; start workers again; {GOES_ON}"
                    ) from None

    def _answer(self, future: Any, task: Any) -> Any:
        from distributed.scheduler import KilledWorker

        while True:
            if future.status == "cancelled":
                raise self._lost()
            try:
                return future.result(timeout=PATIENCE * 5)
            except KilledWorker as error:
                raise ConvertError(
                    f"--dask {self.name}: worker processes died (killed, or out of memory) each time that one did "
                    f"{task}; no store was written; give workers more memory, or less --memory; {GOES_ON}"
                ) from error
            except TIMEOUTS:
                if future.status == "error":
                    raise
                self._check_alive()
            except (Exception, asyncio.CancelledError) as error:
                if future.status != "error":
                    raise self._lost() from error
                raise

    def _count(self) -> None:
        try:
            self._workers = dict(self._client.nthreads())
        except Exception as error:
            raise self._lost() from error
        self._counted = time.monotonic()
        if self._workers:
            self._seen = self._counted

    def _check_alive(self) -> None:
        if self._client.status != "running":
            raise self._lost()
        if time.monotonic() - self._counted >= COUNT_EVERY:
            self._count()

    def _lost(self) -> ConvertError:
        return ConvertError(
            f"--dask {self.name}: found that the scheduler does not answer any more, expected it to stay; start it and "
            f"its workers again; {GOES_ON}"
        )

    def _check_versions(self) -> None:
        expected = list(versions_here())
        complaints = {}
        for worker, found in self._ask(eval, _VERSIONS).items():
            there = dict(found) if isinstance(found, list) else {}
            for name, here in expected:
                if there.get(name) != here:
                    complaints[worker] = f"{name} {there.get(name) or 'not installed'}, expected {here} as here"
                    break
        self._refuse(complaints)

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return what each worker answers to a question; those that end meanwhile do not."""
        try:
            answers = self._client.run(function, *arguments, on_error="return")
        except Exception as error:
            raise self._lost() from error
        return {worker: answer for worker, answer in answers.items() if not isinstance(answer, OSError)}

    def _refuse(self, complaints: dict[str, Any]) -> None:
        if complaints:
            worker, complaint = next(iter(complaints.items()))
            count = f"{len(complaints)} of {len(self._workers)} workers"
            raise ConvertError(f"--dask {self.name}: found on {worker} {complaint} ({count} like it)")


def _witness(source: Any) -> tuple[Any, int]:
    """Return a file of a source, and its stamp; None for a source without samples."""
    if not len(source):
        return None, 0
    root = source.root if hasattr(source.root, "storage_options") else source.root.absolute()
    key = source.keys[0]
    for place in (root / key, root / key.rpartition("#")[0], root):
        if stamp := stamp_of(place):
            return place, stamp
    return None, 0

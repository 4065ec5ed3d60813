"""The first pass on a cluster: tasks read runs of files into sheaves, and what they met is added up here."""

import itertools
import math
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seekless.convert.dask_cluster import Cluster
from seekless.convert.dask_read_tasks import ReadAnswer, ReadPlan, ReadTask, keep, read_runs, without_samples
from seekless.convert.server import undisturbed
from seekless.convert.sheaves import Binder
from seekless.convert.space import check_space_early
from seekless.convert.target import Target
from seekless.convert.workers import encode_run
from seekless.progress import Pass
from seekless.source.samples import RUN_FILES

if TYPE_CHECKING:
    from seekless.convert.read import Reading
    from seekless.convert.saved import Saver

__all__ = ["Tally", "read_there"]

# Runs in a task at most: of small files, as many as are named in about a megabyte.
RUNS = 128
# Tasks that each thread of a worker is to have before it ends, so that all end at about the same time.
TASKS = 4
# Passing files of a run that was stopped; those that it did not write down are of no use.
LEFT = ("sheaf-*", "blocks-*", "plan-*", "places-*", "values-*")


def read_there(reading: "Reading", target: Target, saver: "Saver", bar: Pass, cluster: Cluster) -> None:
    """Have a cluster read what is left of a source.

    Args:
        reading: The pass; what it has is added to.
        target: Where passing files go.
        saver: Saves it now and then, and where it ends before its time: all of it is in files.
        bar: Shows how far it is.
        cluster: The workers.

    Raises:
        ConvertError: The scheduler is gone, or a worker sees other files.
    """
    options = reading.options
    sharded = options.shard_bytes is not None or options.append
    cluster.settle(target.parts, reading.source, (target.path.parent,) if sharded else ())
    known = {sheaf.name for sheaf in reading.scatter.sheaves}
    for pattern in LEFT:
        for file in target.parts.glob(pattern):
            if file.name not in known:
                file.unlink(missing_ok=True)
    runs = reading.source.runs(reading.done.copy() if reading.done.any() else None)
    try:
        runs, per_run = _first(reading, target, runs, bar)
        if reading.form is not None:
            _rest(reading, target, runs, per_run, saver, bar, cluster)
    except BaseException:
        if reading.done.any():
            saver.save()
        raise
    saver.save()


def _first(reading: "Reading", target: Target, runs: Iterator[Any], bar: Pass) -> tuple[Iterator[Any], int]:
    """Read here until it is known what samples are; return the runs that are left, and the samples in one."""
    source, options, census = reading.source, reading.options, reading.census
    reader, per_run = source.reader(), RUN_FILES
    while reading.form is None and (run := next(runs, None)) is not None:
        result = encode_run(reader.read(run), census.dtype)
        per_run = max(1, len(result.indices) + len(result.bad))
        if result.rest is not None:
            runs = itertools.chain([result.rest], runs)
        sheaves = []
        if result.groups:
            # All samples go through files, whatever --memory is.
            told = result.groups[0], len(source), len(source), target.path.parent, target.parts.parent
            check_space_early(*told, replace(options, memory=1 << 20))
            reading.form = result.groups[0].form
            bucket = reading.scatter.expect(reading.form)
            binder = Binder(target.parts, len(source), bucket, reading.form, options.memory)
            keep(binder, result, reading.form, reading.positions)
            sheaves = binder.finish()
        bar.add(_add(reading, ReadAnswer([without_samples(result)], sheaves)), result.bytes_read, bad=len(census.bad))
    return runs, per_run


def _rest(
    reading: "Reading",
    target: Target,
    runs: Iterator[Any],
    per_run: int,
    saver: "Saver",
    bar: Pass,
    cluster: Cluster,
) -> None:
    """Hand out the runs that are left, and add up the answers."""
    source, form = reading.source, reading.form
    if form is None:
        return
    places = f"places-{uuid.uuid4().hex}.npy"
    np.save(target.parts / places, np.where(reading.done, -1, reading.positions))
    share = cluster.memory(reading.options.memory) // 3
    bucket = reading.scatter.expect(form)
    reader = _reached(source.reader())
    plan = cluster.note("plan", ReadPlan(reader, reading.census.dtype, form, len(source), bucket, share, places))
    tally = Tally(bar)
    left = len(source) - int(np.count_nonzero(reading.done))

    def tasks() -> Iterator[ReadTask]:
        handed = 0  # runs
        for number in itertools.count():
            few = math.ceil((left / per_run - handed) / (TASKS * cluster.slots))
            batch = list(itertools.islice(runs, max(1, min(RUNS, few))))
            if not batch:
                return
            handed += len(batch)
            yield ReadTask(number, plan, batch, keeping=not reading.in_vain)

    with closing(cluster.work(read_runs, tasks(), tally.told)) as answers:
        for task, answer in answers:
            count, nbytes = _add(reading, answer), sum(result.bytes_read for result in answer.results)
            tally.done(task.number, count, nbytes, len(reading.census.bad))
            saver.save_if_due()


def _add(reading: "Reading", answer: ReadAnswer) -> int:
    """Add what a task has read; return how many samples are new."""
    with undisturbed():  # a sample is read once its sheaf is known, and not before
        count = sum(reading.note(result)[1] for result in answer.results)
        if not reading.in_vain:
            reading.scatter.sheaves += answer.sheaves
    return count


def _reached(reader: Any) -> Any:
    """Return a reader that finds its files in any process, whatever folder that was started in."""
    if hasattr(reader, "reader"):
        return replace(reader, reader=_reached(reader.reader))
    return reader if hasattr(reader.root, "storage_options") else replace(reader, root=reader.root.absolute())


class Tally:
    """What tasks have said of themselves, so that a bar counts nothing twice.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Pass) -> None:
        self._bar = bar
        self._told: dict[int, tuple[int, int]] = {}

    def told(self, number: int, samples: int, nbytes: int) -> None:
        """Note how far a task is; one that began anew, on another worker, is as far as the first one was."""
        before = self._told.get(number, (0, 0))
        if samples > before[0] >= 0:
            self._bar.add(samples - before[0], nbytes - before[1])
            self._told[number] = samples, nbytes

    def done(self, number: int, samples: int, nbytes: int, bad: int | None = None) -> None:
        """Note that a task is done.

        Args:
            number: The task's.
            samples: What it did.
            nbytes: Its bytes.
            bad: Samples found bad by now.
        """
        before = self._told.get(number, (0, 0))
        self._told[number] = -1, 0  # what it said last may come later
        self._bar.add(samples - before[0], nbytes - before[1], bad=bad)

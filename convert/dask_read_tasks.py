"""What a worker of a cluster does first: it reads runs of files into sheaves.

Samples go through files in a folder that all workers see. What goes through the scheduler is small: which files;
numbers of samples. Each task writes files whose names no other one has, and its answer names them: what a task leaves
that was done in vain, as its worker was lost, counts for nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.dask_site import Site, Task, Working, plan_in
from seekless.convert.pieces import Piece
from seekless.convert.sheaves import Binder, Sheaf
from seekless.convert.workers import Form, RunResult, encode_run
from seekless.source.samples import Reader

__all__ = ["ReadAnswer", "ReadPlan", "ReadTask", "keep", "read_runs", "without_samples"]


@dataclass(frozen=True)
class ReadPlan:
    """What all tasks of the first pass share; in a file.

    Attributes:
        reader: Decodes runs of the source.
        dtype: The stored dtype that is asked for, if one is.
        form: The form of the samples that are kept.
        length: Places in the store.
        bucket: Places in a bucket of a sheaf.
        share: Bytes of samples in a sheaf at most.
        places: The name of the file of places: int64, (samples,); -1 for a sample that was kept before.
    """

    reader: Reader
    dtype: str | None
    form: Form
    length: int
    bucket: int
    share: int
    places: str


@dataclass(frozen=True)
class ReadTask(Task):
    """Some runs to be read.

    Attributes:
        runs: What to read.
        keeping: Whether samples are to be kept.
    """

    runs: list[Any]
    keeping: bool

    def __str__(self) -> str:
        return f"{self.runs[0]}; ..." if len(self.runs) > 1 else str(self.runs[0])


@dataclass(frozen=True)
class ReadAnswer:
    """What became of them.

    Attributes:
        results: What each run gave, without its samples.
        sheaves: Where they are.
    """

    results: list[RunResult]
    sheaves: list[Sheaf]


def read_runs(site: Site, task: ReadTask) -> ReadAnswer:
    """Read and decode runs of samples, and write those of the wanted form to sheaves.

    Args:
        site: Where.
        task: What.

    Raises:
        ConvertError: This worker cannot.
    """
    site.check()
    plan: ReadPlan = plan_in(site.folder / task.plan)
    places = np.load(site.folder / plan.places, mmap_mode="r")
    binder = Binder(site.folder, plan.length, plan.bucket, plan.form, plan.share)
    results = []
    with Working(site, read_runs.__name__, task.number) as working:
        for run in task.runs:
            rest = run
            while rest is not None:
                site.goes_on()
                result = encode_run(plan.reader.read(rest), plan.dtype)
                rest = result.rest
                if task.keeping:
                    keep(binder, result, plan.form, places)
                results.append(without_samples(result))
                working.add(len(result.indices) + len(result.bad), result.bytes_read)
        return ReadAnswer(results, binder.finish())


def keep(binder: Binder, result: RunResult, form: Form, places: npt.NDArray[np.int64]) -> None:
    """Put the samples of a run that have a form into sheaves.

    Args:
        binder: Writes them.
        result: What the run gave.
        form: The form.
        places: int64, (samples,): the place of each; -1 for one that is not to be kept.
    """
    for group in result.groups:
        if group.form != form:
            continue
        at = np.array(places[group.indices])
        new = at >= 0
        if new.all():
            binder.add(Piece(at, group.stored, group.encoding, group.stamps))
        elif new.any():
            binder.add(Piece(at[new], group.stored[new], group.encoding, group.stamps[new]))


def without_samples(result: RunResult) -> RunResult:
    """Return what a run says of its samples."""
    none = np.empty(0, np.uint32)
    groups = [
        replace(group, stored=np.empty((0, *group.form[0]), group.stored.dtype), stamps=none) for group in result.groups
    ]
    return replace(result, groups=groups, rest=None)

"""What a worker of a cluster does: read runs of files into sheaves; gather places, and make blocks or a shard of them.

Samples go through files in a folder that all workers see. What goes through the scheduler is small: which files, which
places; numbers of samples, checksums of blocks. Each task writes files whose names no other one has, and its answer
names them: what a task leaves that was done in vain, as its worker was lost, counts for nothing.
"""

import os
import pickle
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.dask_site import Site, Working
from seekless.convert.gather import Part, blocks_of, filled, gather
from seekless.convert.pieces import Piece
from seekless.convert.scatter import Scatter
from seekless.convert.sheaves import Binder, Sheaf
from seekless.convert.workers import Form, RunResult, encode_run
from seekless.source.samples import Reader
from seekless.store.kinds import HDF5_SUFFIX, create
from seekless.store.schema import Field, Header
from seekless.store.writer import PutBlock, compressed

__all__ = [
    "BlocksTask",
    "GatherPlan",
    "Made",
    "ReadAnswer",
    "ReadPlan",
    "ReadTask",
    "ShardTask",
    "keep",
    "make_blocks",
    "make_shard",
    "read_runs",
    "without_samples",
]


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
class ReadTask:
    """Some runs to be read.

    Attributes:
        number: The task's.
        plan: The name of the plan's file.
        runs: What to read.
        keeping: Whether samples are to be kept.
    """

    number: int
    plan: str
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
    plan: ReadPlan = _plan(site.folder / task.plan)
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


@dataclass(frozen=True)
class GatherPlan:
    """What all tasks of the second pass share; in a file.

    Attributes:
        state: Of the scatter that the samples are in.
        sheaves: Its sheaves.
        length: Its places.
        memory: Bytes that a task may take for samples.
    """

    state: dict[str, Any]
    sheaves: list[Sheaf]
    length: int
    memory: int


@dataclass(frozen=True)
class BlocksTask:
    """Some blocks to be made.

    Attributes:
        number: The task's.
        plan: The name of the plan's file.
        field: x.
        start: The place of their first sample.
        stop: The place after that of their last.
        kept: Of each place between, whether it has a sample, as packed bits; None where all have.
        bytes_at_most: Bytes of all blocks together, where the last one is not to be filled up by zeros.
    """

    number: int
    plan: str
    field: Field
    start: int
    stop: int
    kept: bytes | None
    bytes_at_most: int | None = None

    def __str__(self) -> str:
        return f"places {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class ShardTask(BlocksTask):
    """A shard to be made.

    Attributes:
        header: What it holds.
        values: The name of the file of the other fields' values.
        path: What it will be called; it is written beside, under a longer name.
    """

    header: Header = field(kw_only=True)
    values: str = field(kw_only=True)
    path: Path = field(kw_only=True)


@dataclass(frozen=True)
class Made:
    """A file that was made.

    Attributes:
        file: Where it is.
        blocks: The blocks of x in it.
    """

    file: Path
    blocks: list[PutBlock]


def make_blocks(site: Site, task: BlocksTask) -> Made:
    """Gather samples, and write them as compressed blocks, one behind the other.

    Args:
        site: Where.
        task: Which.

    Raises:
        ConvertError: This worker cannot.
        ResumeError: What was written is damaged.
    """
    site.check(reading=False)
    file, made = site.folder / f"blocks-{uuid.uuid4().hex}", []
    with Working(site, make_blocks.__name__, task.number) as working, open(file, "xb") as out:
        offset = 0
        for number, block in enumerate(blocks_of(task.field, _rows(site, task))):
            site.goes_on()
            whole = filled(task.field, block)
            if task.bytes_at_most is not None:
                whole = memoryview(whole)[: task.bytes_at_most - offset]
            stored, crc, coded = compressed(task.field, whole)
            out.write(stored)
            made.append(PutBlock(number, offset, len(stored), crc, coded))
            offset += len(stored)
            working.add(task.field.block_length, task.field.block_bytes)
        out.flush()
        os.fsync(out.fileno())  # so that it is there before anybody hears of it, also on other hosts
    return Made(file, made)


def make_shard(site: Site, task: ShardTask) -> Made:
    """Gather the samples of a shard, and write it.

    Args:
        site: Where.
        task: Which.

    Raises:
        ConvertError: This worker cannot.
        ResumeError: What was written is damaged.
    """
    site.check(reading=False)
    file = task.path.with_name(f"{task.path.name}.{uuid.uuid4().hex}")
    made: list[PutBlock] = []
    try:
        with (
            Working(site, make_shard.__name__, task.number) as working,
            np.load(site.folder / task.values) as values,
            create(HDF5_SUFFIX, file, task.header) as writer,
        ):
            writer.on_put = lambda name, put: made.append(put) if name == task.field.name else None
            for block in blocks_of(task.field, _rows(site, task)):
                site.goes_on()
                writer.append(task.field.name, block)
                working.add(task.field.block_length, task.field.block_bytes)
            for name in values.files:
                for block in blocks_of(task.header.fields[name], [values[name]]):
                    writer.append(name, block)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Made(file, made)


def _rows(site: Site, task: BlocksTask) -> Iterator[Part]:
    plan: GatherPlan = _plan(site.folder / task.plan)
    scatter = Scatter(plan.length, plan.memory, site.folder)
    scatter.go_on(plan.state, plan.sheaves)
    count = task.stop - task.start
    kept = np.ones(count, bool)
    if task.kept is not None:
        kept = np.unpackbits(np.frombuffer(task.kept, np.uint8), count=count).astype(bool)
    return gather(scatter.between(task.start, task.stop, task.field.sample_bytes), task.field, kept)


@lru_cache(maxsize=2)
def _plan(path: Path) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)

"""What a worker of a cluster does at last: it gathers places from sheaves, and makes blocks or a whole shard of them.

As in the first pass samples go through files; places, and checksums of blocks, through the scheduler.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seekless.convert.dask_site import Site, Task, Working, plan_in
from seekless.convert.gather import Part, blocks_of, filled, gather
from seekless.convert.scatter import Scatter
from seekless.convert.sheaves import Sheaf
from seekless.store.kinds import HDF5_SUFFIX, create
from seekless.store.schema import Field, Header
from seekless.store.writer import PutBlock, compressed

__all__ = ["BlocksTask", "GatherPlan", "Made", "ShardTask", "make_blocks", "make_shard"]


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
class BlocksTask(Task):
    """Some blocks to be made.

    Attributes:
        field: x.
        start: The place of their first sample.
        stop: The place after that of their last.
        kept: Of each place between, whether it has a sample, as packed bits; None where all have.
        bytes_at_most: Bytes of all blocks together, where the last one is not to be filled up by zeros.
    """

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
    plan: GatherPlan = plan_in(site.folder / task.plan)
    scatter = Scatter(plan.length, plan.memory, site.folder)
    scatter.go_on(plan.state, plan.sheaves)
    count = task.stop - task.start
    kept = np.ones(count, bool)
    if task.kept is not None:
        kept = np.unpackbits(np.frombuffer(task.kept, np.uint8), count=count).astype(bool)
    return gather(scatter.between(task.start, task.stop, task.field.sample_bytes), task.field, kept)

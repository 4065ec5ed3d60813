"""The second pass on a cluster: tasks gather places, and make the blocks of a store's one file, or whole shards."""

import itertools
import math
import os
import uuid
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.commit import remove
from seekless.convert.dask_cluster import Cluster
from seekless.convert.dask_read import TASKS, Tally
from seekless.convert.dask_write_tasks import BlocksTask, GatherPlan, Made, ShardTask, make_blocks, make_shard
from seekless.convert.gather import Part, gather
from seekless.convert.passing import Passing
from seekless.convert.pieces import damaged
from seekless.convert.scatter import Scatter
from seekless.convert.trial import blocks_tried
from seekless.progress import Pass
from seekless.store.kinds import HDF5_SUFFIX
from seekless.store.schema import Field, Header
from seekless.store.writer import Stored

__all__ = ["There"]


class There:
    """Has a cluster make what a store is to hold; see `seekless.convert.write.Elsewhere`.

    Args:
        cluster: The workers.
        scatter: The samples; all of them are in files.
        kept: bool, (places,): the places that have a sample.
        folder: The folder of passing files.
        memory: Bytes that the process of a worker may take for samples.
        padded: Whether the last block is filled up by zeros, as in HDF5.
    """

    def __init__(
        self,
        cluster: Cluster,
        scatter: Scatter,
        kept: npt.NDArray[np.bool_],
        folder: Path,
        memory: int,
        *,
        padded: bool,
    ) -> None:
        self._padded = padded
        self._cluster = cluster
        self._scatter = scatter
        self._kept = kept
        self._where = np.flatnonzero(kept)
        self._folder = folder
        self._memory = cluster.memory(memory)
        self._plan = cluster.note("plan", GatherPlan(scatter.state(), scatter.sheaves, len(kept), self._memory))

    def first(self, field: Field) -> Iterator[Part]:
        """Return the samples of the first blocks, which the codec is chosen by."""
        last = min(len(self._where), blocks_tried(field) * field.block_length) - 1
        stop = int(self._where[last]) + 1
        return gather(self._scatter.between(0, stop, field.sample_bytes), field, self._kept[:stop])

    def blocks(self, field: Field, first: int, bar: Pass) -> Generator[Stored, None, None]:
        """Yield the blocks of a field as they are stored, from one on.

        Args:
            field: The field.
            first: That one.
            bar: Shows how far it is.

        Raises:
            ConvertError: The scheduler is gone, or all workers.
            ResumeError: A file is damaged.
        """
        tally, total = Tally(bar), field.blocks(len(self._where))
        in_memory = self._memory // 3 // max(1, field.block_bytes)
        spread = math.ceil((total - first) / (TASKS * self._cluster.slots))
        step = max(1, min(in_memory, spread))
        starts = range(first, total, step)

        def samples(number: int) -> tuple[int, int]:
            start, stop = starts[number], min(starts[number] + step, total)
            return start * field.block_length, min(stop * field.block_length, len(self._where))

        def task_of(number: int) -> BlocksTask:
            start, stop = samples(number)
            most = None if self._padded else (stop - start) * field.sample_bytes
            return BlocksTask(number, self._plan, field, *self._places(start, stop), bytes_at_most=most)

        tasks = map(task_of, range(len(starts)))
        with closing(self._cluster.work(make_blocks, tasks, tally.told, in_order=True)) as answers:
            for task, made in answers:
                yield from _blocks_in(made)
                made.file.unlink()
                start, stop = samples(task.number)
                tally.done(task.number, stop - start, (stop - start) * field.sample_bytes)

    def shards(
        self, passing: Passing, parts: Sequence[Header], values: Mapping[str, npt.NDArray[Any]], bar: Pass
    ) -> None:
        """Make those shards that are not complete.

        Args:
            passing: Where to.
            parts: What each shard holds.
            values: The values of the other fields of all of them.
            bar: Shows how far it is.

        Raises:
            ConvertError: The scheduler is gone, or all workers.
            ResumeError: A file is damaged.
        """
        tally, field = Tally(bar), parts[0].fields["x"]
        remove(passing.older)
        for left in passing.partial.glob(f"?????{HDF5_SUFFIX}.*"):
            left.unlink()
        edges = [0, *itertools.accumulate(part.length for part in parts)]
        wanted = [number for number in range(len(parts)) if not passing.file(number).complete]

        def task_of(number: int) -> ShardTask:
            own, start, stop = parts[number], edges[number], edges[number + 1]
            name = f"values-{number:05d}-{uuid.uuid4().hex}.npz"
            own_values: dict[str, Any] = {key: array[start:stop] for key, array in values.items()}
            np.savez(self._folder / name, **own_values)
            path = (passing.partial / f"{number:05d}{HDF5_SUFFIX}").absolute()
            places = self._places(start, stop)
            return ShardTask(number, self._plan, own.fields["x"], *places, header=own, values=name, path=path)

        tasks = map(task_of, wanted)
        with closing(self._cluster.work(make_shard, tasks, tally.told)) as answers:
            for task, made in answers:
                os.replace(made.file, task.path)
                passing.journal.write("file", [task.number, False])
                for put in made.blocks:
                    passing.journal.write("block", [task.number, put.block, put.offset, put.nbytes, put.crc, put.coded])
                passing.journal.write("complete", task.number)
                (self._folder / task.values).unlink()
                samples = task.header.length
                tally.done(task.number, samples, samples * field.sample_bytes)

    def _places(self, start: int, stop: int) -> tuple[int, int, bytes | None]:
        """Return the first place of some samples, the one after their last, and which between have a sample."""
        first, last = int(self._where[start]), int(self._where[stop - 1]) + 1
        kept = self._kept[first:last]
        return first, last, None if kept.all() else np.packbits(kept).tobytes()


def _blocks_in(made: Made) -> Iterator[Stored]:
    with open(made.file, "rb") as file:
        for put in made.blocks:
            stored = file.read(put.nbytes)
            if zlib.crc32(stored) != put.crc:
                raise damaged(made.file)
            yield stored, put.crc, put.coded

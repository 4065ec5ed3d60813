"""The first pass: every sample is read once, in the order of the disk, and scattered to its place in the store."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seekless.convert.census import Census, Fixed
from seekless.convert.journal import Journal, Labels, Past
from seekless.convert.options import Options
from seekless.convert.pool import map_runs, worker_count
from seekless.convert.saved import Saver, restore
from seekless.convert.scatter import Piece, Scatter
from seekless.convert.space import check_space_early
from seekless.convert.target import Target
from seekless.convert.workers import Form, Group, RunResult
from seekless.errors import ConvertError
from seekless.progress import Pass
from seekless.source.samples import Source

if TYPE_CHECKING:
    from seekless.convert.dask_cluster import Cluster

__all__ = ["Reading", "read_samples"]


@dataclass
class Reading:
    """One pass over the source, as far as it has come.

    Attributes:
        source: The source.
        positions: int64, (N,): the place in the store of each sample.
        options: How to convert.
        census: What was met.
        scatter: The samples.
        form: The form of those that are scattered; None before the first.
        done: bool, (N,): the samples that need not be read again.
    """

    source: Source
    positions: npt.NDArray[np.int64]
    options: Options
    census: Census
    scatter: Scatter
    form: Form | None
    done: npt.NDArray[np.bool_]

    @property
    def in_vain(self) -> bool:
        """Whether there will be no store, and it goes on only to list all that is bad."""
        return not self.census.clean and self.options.on_error == "raise"

    def add(self, result: RunResult) -> int:
        """Add what a run gave; return how many samples are new."""
        result, count = self.note(result)
        if self.in_vain:
            return count
        self.form = self.form or (result.groups[0].form if result.groups else None)
        for group in result.groups:
            if group.form == self.form:
                self.scatter.add(Piece(self.positions[group.indices], group.stored, group.encoding, group.stamps))
        return count

    def note(self, result: RunResult) -> tuple[RunResult, int]:
        """Add what a run says of its samples; return what of it is new, and how many samples that is."""
        result = _without(result, self.done)
        count = self.census.add(result)
        self.done[result.bad_indices] = True
        self.done[result.indices] = True
        return result, count


def read_samples(
    source: Source,
    positions: npt.NDArray[np.int64],
    target: Target,
    options: Options,
    facts: dict[str, Any],
    journal: Journal,
    past: Past | None,
    fixed: Fixed | None = None,
    cluster: "Cluster | None" = None,
) -> Reading:
    """Read every sample once, and scatter those of the form that most have; what is bad is collected up to the last.

    Args:
        source: The source.
        positions: int64, (N,): the place in the store of each sample.
        target: Where passing files go.
        options: How to convert.
        facts: What the run depends on.
        journal: Where to write what is done.
        past: What a run had done that is gone on with.
        fixed: What samples must be that are to be added to a store.
        cluster: Who is to read them; None for processes of this machine.

    Raises:
        ConvertError: The source changed meanwhile.
    """
    first, labels = _begin(source, positions, target, options, fixed.form if fixed else None, fixed), Labels()
    if past is not None:
        labels = restore(first, journal, past)
    _read(first, target, journal, facts, labels, cluster)
    if options.on_error == "skip" and first.census.forms and first.census.form != first.form:
        # The first run misled: most samples have another form than it. Only --on-error skip goes on then.
        journal.close()
        target.renew()
        second = _begin(source, positions, target, options, first.census.form)
        _read(second, target, journal, facts, Labels(), cluster)
        if second.census.form != first.census.form:
            raise ConvertError(f"{source.root}: found other samples at the second reading; run it again when it rests")
        return second
    return first


def _begin(
    source: Source,
    positions: npt.NDArray[np.int64],
    target: Target,
    options: Options,
    form: Form | None,
    fixed: Fixed | None = None,
) -> Reading:
    dtype = None if options.dtype == "auto" else options.dtype
    scatter = Scatter(len(source), options.memory, target.parts)
    census = Census(source, dtype, options.lossy, fixed)
    return Reading(source, positions, options, census, scatter, form, np.zeros(len(source), bool))


def _read(
    reading: Reading,
    target: Target,
    journal: Journal,
    facts: dict[str, Any],
    labels: Labels,
    cluster: "Cluster | None",
) -> None:
    source, options = reading.source, reading.options
    saver = Saver(reading, journal, facts, labels)
    kept = int(np.count_nonzero(reading.done))
    with Pass("reading", len(source), options.progress, kept=kept) as bar:
        if cluster is None:
            _read_here(reading, target, saver, bar, source.runs(reading.done.copy() if journal.active else None))
        else:
            from seekless.convert.dask_read import read_there

            read_there(reading, target, saver, bar, cluster)


def _read_here(reading: Reading, target: Target, saver: Saver, bar: Pass, runs: Iterator[Any]) -> None:
    source, options, census = reading.source, reading.options, reading.census
    left, unchecked = len(source) - int(np.count_nonzero(reading.done)), True
    workers = worker_count(options.workers, len(source))
    with closing(map_runs(source.reader(), runs, workers, dtype=census.dtype)) as results:
        for result in results:
            if unchecked and result.groups:
                check_space_early(result.groups[0], len(source), left, target.path.parent, target.parts.parent, options)
                unchecked = False
            bar.add(reading.add(result), result.bytes_read, bad=len(census.bad))
            saver.save_if_due()
        saver.save_if_due(last=True)


def _without(result: RunResult, done: npt.NDArray[np.bool_]) -> RunResult:
    """Leave out samples that were read before, as where a part of a table's span was bad."""
    if not done[result.indices].any() and not done[result.bad_indices].any():
        return result
    groups = []
    for group in result.groups:
        new = ~done[group.indices]
        if new.any():
            at_hand = new if len(group.stored) else slice(0)  # samples that are in a sheaf stay there
            parts = group.indices[new], group.stamps[at_hand], group.stored[at_hand]
            groups.append(Group(group.form, *parts, group.encoding, group.proved, group.tried))
    new = ~done[result.indices]
    bad = [pair for pair in zip(result.bad_indices, result.bad, strict=True) if not done[pair[0]]]
    return RunResult(
        groups=groups,
        bad=[sample for _, sample in bad],
        bad_indices=[index for index, _ in bad],
        indices=result.indices[new],
        spellings=result.spellings,
        labels=result.labels[new] if result.labels.size else result.labels,
        bytes_read=result.bytes_read,
        rest=result.rest,
    )

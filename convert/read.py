"""The first pass: every sample is read once, in the order of the disk, and scattered to its place in the store."""

import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.census import Census, Fixed
from seekless.convert.journal import START_OVER, Journal, Labels, Past
from seekless.convert.options import Options
from seekless.convert.pool import map_runs, worker_count
from seekless.convert.scatter import Piece, Scatter
from seekless.convert.space import check_space_early
from seekless.convert.target import Target
from seekless.convert.wanted import Lost, Tried, wanted_encodings
from seekless.convert.workers import Form, Group, RunResult
from seekless.errors import ConvertError, ResumeError
from seekless.progress import Pass
from seekless.source.samples import BadSample, Source
from seekless.store.encoding import Encoding

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

    def add(self, result: RunResult) -> int:
        """Add what a run gave; return how many samples are new."""
        result = _without(result, self.done)
        count = self.census.add(result)
        self.done[result.bad_indices] = True
        self.done[result.indices] = True
        if not self.census.clean and self.options.on_error == "raise":
            return count  # there will be no store: go on only to list all that is bad
        self.form = self.form or (result.groups[0].form if result.groups else None)
        for group in result.groups:
            if group.form == self.form:
                self.scatter.add(Piece(self.positions[group.indices], group.stored, group.encoding, group.stamps))
        return count


def read_samples(
    source: Source,
    positions: npt.NDArray[np.int64],
    target: Target,
    options: Options,
    facts: dict[str, Any],
    journal: Journal,
    past: Past | None,
    fixed: Fixed | None = None,
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

    Raises:
        ConvertError: The source changed meanwhile.
    """
    first, labels = _begin(source, positions, target, options, fixed.form if fixed else None, fixed), Labels()
    if past is not None:
        labels = _restore(first, journal, past)
    _read(first, target, journal, facts, labels)
    if options.on_error == "skip" and first.census.forms and first.census.form != first.form:
        # The first run misled: most samples have another form than it. Only --on-error skip goes on then.
        journal.close()
        target.renew()
        second = _begin(source, positions, target, options, first.census.form)
        _read(second, target, journal, facts, Labels())
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


def _read(reading: Reading, target: Target, journal: Journal, facts: dict[str, Any], labels: Labels) -> None:
    source, options, census = reading.source, reading.options, reading.census
    workers = worker_count(options.workers, len(source))
    saver = _Saver(reading, journal, facts, labels)
    runs = source.runs(reading.done.copy() if journal.active else None)
    results = map_runs(source.reader(), runs, workers, dtype=census.dtype)
    kept = int(np.count_nonzero(reading.done))
    left, unchecked = len(source) - kept, True
    with Pass("reading", len(source), options.progress, kept=kept) as bar, closing(results):
        for result in results:
            if unchecked and result.groups:
                check_space_early(result.groups[0], len(source), left, target.path.parent, target.parts.parent, options)
                unchecked = False
            bar.add(reading.add(result), result.bytes_read, bad=len(census.bad))
            saver.save_if_due()
        saver.save_if_due(last=True)


class _Saver:
    """Saves a pass now and then, so that a run that is stopped loses little."""

    def __init__(self, reading: Reading, journal: Journal, facts: dict[str, Any], labels: Labels) -> None:
        self._reading = reading
        self._journal = journal
        self._facts = facts
        self._at = time.monotonic()
        census = reading.census
        self._bad, self._labels, self._spellings = len(census.bad), len(census.labels), len(census.spellings)
        self._odd = {form: len(parts) for form, parts in census.forms.items()}
        self._saved_labels = labels

    def save_if_due(self, *, last: bool = False) -> None:
        """Save if enough time has passed, and at the end if anything was saved before."""
        reading, options = self._reading, self._reading.options
        census = reading.census
        if (options.on_error == "raise" and not census.clean) or reading.form is None:
            return  # such a run ends with an error of the source, and begins anew
        if time.monotonic() - self._at < options.save_every and not (last and self._journal.active):
            return
        if not self._journal.active:
            self._journal.begin({**self._facts, "form": _form_json(reading.form)}, self._reading.source.keys)
        reading.scatter.save()
        self._journal.write("saved", self._state())
        self._at = time.monotonic()

    def _state(self) -> dict[str, Any]:
        """Return what was met since the last save, and what holds for all so far."""
        reading, census = self._reading, self._reading.census
        form = reading.form
        proved, tried = census.proof(form) if form in census.forms else (-1, ())
        for indices, codes in census.labels[self._labels :]:
            self._saved_labels = self._journal.append_labels(indices, codes, self._saved_labels)
        odd = []
        for other, parts in census.forms.items():
            new = parts[self._odd.get(other, 0) :]
            self._odd[other] = len(parts)
            if other != form and new:
                odd.append([_form_json(other), *self._stamped(np.concatenate(new).tolist())])
        numbers, stamps = self._stamped(census.bad_indices[self._bad :])
        bad = [
            [index, stamp, sample.key, sample.found, sample.expected]
            for index, stamp, sample in zip(numbers, stamps, census.bad[self._bad :], strict=True)
        ]
        spellings = census.spellings[self._spellings :]
        self._bad, self._labels, self._spellings = len(census.bad), len(census.labels), len(census.spellings)
        return {
            "samples": int(np.count_nonzero(reading.done)) - len(census.bad),
            "bytes_read": census.bytes_read,
            "scatter": reading.scatter.state(),
            "proved": proved,
            "tried": [_tried_json(one) for one in tried],
            "bad": bad,
            "odd": odd,
            "spellings": [list(spelling) for spelling in spellings],
            "labels": list(self._saved_labels),
        }

    def _stamped(self, indices: list[int]) -> tuple[list[int], list[int]]:
        """Return samples that are left out, and what tells their files from changed ones."""
        return indices, self._reading.source.stamps(indices).tolist()


def _restore(reading: Reading, journal: Journal, past: Past) -> Labels:
    """Put a pass where it stood at its last save; return which labels were saved.

    Raises:
        ResumeError: A file that was read has changed since, or what was saved is damaged.
    """
    source, last = reading.source, past.saved[-1]
    form = _form(past.begin["form"])
    at_place = np.argsort(reading.positions)
    encoding = Encoding(np.dtype(form[1]), np.dtype(form[1]))  # of no sample: only the proof counts
    tried = tuple(_tried(one) for one in last["tried"])
    found = [(at_place[positions], stamps) for positions, stamps in reading.scatter.restore(last["scatter"])]
    indices = np.concatenate([np.empty(0, np.int64), *(part for part, _ in found)])
    stamps = np.concatenate([np.empty(0, np.uint32), *(part for _, part in found)])
    odd = [entry for saved in past.saved for entry in saved["odd"]]
    bad = [entry for saved in past.saved for entry in saved["bad"]]
    left_out = [*(number for entry in odd for number in entry[1]), *(entry[0] for entry in bad)]
    left_stamps = [*(stamp for entry in odd for stamp in entry[2]), *(entry[1] for entry in bad)]
    _check_unchanged(
        source,
        np.concatenate([indices, np.array(left_out, np.int64)]),
        np.concatenate([stamps, np.array(left_stamps, np.uint32)]),
    )
    none = np.empty((0, *form[0]), form[1])
    groups = [Group(form, indices, stamps, none, encoding, last["proved"], tried)] if len(indices) else []
    for other, numbers, _ in odd:
        untried = _untried(reading.census.dtype, _form(other))
        empty = np.empty(0, np.uint32)
        groups.append(Group(_form(other), np.array(numbers, np.int64), empty, none, encoding, -1, untried))
    spellings = [tuple(spelling) for saved in past.saved for spelling in saved["spellings"]]
    labels = Labels(*last["labels"])
    labelled, codes = journal.labels(labels)
    everything = np.concatenate([group.indices for group in groups]) if groups else np.empty(0, np.int64)
    result = RunResult(
        groups=groups,
        bad=[BadSample(*entry[2:]) for entry in bad],
        bad_indices=[entry[0] for entry in bad],
        indices=labelled if len(labelled) else everything,
        spellings=spellings,
        labels=codes,
        bytes_read=last["bytes_read"],
    )
    reading.form = form
    reading.census.add(result)
    reading.done[everything] = True
    reading.done[result.bad_indices] = True
    return labels


def _check_unchanged(source: Source, indices: npt.NDArray[np.int64], stamps: npt.NDArray[np.uint32]) -> None:
    changed = np.sort(indices[source.stamps(indices.tolist()) != stamps])
    if len(changed):
        more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        raise ResumeError(
            f"{source.root}: found {source.keys[int(changed[0])]}{more} changed or gone since the stopped run read it, "
            f"expected the same files; {START_OVER}"
        )


def _without(result: RunResult, done: npt.NDArray[np.bool_]) -> RunResult:
    """Leave out samples that were read before, as where a part of a table's span was bad."""
    if not done[result.indices].any() and not done[result.bad_indices].any():
        return result
    groups = []
    for group in result.groups:
        new = ~done[group.indices]
        if new.any():
            parts = group.indices[new], group.stamps[new], group.stored[new]
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


def _form_json(form: Form | None) -> Any:
    return None if form is None else [list(form[0]), form[1]]


def _form(value: Any) -> Form:
    return tuple(value[0]), value[1]


def _untried(dtype: str | None, form: Form) -> tuple[Tried, ...]:
    return () if dtype is None else (Tried(),) * len(wanted_encodings(dtype, np.dtype(form[1])))


def _tried_json(tried: Tried) -> list[Any]:
    return [
        None if lost is None else [lost.index, *(v.item() for v in (lost.value, lost.back))] for lost in _both(tried)
    ]


def _both(tried: Tried) -> tuple[Lost | None, Lost | None]:
    return tried.lost, tried.unfit


def _tried(value: Any) -> Tried:
    lost, unfit = (None if one is None else Lost(one[0], np.float64(one[1]), np.float64(one[2])) for one in value)
    return Tried(lost, unfit)

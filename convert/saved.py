"""What the first pass saves now and then, and how a run that goes on takes it up again."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seekless.convert.journal import START_OVER, Journal, Labels, Past
from seekless.convert.sheaves import Sheaf
from seekless.convert.wanted import Lost, Tried, wanted_encodings
from seekless.convert.workers import Form, Group, RunResult
from seekless.errors import ResumeError
from seekless.source.samples import BadSample, Source
from seekless.store.encoding import Encoding

if TYPE_CHECKING:
    from seekless.convert.read import Reading

__all__ = ["Saver", "restore"]


class Saver:
    """Saves a pass now and then, so that a run that is stopped loses little."""

    def __init__(self, reading: "Reading", journal: Journal, facts: dict[str, Any], labels: Labels) -> None:
        self._reading = reading
        self._journal = journal
        self._facts = facts
        self._at = time.monotonic()
        census = reading.census
        self._bad, self._labels, self._spellings = len(census.bad), len(census.labels), len(census.spellings)
        self._odd = {form: len(parts) for form, parts in census.forms.items()}
        self._sheaves = len(reading.scatter.sheaves)
        self._saved_labels = labels

    def save_if_due(self, *, last: bool = False) -> None:
        """Save if enough time has passed, and at the end if anything was saved before."""
        if time.monotonic() - self._at >= self._reading.options.save_every or (last and self._journal.active):
            self.save()

    def save(self) -> None:
        """Save now."""
        reading = self._reading
        if reading.in_vain or reading.form is None:
            return  # such a run ends with an error of the source, and begins anew
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
        sheaves = reading.scatter.sheaves[self._sheaves :]
        self._sheaves += len(sheaves)
        self._bad, self._labels, self._spellings = len(census.bad), len(census.labels), len(census.spellings)
        return {
            "samples": int(np.count_nonzero(reading.done)) - len(census.bad),
            "bytes_read": census.bytes_read,
            "scatter": reading.scatter.state(),
            "sheaves": [[sheaf.name, sheaf.size] for sheaf in sheaves],
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


def restore(reading: "Reading", journal: Journal, past: Past) -> Labels:
    """Put a pass where it stood at its last save; return which labels were saved.

    Args:
        reading: The pass.
        journal: The stopped run's.
        past: What that had done.

    Raises:
        ResumeError: A file that was read has changed since, or what was saved is damaged.
    """
    source, last = reading.source, past.saved[-1]
    form = _form(past.begin["form"])
    at_place = np.argsort(reading.positions)
    encoding = Encoding(np.dtype(form[1]), np.dtype(form[1]))  # of no sample: only the proof counts
    tried = tuple(_tried(one) for one in last["tried"])
    sheaves = [Sheaf(*entry) for saved in past.saved for entry in saved.get("sheaves", [])]
    found = [(at_place[positions], stamps) for positions, stamps in reading.scatter.restore(last["scatter"], sheaves)]
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

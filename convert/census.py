"""What was met among the samples: their forms, the encodings that hold for all of them, and the bad ones."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seekless.convert.narrow import candidates, smallest
from seekless.convert.wanted import Tried, choose, wanted_encodings
from seekless.convert.workers import Form, RunResult
from seekless.errors import SourceError
from seekless.source.samples import BadSample, Source
from seekless.store.encoding import Encoding

__all__ = ["Census", "Fixed", "by_key", "refuse", "write_list"]

SHOWN = 20


@dataclass(frozen=True)
class Fixed:
    """What samples must be that are to be added to a store.

    Attributes:
        form: The form of its samples.
        encoding: How they are stored.
        store: Its name.
    """

    form: Form
    encoding: Encoding
    store: str


@dataclass
class Census:
    """Adds up the results of all runs.

    Attributes:
        source: The source.
        dtype: The stored dtype that is asked for, if one is.
        lossy: Whether it may keep the nearest values.
        fixed: What samples must be, whatever most of them are; None where that is to be found.
        bytes_read: Bytes of everything that was read so far.
        forms: The samples of each form, by number.
        bad: The samples that cannot be used.
        bad_indices: Their numbers.
        labels: (numbers of samples, which of the spellings each has), where labels stand beside the values.
    """

    source: Source
    dtype: str | None = None
    lossy: bool = False
    fixed: Fixed | None = None
    bytes_read: int = 0
    forms: dict[Form, list[npt.NDArray[np.int64]]] = field(default_factory=dict)
    bad: list[BadSample] = field(default_factory=list)
    bad_indices: list[int] = field(default_factory=list)
    labels: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = field(default_factory=list)
    _number_of: dict[tuple[str, ...], int] = field(default_factory=dict)
    _proved: dict[Form, int] = field(default_factory=dict)
    _tried: dict[Form, tuple[Tried, ...]] = field(default_factory=dict)

    def add(self, result: RunResult) -> int:
        """Add a run; return how many samples it was."""
        for group in result.groups:
            self.forms.setdefault(group.form, []).append(group.indices)
            self._proved[group.form] = self._proved.get(group.form, -1) & group.proved
            before = self._tried.get(group.form, group.tried)
            self._tried[group.form] = tuple(one + other for one, other in zip(before, group.tried, strict=True))
        self.bad += result.bad
        self.bad_indices += result.bad_indices
        self.bytes_read += result.bytes_read
        if result.labels.size:
            numbers = [self._number_of.setdefault(text, len(self._number_of)) for text in result.spellings]
            self.labels.append((result.indices, np.array(numbers, np.int64)[result.labels]))
        return len(result.indices) + len(result.bad)

    def proof(self, form: Form) -> tuple[int, tuple[Tried, ...]]:
        """Return what holds for all samples of a form so far: a bit for every encoding, and what was tried."""
        return self._proved[form], self._tried[form]

    @property
    def spellings(self) -> list[tuple[str, ...]]:
        """Each label met, once, as text."""
        return list(self._number_of)

    @property
    def clean(self) -> bool:
        """Whether all samples so far are good and of one form."""
        return len({*self.forms, *([self.fixed.form] if self.fixed else [])}) < 2 and not self.bad

    @property
    def form(self) -> Form:
        """The form that most samples have; of equally many, that of the first key. Or the one that is fixed.

        Raises:
            SourceError: No sample is good.
        """
        if self.fixed is not None:
            return self.fixed.form
        if not self.forms:
            raise SourceError(f"{self.source.root}: found no good sample, expected one at least")
        return min(self.forms, key=lambda form: (-self._count(form), min(int(part.min()) for part in self.forms[form])))

    @property
    def encoding(self) -> Encoding:
        """The encoding of the dtype that is asked for, else the smallest that gives every sample back bit for bit.

        Raises:
            OptionError: A value does not come back from the dtype that is asked for, and loss is not allowed.
            SourceError: Nor from the one that is fixed.
        """
        if self.fixed is not None:
            return self._fixed_encoding(self.fixed)
        if self.dtype is not None:
            encodings = wanted_encodings(self.dtype, np.dtype(self.form[1]))
            return choose(encodings, self._tried[self.form], self.source.keys, lossy=self.lossy)
        return candidates(np.dtype(self.form[1]))[smallest(self._proved[self.form])]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """bool, (N,): the samples that are good and of the chosen form."""
        kept = np.zeros(len(self.source), bool)
        for part in self.forms.get(self.form, []):
            kept[part] = True
        return kept

    def unusable(self) -> list[BadSample]:
        """Return the bad samples, and those of another form than most, by key."""
        return by_key([*self.bad, *self._odd()])

    def _fixed_encoding(self, fixed: Fixed) -> Encoding:
        encoding = fixed.encoding
        encodings = wanted_encodings(encoding.dtype.name, encoding.logical_dtype)
        tried = self._tried[fixed.form][encodings.index(encoding)]
        lost = tried.unfit if self.lossy else tried.lost
        if lost is None:
            return encoding
        raise SourceError(
            f"{self.source.keys[lost.index]}: found the value {lost.value}, which comes back from {encoding} as "
            f"{lost.back}, expected values that {fixed.store} holds, which stores {encoding}; convert the new files to "
            f"a store of their own, and join the two by `convert merge`"
        )

    def _count(self, form: Form) -> int:
        return sum(map(len, self.forms[form]))

    def _odd(self) -> list[BadSample]:
        if self.fixed is None and len(self.forms) < 2:
            return []
        most = self.form
        if self.fixed is not None:
            count = f"as in {self.fixed.store}"
        else:
            count = f"as in {self._count(most):,} sample{'' if self._count(most) == 1 else 's'}"
        return [
            BadSample(self.source.keys[index], _describe(form, most), f"{_describe(most, form)} {count}")
            for form, parts in self.forms.items()
            if form != most
            for part in parts
            for index in part.tolist()
        ]


def refuse(root: Path, bad: Sequence[BadSample], total: int, errors: Path) -> None:
    """Stop where samples cannot be used.

    Args:
        root: The source.
        bad: All of them, in the order to list them.
        total: Samples in the source.
        errors: The file to list them in.

    Raises:
        SourceError: There are such samples; the message lists the first of them.
    """
    if not bad:
        return
    write_list(errors, bad)
    lines = [f"{root}: found {len(bad):,} bad of {total:,} samples; no store was written"]
    lines += [f"  {sample}" for sample in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"  and {len(bad) - SHOWN:,} more")
    lines.append(f"  all are listed in {errors}; mend or remove them, or leave them out by --on-error skip")
    raise SourceError("\n".join(lines))


def by_key(samples: Iterable[BadSample]) -> list[BadSample]:
    """Return samples in the order of their keys, rows of a table in that of their numbers."""

    def order(sample: BadSample) -> tuple[str, int]:
        table, _, row = sample.key.rpartition("#")
        return (table, int(row)) if row.isdecimal() else (sample.key, -1)

    return sorted(samples, key=order)


def write_list(path: Path, bad: Sequence[BadSample]) -> None:
    """Write samples that cannot be used to a CSV file: key, what was found, what was expected.

    Args:
        path: The file; one that is there is replaced.
        bad: The samples.
    """
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "found", "expected"])
        writer.writerows((sample.key, sample.found, sample.expected) for sample in bad)


def _describe(form: Form, other: Form) -> str:
    shape, dtype = form
    text = f"shape {' x '.join(map(str, shape)) or 'of one value'}"
    return f"{text} of {np.dtype(dtype).name}" if dtype != other[1] else text

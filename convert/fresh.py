"""The samples of a source that a store does not hold yet, as a source of their own."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.source.labels import is_integer
from seekless.source.listing import suffix_of
from seekless.source.samples import BadSample, Decoded, FileSource, Reader, Source
from seekless.source.targets import Targets

__all__ = ["NewRows", "new_bad", "new_samples"]


def new_samples(source: Source, held: npt.NDArray[np.bytes_]) -> Source:
    """Return those samples of a source whose keys are new.

    Args:
        source: All that there is now.
        held: |S, (n,): the keys that a store holds.
    """
    keys = list(source.keys)
    known = np.isin(np.array([key.encode() for key in keys]), held) if keys else np.zeros(0, bool)
    chosen = np.flatnonzero(~known)
    if not isinstance(source, FileSource):
        return NewRows(source, chosen, [keys[index] for index in chosen.tolist()])
    targets = source.targets
    return dataclasses.replace(
        source,
        keys=[keys[index] for index in chosen.tolist()],
        inodes=source.inodes[chosen],
        targets=None if targets is None else dataclasses.replace(targets, values=targets.values[chosen]),
    )


def new_bad(bad: Sequence[BadSample], held: npt.NDArray[np.bytes_]) -> list[BadSample]:
    """Return what is bad about a source, without what is said of samples that a store holds.

    Their files may be gone, or their targets: lines of a labels file that name them are no fault.

    Args:
        bad: Found when the source was opened.
        held: |S, (n,): the keys that the store holds.
    """
    if not bad:
        return []
    names: set[str | int] = set()
    for key in (key.decode() for key in held.tolist()):
        name = key.rpartition("/")[2]
        stem = name[: len(name) - len(suffix_of(name))]
        names |= {key, name, stem, *([int(stem)] if is_integer(stem) else [])}
    return [
        sample
        for sample in bad
        if sample.key not in names and not (is_integer(sample.key) and int(sample.key) in names)
    ]


@dataclass(frozen=True)
class NewReader:
    """Decodes runs of a source, and keeps what is new.

    Attributes:
        reader: The source's.
        number_of: int64, (samples of the source,): the number of each among the new ones; -1 for one that is not new.
    """

    reader: Reader
    number_of: npt.NDArray[np.int64]

    @property
    def root(self) -> Path:
        """The table, or the folder of the tables."""
        return self.reader.root

    def read(self, run: Any) -> Decoded:
        """Read and decode a run; what is bad is collected, not raised."""
        whole = self.reader.read(run)
        numbers = self.number_of[np.array(whole.indices, np.int64)].tolist()
        kept = [place for place, number in enumerate(numbers) if number >= 0]
        bad_numbers = self.number_of[np.array(whole.bad_indices, np.int64)].tolist()
        bad = [place for place, number in enumerate(bad_numbers) if number >= 0]
        return Decoded(
            indices=[numbers[place] for place in kept],
            samples=[whole.samples[place] for place in kept],
            labels=[whole.labels[place] for place in kept] if whole.labels else [],
            bad=[whole.bad[place] for place in bad],
            bad_indices=[bad_numbers[place] for place in bad],
            stamps=[whole.stamps[place] for place in kept],
            bytes_read=whole.bytes_read,
            rest=whole.rest,
        )


@dataclass(frozen=True)
class NewRows:
    """Those rows of tables that are new; their targets come with the values, if there are any.

    Attributes:
        source: All rows.
        chosen: int64, (N,): the numbers of the new rows, ascending.
        keys: Their keys.
    """

    source: Source
    chosen: npt.NDArray[np.int64]
    keys: list[str]

    @property
    def root(self) -> Path:
        """The table, or the folder of the tables."""
        return self.source.root

    @property
    def targets(self) -> Targets | None:
        """None: they come with the values."""
        return self.source.targets

    def __len__(self) -> int:
        return len(self.keys)

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return what training divides samples of a dtype by."""
        return self.source.scale_for(dtype)

    def reader(self) -> Reader:
        """Return what decodes runs of rows in any process."""
        number_of = np.full(len(self.source), -1)
        number_of[self.chosen] = np.arange(len(self.chosen))
        return NewReader(self.source.reader(), number_of)

    def runs(self, done: npt.NDArray[np.bool_] | None = None) -> Iterator[Any]:
        """Yield spans of rows, in the order of the tables, that have new ones.

        Args:
            done: bool, (N,): new rows that need not be read.
        """
        wanted = self.chosen if done is None else self.chosen[~done]
        left = np.ones(len(self.source), bool)
        left[wanted] = False
        return self.source.runs(left)

    def stamps(self, indices: Sequence[int]) -> npt.NDArray[np.uint32]:
        """Return uint32, (n,): the stamps of samples' tables as they are now; 0 for one that is gone."""
        return self.source.stamps(self.chosen[np.asarray(indices, np.int64)].tolist())

"""Compare a store with the source it was made from: decode everything again, and find what differs by key."""

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.census import Census
from seekless.convert.comparison import SHOWN, Comparison, difference
from seekless.convert.pool import map_runs, worker_count
from seekless.convert.run import targets_of
from seekless.convert.workers import RunResult
from seekless.errors import OptionError, StoreError
from seekless.progress import Follow, Pass
from seekless.source.folder import NO_LABELS
from seekless.source.open import SourceOptions, open_source
from seekless.source.place import place_of
from seekless.source.samples import BadSample, Source
from seekless.source.targets import Targets
from seekless.store.inputs import input_name
from seekless.store.pieces import pieces
from seekless.store.schema import Header
from seekless.store.store import Store

__all__ = ["compare", "options_of"]


def compare(
    store: Store,
    source: str | PathLike[str],
    *,
    workers: int | None = None,
    progress: Follow = False,
    **options: Any,
) -> Comparison:
    """Decode a source again, and compare every value and target with the store's, by key, bit for bit.

    Memory grows with the number of samples, not with their size: of each the store's values become a 128-bit hash.

    Args:
        store: The store.
        source: What it was made from.
        workers: Worker processes; None for as many as there are cores, 0 for none.
        progress: Show progress bars on stderr; or a function, see `seekless.progress.Progress`.
        **options: Fields of `seekless.source.open.SourceOptions`; those not given are as the store recorded them. What
            names a file is not recorded: `labels` must be given again where it was.

    Returns:
        What differs.

    Raises:
        StoreError: The store has no keys, or several inputs.
        StoreFormatError: A block of the store is damaged.
        SourceError: The source cannot be opened, or its targets are not of the store's kind.
        OptionError: Options do not fit together.
    """
    if "key" not in store.tables:
        raise StoreError(f"{store.path}: found no keys, expected a store that `convert` made of files")
    if "x" not in store.tables:
        names = ", ".join(map(input_name, store.header.inputs))
        raise StoreError(
            f"{store.path}: found the inputs {names}, expected one: no source of files has several; compare with the "
            "arrays it was written from"
        )
    if workers is not None and workers < 0:
        raise OptionError(f"--workers: found {workers}, expected 0 or more")
    root = place_of(source)
    what = options_of(store.header, options)
    bad: list[BadSample] = []
    opened = open_source(root, what, bad)
    check = _Check(store, opened, progress)
    census = Census(opened)
    workers = worker_count(workers, len(opened))
    with Pass("comparing", len(opened), progress) as bar:
        for result in map_runs(opened.reader(), opened.runs(), workers):
            bar.add(census.add(result), result.bytes_read, bad=len(census.bad))
            check.add(result)
    if "y" in store.tables and census.forms:
        check.add_targets(targets_of(opened, census, what))
    check.add_unopened([sample for sample in bad if (root / sample.key).exists()])
    return check.result(root)


def options_of(header: Header, given: Mapping[str, Any]) -> SourceOptions:
    """Return how a store's source was decoded, as the store recorded it.

    Args:
        header: The store's.
        given: What is known better than the record, by field of `SourceOptions`.

    Raises:
        OptionError: An option is unknown, or options do not fit together.
    """
    names = {field.name for field in dataclasses.fields(SourceOptions)}
    unknown = sorted(set(given) - names)
    if unknown:
        raise OptionError(f"found unknown options {', '.join(unknown)}, expected some of {', '.join(sorted(names))}")
    recorded = {name: value for name, value in header.options.items() if name in names}
    # JSON has no tuples.
    recorded = {name: tuple(value) if isinstance(value, list) else value for name, value in recorded.items()}
    # Numbers as text are float64, pictures never; the scale does not tell, CSV may have one too.
    recorded["kind"] = "csv" if header.fields["x"].encoding.logical_dtype == np.float64 else "image"
    if "y" not in header.fields:
        recorded["labels"] = NO_LABELS
    elif header.target_kind:
        recorded["target_type"] = header.target_kind
    if given.get("labels", recorded.get("labels")) == NO_LABELS:
        for name in ("target_columns", "target_type", "classes"):
            recorded.pop(name, None)
    return SourceOptions(**{**recorded, **given})


class _Check:
    """Compares what is decoded, in any order, with a store.

    Args:
        store: The store; its keys and values are read now, its values to hashes.
        source: The source.
        progress: Show a progress bar.
    """

    def __init__(self, store: Store, source: Source, progress: Follow) -> None:
        self._store = store
        self._source = source
        x = store.header.fields["x"]
        self._form = (x.sample_shape, x.encoding.logical_dtype.str)
        self._rounding = x.encoding if store.header.options.get("lossy") else None
        keys = store.read("key", 0, len(store))
        self._by_key = np.argsort(keys, kind="stable")  # the place in the store of each key, by its rank among all
        self._sorted = keys[self._by_key]
        self._rank = self._ranks(source.keys)
        self._differs = np.zeros(len(store), bool)  # by rank, as all that follows
        self._seen = np.zeros(len(store), bool)
        self._seen[self._rank[self._rank >= 0]] = True
        self._missing: list[int] = []
        self._values: dict[int, npt.NDArray[Any] | str] = {}  # of the first that differ: what the source has
        self._targets: npt.NDArray[Any] | None = None
        self._unopened: list[str] = []
        self._hashes = self._store_hashes(progress)
        self._skipped = store.header.options.get("on_error") == "skip"

    def add(self, result: RunResult) -> None:
        """Compare the samples of a run."""
        for group in result.groups:
            ranks = self._rank[group.indices]
            same_form = group.form == self._form
            if same_form or not self._skipped:  # samples of another form were left out at conversion
                self._missing += group.indices[ranks < 0].tolist()
            held = np.flatnonzero(ranks >= 0)
            values = group.encoding.decode(group.stored[held])
            if same_form and self._rounding is not None:
                with np.errstate(invalid="ignore", over="ignore"):  # what does not fit differs, and is shown
                    values = self._rounding.decode(self._rounding.encode(values))
            differ = np.ones(len(held), bool)
            if same_form:
                differ = (_hashes(values) != self._hashes[ranks[held]]).any(axis=1)
            self._differs[ranks[held[differ]]] = True
            for number in np.flatnonzero(differ).tolist():
                self._keep(int(ranks[held[number]]), values[number])
        for index, sample in zip(result.bad_indices, result.bad, strict=True):
            self._add_bad(int(self._rank[index]), sample, index)

    def add_targets(self, targets: Targets | None) -> None:
        """Compare the targets of all samples; None for a source without, whose samples alone are compared."""
        if targets is None:
            return
        stored = self._stored_targets(0, len(self._store))[self._by_key]
        given = _in_classes_of(self._store.header, targets)
        if given.shape[1:] != stored.shape[1:] or given.dtype != stored.dtype:
            self._differs |= self._seen
            return
        expected = stored.copy()
        held = self._rank >= 0
        expected[self._rank[held]] = given[held]
        bits = (expected.view(np.uint64) != stored.view(np.uint64)).reshape(len(stored), -1).any(axis=1)
        self._targets = expected
        self._differs |= bits

    def add_unopened(self, bad: Sequence[BadSample]) -> None:
        """Note the files that were left out before any was read, as those without a target."""
        for sample, rank in zip(bad, self._ranks([sample.key for sample in bad]).tolist(), strict=True):
            self._add_bad(rank, sample, None)

    def result(self, root: Path) -> Comparison:
        """Return what was found."""
        missing = [self._source.keys[index] for index in sorted(self._missing)]
        extra = [key.decode() for key in self._sorted[~self._seen].tolist()]
        shown = np.flatnonzero(self._differs)[:SHOWN].tolist()
        return Comparison(
            store=self._store.path,
            source=root,
            samples=int(self._seen.sum()),
            missing=[*missing, *self._unopened],
            extra=extra,
            different=int(self._differs.sum()),
            shown=[(self._sorted[rank].decode(), self._describe(rank)) for rank in shown],
            rounded="" if self._rounding is None else str(self._rounding),
        )

    def _ranks(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return where each key stands among the store's sorted ones, or -1."""
        if not len(keys):
            return np.empty(0, np.int64)
        wanted = np.array([key.encode() for key in keys])
        found = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[found] == wanted, found, -1)

    def _store_hashes(self, progress: Follow) -> npt.NDArray[np.uint64]:
        """Return uint64, (N, 2): a hash of the values of each sample, in the order of the keys."""
        hashes = np.empty((len(self._store), 2), np.uint64)
        decode = self._store.header.fields["x"].encoding.decode
        with Pass("reading", len(self._store), progress) as bar:
            for start, stored in pieces(self._store.tables["x"]):
                hashes[start : start + len(stored)] = _hashes(decode(stored))
                bar.add(len(stored), stored.nbytes)
        return hashes[self._by_key]

    def _add_bad(self, rank: int, sample: BadSample, index: int | None) -> None:
        if rank >= 0:
            self._seen[rank] = self._differs[rank] = True
            self._keep(rank, f"the source has {sample.found}, expected {sample.expected}")
        elif not self._skipped:
            if index is None:
                self._unopened.append(sample.key)
            else:
                self._missing.append(index)

    def _keep(self, rank: int, values: npt.NDArray[Any] | str) -> None:
        """Keep what the source has of a sample that differs, for the first of them."""
        if len(self._values) >= SHOWN:
            last = max(self._values)
            if rank > last:
                return
            del self._values[last]
        self._values[rank] = values

    def _describe(self, rank: int) -> str:
        """Say how a sample differs."""
        place = int(self._by_key[rank])
        texts = []
        kept = self._values.get(rank)
        if isinstance(kept, str):
            return kept
        if kept is not None:
            field = self._store.header.fields["x"]
            texts.append(difference(field.encoding.decode(self._store.read("x", place, place + 1))[0], kept))
        stored = self._stored_targets(place, place + 1)[0] if "y" in self._store.tables else None
        if self._targets is not None and stored.tobytes() != self._targets[rank].tobytes():  # type: ignore[union-attr]
            texts.append(f"found target {self._named(stored)}, expected {self._named(self._targets[rank])}")
        return "; ".join(texts) or "found a target of another kind, expected that of the source"

    def _stored_targets(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return targets as sources have them: numbers that came as arrays may be of any dtype."""
        values = self._store.read("y", start, stop)
        return values if self._store.header.target_kind == "class" else values.astype(np.float64)

    def _named(self, target: Any) -> str:
        names = self._store.class_names
        if self._store.header.target_kind != "class" or names is None:
            return "another class" if self._store.header.target_kind == "class" and target < 0 else str(target)
        return names[target] if target >= 0 else "a class that the store does not have"


def _hashes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return uint64, (samples, 2): 128 bits of BLAKE2b of each sample's bytes."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
    text = b"".join(blake2b(row.data, digest_size=16).digest() for row in rows)
    return np.frombuffer(text, np.uint64).reshape(len(values), 2)


def _in_classes_of(header: Header, targets: Targets) -> npt.NDArray[Any]:
    """Number classes as the store does; -1 for those that it does not have."""
    if targets.kind != "class" or header.target_kind != "class":
        return targets.values
    count, names = header.class_count, header.class_names
    number_of = {name: number for number, name in enumerate(map(str, range(count)) if names is None else names)}
    own = map(str, range(targets.class_count)) if targets.class_names is None else targets.class_names
    as_stored = np.array([number_of.get(name, -1) for name in own], np.int64)
    return as_stored[targets.values.astype(np.int64)]

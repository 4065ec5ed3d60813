"""The options by which samples are added to a store: as it records them; what is given must not contradict that."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seekless.convert.options import Options
from seekless.convert.resume import shown_option
from seekless.convert.wanted import DTYPES
from seekless.errors import OptionError
from seekless.source.folder import NO_LABELS
from seekless.source.open import SourceOptions
from seekless.source.targets import Classes
from seekless.store.schema import Header

__all__ = ["inherited"]

# Options that a store records, and that shape what is added to it.
OF_STORE = ("test_fraction", "group_by", "dtype", "lossy", "compression", "block_bytes", "shard_bytes")
DECODING = tuple(
    field.name for field in dataclasses.fields(SourceOptions) if field.name not in ("kind", "labels", "classes")
)


def inherited(
    header: Header, path: Path, how: Mapping[str, Any], what: Mapping[str, Any]
) -> tuple[Options, SourceOptions]:
    """Return the options by which samples are added to a store.

    Args:
        header: The store's.
        path: The store, for messages.
        how: What is given of the fields of `Options`.
        what: What is given of the fields of `SourceOptions`.

    Raises:
        OptionError: What is given is not what the store was made with.
    """
    as_made = _Check(header, path)
    for name in OF_STORE:
        as_made.check(name, how, getattr(Options, name))
    for name in DECODING:
        if name != "target_type":
            as_made.check(name, what, getattr(SourceOptions, name))
    as_made.expect("seed", how, header.seed)
    as_made.expect("shuffle", how, header.shuffled)
    return _options(header, how), _source_options(as_made, header, path, what)


class _Check:
    def __init__(self, header: Header, path: Path) -> None:
        self._path = path
        # JSON has no tuples.
        self.recorded = {
            name: tuple(value) if isinstance(value, list) else value for name, value in header.options.items()
        }
        # What a conversion does not record had its default; what was written from arrays had no such options.
        self._whole = "on_error" in self.recorded
        self._also = {"compression": header.fields["x"].codec, "dtype": header.fields["x"].dtype.name}

    def check(self, name: str, given: Mapping[str, Any], default: Any) -> None:
        """Refuse an option that is not as the store records it."""
        if name in self.recorded or self._whole:
            self.expect(name, given, self.recorded.get(name, default))

    def expect(self, name: str, given: Mapping[str, Any], value: Any) -> None:
        """Refuse an option that has another value."""
        if name not in given:
            return
        found = tuple(given[name]) if isinstance(given[name], list) else given[name]
        if found not in (value, self._also.get(name, value)):
            option, found, expected = shown_option(name, found, value)
            raise OptionError(
                f"{option}: found {found}, expected {expected} as {self._path} was made with; leave it out, or convert "
                "to a store of its own and join the two by `convert merge`"
            )


def _options(header: Header, given: Mapping[str, Any]) -> Options:
    recorded, x = header.options, header.fields["x"]
    fraction = recorded.get("test_fraction", given.get("test_fraction"))
    if header.boundaries and fraction is None:  # of a store that was written or merged
        ends = (0, *header.boundaries)
        fraction = (ends[2] - ends[1]) / ends[2]
    own = {
        "seed": header.seed,
        "shuffle": header.shuffled,
        "group_by": recorded.get("group_by"),
        "test_fraction": fraction if header.boundaries else None,
        "dtype": x.dtype.name if x.dtype.name in DTYPES else "auto",
        "lossy": bool(recorded.get("lossy")) and x.dtype.name in DTYPES,
        "compression": x.codec,
        "block_bytes": recorded.get("block_bytes"),
        "shard_bytes": recorded.get("shard_bytes"),
    }
    return Options(**{"on_error": recorded.get("on_error", "raise"), **given, **own})


def _source_options(check: _Check, header: Header, path: Path, given: Mapping[str, Any]) -> SourceOptions:
    own = {name: value for name, value in check.recorded.items() if name in DECODING}
    # Numbers as text are float64, pictures never.
    own["kind"] = "csv" if header.fields["x"].encoding.logical_dtype == np.float64 else "image"
    if given.get("kind") not in (None, own["kind"]):
        words = {"csv": "numbers from text (csv-to-h5)", "image": "pictures (png-to-h5)"}
        found, expected = words[str(given["kind"])], words[str(own["kind"])]
        raise OptionError(
            f"--append: found {found} for {path}, expected {expected} as it was made of; convert to a store of its own"
        )
    if own["kind"] == "csv":
        own.setdefault("scale", given.get("scale", header.fields["x"].scale))
    if "y" not in header.fields:
        own["labels"] = NO_LABELS
        for name in ("labels", "target_columns", "target_type", "classes"):
            check.expect(name, {n: v for n, v in given.items() if v}, own.get(name))
        for name in ("target_columns", "target_type"):
            own.pop(name, None)
        return SourceOptions(**{**given, **own})
    if given.get("labels") == NO_LABELS:
        raise OptionError(f"--labels: found none, expected targets as {path} has them; leave it out, or give a file")
    check.expect("target_type", {n: v for n, v in given.items() if v is not None}, header.target_kind)
    own["target_type"] = header.target_kind
    if header.target_kind == "class":
        own["classes"] = _classes(header, path, given.get("classes"))
    return SourceOptions(**{**given, **own})


def _classes(header: Header, path: Path, given: Classes | None) -> Classes:
    own = Classes(header.class_count, header.class_names, str(path), more=given is None)
    if given is not None and (given.count, given.names) != (own.count, own.names):
        raise OptionError(
            f"--classes-from: found other classes in {given.origin} than in {path}, expected those; leave it out"
        )
    return own

"""Whether a stopped conversion may be gone on with: the same options, files and targets, or which is not the same."""

import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seekless.convert.journal import START_OVER, Journal, Past
from seekless.convert.options import Options
from seekless.errors import ResumeError
from seekless.source.open import SourceOptions
from seekless.source.samples import Source

__all__ = ["check_same", "facts_of", "shown_option"]

# The names of options that are not those of their fields.
NAMES = {"shuffle": "no-shuffle", "classes": "classes-from", "target_columns": "target-column"}


def facts_of(source: Source, how: Options, what: SourceOptions, base: str | None = None) -> dict[str, Any]:
    """Return what the bytes of a store depend on, beside the contents of the files, fit for JSON.

    Args:
        source: The source.
        how: How to convert.
        what: How the source is decoded.
        base: The store that samples are added to, in words; None for a new one.
    """
    options = {"append": base, **dataclasses.asdict(what), **how.recorded(), "seed": how.seed, "shuffle": how.shuffle}
    digest = blake2b(digest_size=16)
    for key in source.keys:
        digest.update(key.encode("utf-8", "surrogateescape") + b"\0")
    targets = source.targets
    facts = {
        "version": version("seekless"),
        "options": options,
        "samples": len(source),
        "keys": digest.hexdigest(),
        "targets": None
        if targets is None
        else [targets.kind, targets.class_names, zlib.crc32(targets.values.tobytes())],
    }
    return dict(json.loads(json.dumps(facts, default=str)))


def check_same(past: Past, facts: Mapping[str, Any], keys: Sequence[str], journal: Journal, path: Path) -> None:
    """Refuse to go on with a run that depended on something else.

    Args:
        past: What the stopped run has done.
        facts: What this run depends on.
        keys: The keys of the source.
        journal: The stopped run's.
        path: The store.

    Raises:
        ResumeError: An option, a file or a target is not the same; the message says which.
    """
    old = past.begin
    if old["version"] != facts["version"]:
        raise ResumeError(
            f"{path}: found work of seekless {old['version']}, expected that of {facts['version']}, as another version "
            f"may write other bytes; install that one, or {START_OVER}"
        )
    for name, value in facts["options"].items():
        before = old["options"].get(name)
        if before != value:
            option, found, expected = shown_option(name, value, before)
            raise ResumeError(
                f"{option}: found {found}, expected {expected} as in the run that was stopped; give that again, or "
                f"{START_OVER}"
            )
    if old["keys"] != facts["keys"]:
        raise ResumeError(f"{path}: found {_changed_keys(journal.keys(), keys)}; put them back, or {START_OVER}")
    if old["targets"] != facts["targets"]:
        raise ResumeError(
            f"{path}: found other targets than the stopped run had, expected the same; put them back, or {START_OVER}"
        )


def shown_option(name: str, found: Any, expected: Any) -> tuple[str, str, str]:
    """Return an option and two values of it in the words of the command.

    Args:
        name: Its field.
        found: One value.
        expected: Another.
    """
    option = NAMES.get(name, name.replace("_", "-"))
    return f"--{option}", _shown(name, found), _shown(name, expected)


def _shown(name: str, value: Any) -> str:
    """Return an option's value as the user gave it, as far as that can be said."""
    if name == "shuffle":
        return "samples that are shuffled" if value else "--no-shuffle"
    if name == "classes" and value is not None:
        return f"the {value['count']} classes of {value['origin']}"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)


def _changed_keys(old: Sequence[str], new: Sequence[str]) -> str:
    missing, extra = sorted(set(old) - set(new)), sorted(set(new) - set(old)) if old else []
    texts = []
    for keys, what in ((missing, "missing"), (extra, "new")):
        if keys:
            texts.append(f"{len(keys):,} {what} ({keys[0]}{', ...' if len(keys) > 1 else ''})")
    return f"{' and '.join(texts) or 'other samples'} since the stopped run, expected the same"

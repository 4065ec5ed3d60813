"""A conversion as one call: files -> workers -> scatter -> gather -> blocks -> a store."""

import dataclasses
import time
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from seekless.convert.census import Census, by_key, refuse, write_list
from seekless.convert.gather import gather
from seekless.convert.groups import places_of, with_groups
from seekless.convert.journal import Journal
from seekless.convert.layout import lay_out
from seekless.convert.options import Options, Summary
from seekless.convert.pool import worker_count
from seekless.convert.read import read_samples
from seekless.convert.resume import check_same, facts_of
from seekless.convert.space import told_when_full
from seekless.convert.target import Target, writing
from seekless.convert.write import Passing, blocks_written, check_kind, write
from seekless.errors import OptionError, SourceError
from seekless.source.open import SourceOptions, open_source, row_targets
from seekless.source.place import place_of
from seekless.source.samples import BadSample, Source
from seekless.source.targets import Classes, Targets
from seekless.store.store import open as open_store

__all__ = ["pack", "targets_of"]


def pack(
    source: str | PathLike[str] = "data",
    store: str | PathLike[str] = "data.h5",
    **options: Any,
) -> Summary:
    """Pack a folder of small files, or tables of rows, into one store: in random order, in large blocks.

    Args:
        source: A folder of CSV files or of images; with `rows=True` a table, or a folder of tables, a row a sample.
        store: What to make: an `.h5` file or an `.npy.d` folder.
        **options: The fields of `seekless.convert.options.Options` (seed, shuffle, group_by, test_fraction, workers,
            memory, dtype, lossy, compression, block_bytes, shard_bytes, temp, resume, save_every, on_error, overwrite,
            progress) and of `seekless.source.open.SourceOptions` (kind, labels, rows, target_columns, target_type,
            classes_from, shape, size, resize, channels, delimiter, decimal, skip_rows, columns, allow_nan, scale).

    Returns:
        What was done.

    Raises:
        SourceError: The samples are missing, unreadable, not all of one shape, or do not match the targets. All bad
            ones are listed, and nothing is left of the store.
        StoreExistsError: The store exists and `overwrite` is not set.
        OptionError: An option has a value that cannot be used.
    """
    start = time.perf_counter()
    how, what = _checked(options)
    path = Path(store)
    check_kind(path, how)
    with writing(path, overwrite=how.overwrite, resume=how.resume, temp=how.temp) as target:
        journal = Journal(target.parts)
        try:
            with told_when_full(path.parent, target.parts.parent):
                done = _convert(place_of(source), target, journal, how, what)
        except (SourceError, OptionError):
            journal.write("refused", True)
            raise
        finally:
            journal.close()
    written = open_store(path)
    return Summary(
        store=path,
        samples=len(written),
        skipped=done["skipped"],
        field=written.header.fields["x"],
        why_codec=done["why_codec"],
        lossy=how.lossy,
        shards=len(written.shards),
        classes=written.header.class_count,
        bytes_in=done["bytes_in"],
        bytes_out=written.nbytes,
        seconds=time.perf_counter() - start,
        resumed=(0, 0) if target.past is None else (target.past.samples, target.past.blocks),
        removed=target.removed,
    )


def _convert(root: Path, target: Target, journal: Journal, how: Options, what: SourceOptions) -> dict[str, Any]:
    """Do the whole work up to a complete store under a passing name; return what the summary says of it."""
    lists = {name: target.path.with_name(f"{target.path.name}.{name}.csv") for name in ("errors", "skipped")}
    for left in lists.values():
        left.unlink(missing_ok=True)
    bad: list[BadSample] = []
    source = open_source(root, what, bad)
    past = target.past
    facts = facts_of(source, how, what)
    if past is not None:
        check_same(past, facts, source.keys, journal, target.path)
        journal.go_on()
        if past.done is not None:
            return past.done
    if how.on_error == "raise":
        refuse(source.root, by_key(bad), len(source) + len(bad), lists["errors"])
    positions, ends = places_of(source.keys, how)
    if past is None:
        target.start()
    try:
        reading = read_samples(source, positions, target, how, facts, journal, past)
    finally:
        target.keep |= journal.active
    census = reading.census
    bad = by_key([*bad, *census.unusable()])
    if how.on_error == "raise" or not census.forms:
        refuse(source.root, bad, len(source), lists["errors"])
    elif bad:
        write_list(lists["skipped"], bad)
    kept = census.kept
    order = np.argsort(positions)  # the sample at each place
    order = order[kept[order]]
    header, values = lay_out(source, targets_of(source, census, what), census, order, how, what)
    header = with_groups(header, kept[np.argsort(positions)], ends)
    passing = Passing(target.path, target.partial, target.parts / "older", journal, past)
    x = header.fields["x"]
    first = blocks_written(passing, header, how) * x.block_length
    rows = gather(reading.scatter.partitions(x.sample_bytes), x, kept[np.argsort(positions)], first)
    written = write(passing, header, {"x": rows}, values, how, worker_count(how.workers, len(source)))
    done = {"skipped": len(bad), "why_codec": written.why["x"], "bytes_in": census.bytes_read}
    journal.write("done", done)
    return done


def _checked(options: Mapping[str, Any]) -> tuple[Options, SourceOptions]:
    """Sort the options to those of the conversion and those of the source; each checks itself."""
    names = {field.name for field in dataclasses.fields(Options)}
    unknown = sorted(
        set(options) - names - {field.name for field in dataclasses.fields(SourceOptions)} - {"classes_from"}
    )
    if unknown:
        raise OptionError(f"seekless.pack: found unknown options {', '.join(unknown)}; help(seekless.pack) lists them")
    if options.get("classes_from") is not None:
        options = {**options, "classes": _classes_of(options["classes_from"])}
    options = {name: value for name, value in options.items() if name != "classes_from"}
    how = Options(**{name: value for name, value in options.items() if name in names})
    return how, SourceOptions(**{name: value for name, value in options.items() if name not in names})


def _classes_of(path: str | PathLike[str]) -> Classes:
    header = open_store(path).header
    if header.target_kind != "class":
        raise OptionError(f"--classes-from: found no classes in {path}, expected a store whose targets are classes")
    return Classes(header.class_count, header.class_names, str(path))


def targets_of(source: Source, census: Census, options: SourceOptions) -> Targets | None:
    """Return the targets of all samples; where they came with the values, put them in the order of the source.

    Args:
        source: The source.
        census: All of its runs.
        options: What to take labels for.

    Raises:
        SourceError: A label is not what is expected.
    """
    if not census.labels:
        return source.targets
    numbers = np.concatenate([indices for indices, _ in census.labels])
    spelled = np.concatenate([codes for _, codes in census.labels])
    good = census.kept[numbers]
    return row_targets(numbers[good], spelled[good], census.spellings, len(source), str(source.root), options)

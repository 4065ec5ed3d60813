"""A conversion as one call: files -> workers -> scatter -> gather -> blocks -> a store."""

import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seekless.convert.append import Base, check_append, open_base
from seekless.convert.census import Census, by_key, refuse, write_list
from seekless.convert.gather import gather
from seekless.convert.groups import group_ends, places_of, with_groups
from seekless.convert.journal import START_OVER, Journal
from seekless.convert.layout import lay_out
from seekless.convert.options import Options, Summary
from seekless.convert.passing import Passing
from seekless.convert.pool import worker_count
from seekless.convert.read import Reading, read_samples
from seekless.convert.resume import check_same, facts_of
from seekless.convert.space import told_when_full
from seekless.convert.target import Target, writing
from seekless.convert.write import blocks_written, check_kind, write
from seekless.errors import OptionError, ResumeError, SourceError
from seekless.source.open import SourceOptions, open_source, row_targets
from seekless.source.place import is_of_one_process, place_of
from seekless.source.samples import BadSample, Source
from seekless.source.targets import Classes, Targets
from seekless.store.kinds import HDF5_SUFFIX
from seekless.store.store import open as open_store
from seekless.urls import written_to

if TYPE_CHECKING:
    from seekless.convert.dask_cluster import Cluster

__all__ = ["pack", "targets_of"]

# Options of a run, which say nothing of what a store holds.
OF_RUN = ("workers", "memory", "temp", "resume", "save_every", "overwrite", "append", "progress", "dask")


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
            append, dask, progress) and of `seekless.source.open.SourceOptions` (kind, labels, rows, target_columns,
            target_type, classes_from, shape, size, resize, channels, delimiter, decimal, skip_rows, columns, allow_nan,
            scale).

    Returns:
        What was done.

    Raises:
        SourceError: The samples are missing, unreadable, not all of one shape, or do not match the targets. All bad
            ones are listed, and nothing is left of the store.
        StoreExistsError: The store exists and `overwrite` is not set.
        OptionError: An option has a value that cannot be used, or the store is a URL.
    """
    start = time.perf_counter()
    given = _sorted(options)
    path, appending = written_to(store), bool(given[0].get("append"))
    if appending:
        check_append(path)
        path = path.resolve() if path.is_symlink() else path
    if not (appending and os.path.lexists(path)):
        check_kind(path, Options(**given[0]))
        SourceOptions(**given[1])
    run = Options(**{name: value for name, value in given[0].items() if name in OF_RUN})
    place = place_of(source)
    with (
        _advised(path, appending=appending),
        writing(path, overwrite=run.overwrite, resume=run.resume, temp=run.temp, append=appending) as target,
        _joined(run.dask, place) as cluster,
    ):
        base = open_base(path) if appending and os.path.lexists(path) else None
        how, what = base.options(*given) if base else (Options(**given[0]), SourceOptions(**given[1]))
        check_kind(path, how if base is None else dataclasses.replace(how, shard_bytes=how.shard_bytes or 1))
        journal = Journal(target.parts)
        try:
            with told_when_full(path.parent, target.parts.parent):
                done = _convert(place, target, journal, how, what, base, cluster)
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
        added=None if base is None else len(written) - base.header.length,
    )


@contextmanager
def _joined(dask: Any, place: Path) -> Iterator["Cluster | None"]:
    """Join the cluster that is to do the work, if one is."""
    if dask is None:
        yield None
        return
    if is_of_one_process(place):
        raise OptionError(f"--dask: found the source {place}, which other processes cannot read, expected one they can")
    from seekless.convert.dask_join import connected

    with connected(dask) as cluster:
        yield cluster


@contextmanager
def _advised(path: Path, *, appending: bool) -> Iterator[None]:
    """Say how to start over where --overwrite would replace the store that is to grow."""
    try:
        yield
    except ResumeError as error:
        if not appending:
            raise
        advice = f"start over by removing {path.name}.parts, without --resume"
        raise ResumeError(str(error).replace(START_OVER, advice)) from error


def _convert(
    root: Path,
    target: Target,
    journal: Journal,
    how: Options,
    what: SourceOptions,
    base: Base | None,
    cluster: "Cluster | None",
) -> dict[str, Any]:
    """Do the whole work up to a complete store under a passing name; return what the summary says of it."""
    lists = {name: target.path.with_name(f"{target.path.name}.{name}.csv") for name in ("errors", "skipped")}
    for left in lists.values():
        left.unlink(missing_ok=True)
    bad: list[BadSample] = []
    source: Source = open_source(root, what, bad)
    if base is not None:
        source, bad = base.new_of(source, bad, how)
    past = target.past
    facts = facts_of(source, how, what, None if base is None else str(base))
    if past is not None:
        check_same(past, facts, source.keys, journal, target.path)
        journal.go_on()
        if past.done is not None:
            return past.done
    if how.on_error == "raise":
        refuse(source.root, by_key(bad), len(source) + len(bad), lists["errors"])
    positions, ends = places_of(source.keys, how, 2 if base is None else 0)
    if past is None:
        target.start()
    try:
        fixed = None if base is None else base.fixed
        reading = read_samples(source, positions, target, how, facts, journal, past, fixed, cluster)
    finally:
        target.keep |= journal.active
    census = reading.census
    bad = by_key([*bad, *census.unusable()])
    if how.on_error == "raise" or not (census.forms or base):
        refuse(source.root, bad, len(source), lists["errors"])
    elif bad:
        write_list(lists["skipped"], bad)
    if not census.kept.any():  # nothing is to be added
        target.keep = False
        return {"skipped": len(bad), "why_codec": "", "bytes_in": census.bytes_read}
    passing = Passing(target.path, target.partial, target.parts / "older", journal, past, base)
    why = _write(reading, passing, ends, how, what, cluster)
    done = {"skipped": len(bad), "why_codec": why, "bytes_in": census.bytes_read}
    journal.write("done", done)
    return done


def _write(
    reading: Reading,
    passing: Passing,
    ends: npt.NDArray[np.int64],
    how: Options,
    what: SourceOptions,
    cluster: "Cluster | None",
) -> str:
    """Write the samples that were read to a store under a passing name; return why by its codec."""
    source, census, positions, base = reading.source, reading.census, reading.positions, passing.base
    kept = census.kept
    order = np.argsort(positions)  # the sample at each place
    at_place = kept[order]
    order = order[at_place]
    targets = targets_of(source, census, what)
    if base is None:
        header, values = lay_out(source, targets, census, order, how, what)
        header = with_groups(header, at_place, ends)
    else:
        header, values = base.lay_out(source.keys, targets, order, group_ends(at_place, ends), census.encoding, how)
    x = header.fields["x"]
    threads = worker_count(how.workers, len(source))
    if cluster is not None:
        from seekless.convert.dask_write import There

        padded = passing.path.name.endswith(HDF5_SUFFIX)
        there = There(cluster, reading.scatter, at_place, passing.older.parent, how.memory, padded=padded)
        return write(passing, header, {"x": there.first(x)}, values, how, threads, there).why["x"]
    first = blocks_written(passing, header, how) * x.block_length
    rows = gather(reading.scatter.partitions(x.sample_bytes), x, at_place, first)
    return write(passing, header, {"x": rows}, values, how, threads).why["x"]


Given = tuple[dict[str, Any], dict[str, Any]]


def _sorted(options: Mapping[str, Any]) -> Given:
    """Sort the options to those of the conversion and those of the source."""
    names = {field.name for field in dataclasses.fields(Options)}
    unknown = sorted(
        set(options) - names - {field.name for field in dataclasses.fields(SourceOptions)} - {"classes_from"}
    )
    if unknown:
        raise OptionError(f"seekless.pack: found unknown options {', '.join(unknown)}; help(seekless.pack) lists them")
    if options.get("classes_from") is not None:
        options = {**options, "classes": _classes_of(options["classes_from"])}
    options = {name: value for name, value in options.items() if name != "classes_from"}
    return (
        {name: value for name, value in options.items() if name in names},
        {name: value for name, value in options.items() if name not in names},
    )


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

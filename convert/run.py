"""A conversion as one call: files -> workers -> scatter -> gather -> blocks -> a store."""

import dataclasses
import shutil
import time
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from seekless.convert.census import Census, by_key, refuse, write_list
from seekless.convert.gather import gather
from seekless.convert.layout import lay_out
from seekless.convert.options import Options, Summary
from seekless.convert.pool import map_runs, worker_count
from seekless.convert.scatter import Piece, Scatter
from seekless.convert.target import Target, writing
from seekless.convert.workers import Form
from seekless.convert.write import write
from seekless.errors import ConvertError, OptionError
from seekless.source.open import SourceOptions, open_source, row_targets
from seekless.source.permutation import random_positions
from seekless.source.samples import BadSample, Source
from seekless.source.targets import Classes, Targets
from seekless.store.kinds import suffix_of
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
        **options: The fields of `seekless.convert.options.Options` (seed, test_fraction, workers, memory, dtype, lossy,
            compression, block_bytes, shard_bytes, on_error, overwrite, progress) and of
            `seekless.source.open.SourceOptions` (kind, labels, rows, target_columns, target_type, classes_from, shape,
            size, resize, channels, delimiter, decimal, skip_rows, columns, allow_nan, scale).

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
    suffix_of(path)
    bad: list[BadSample] = []
    lists = {name: path.with_name(f"{path.name}.{name}.csv") for name in ("errors", "skipped")}
    with writing(path, overwrite=how.overwrite) as target:
        for left in lists.values():
            left.unlink(missing_ok=True)
        opened = open_source(Path(source), what, bad)
        if how.on_error == "raise":
            refuse(opened.root, by_key(bad), len(opened) + len(bad), lists["errors"])
        positions = random_positions(opened.keys, how.seed)
        census, scatter = _read(opened, positions, target, how)
        bad = by_key([*bad, *census.unusable()])
        if how.on_error == "raise" or not census.forms:
            refuse(opened.root, bad, len(opened), lists["errors"])
        elif bad:
            write_list(lists["skipped"], bad)
        kept = census.kept
        order = np.argsort(positions)  # the sample at each place
        order = order[kept[order]]
        header, values = lay_out(opened, targets_of(opened, census, what), census, order, how, what)
        x = header.fields["x"]
        rows = gather(scatter.partitions(x.sample_bytes), x, kept[np.argsort(positions)])
        written = write(path, target.partial, header, rows, values, how, worker_count(how.workers, len(opened)))
    return Summary(
        store=path,
        samples=header.length,
        skipped=len(bad),
        field=written.header.fields["x"],
        why_codec=written.why,
        lossy=how.lossy,
        shards=written.shards,
        classes=header.class_count,
        bytes_in=census.bytes_read,
        bytes_out=open_store(path).nbytes,
        seconds=time.perf_counter() - start,
    )


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


def _read(source: Source, positions: npt.NDArray[np.int64], target: Target, options: Options) -> tuple[Census, Scatter]:
    """Read every sample once and scatter those of the form that most have; what is bad is collected up to the last."""
    census, scatter, form = _read_once(source, positions, target, options, None)
    if options.on_error == "skip" and census.forms and census.form != form:
        # The first run misled: most samples have another form than it. Only --on-error skip goes on then.
        wanted = census.form
        census, scatter, _ = _read_once(source, positions, target, options, wanted)
        if census.form != wanted:
            raise ConvertError(f"{source.root}: found other samples at the second reading; run it again when it rests")
    return census, scatter


def _read_once(
    source: Source, positions: npt.NDArray[np.int64], target: Target, options: Options, form: Form | None
) -> tuple[Census, Scatter, Form | None]:
    workers = worker_count(options.workers, len(source))
    shutil.rmtree(target.parts, ignore_errors=True)  # of a first pass
    dtype = None if options.dtype == "auto" else options.dtype
    census, scatter = Census(source, dtype, options.lossy), Scatter(len(source), options.memory, target.parts)
    with tqdm(total=len(source), desc="reading", unit="sample", disable=not options.progress) as bar:
        for result in map_runs(source.reader(), source.runs(), workers, dtype=dtype):
            bar.update(census.add(result))
            if census.bad:
                bar.set_postfix_str(f"{len(census.bad):,} bad", refresh=False)
            if not census.clean and options.on_error == "raise":
                continue  # there will be no store: go on only to list all that is bad
            form = form or (result.groups[0].form if result.groups else None)
            for group in result.groups:
                if group.form == form:
                    scatter.add(Piece(positions[group.indices], group.stored, group.encoding))
    return census, scatter, form


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

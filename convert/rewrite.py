"""New stores of old ones: several joined to one, or one in a new random order; read from end to end, shuffled outside.

    shuffle   one store; its encoding, targets and options stay as they are
    merge     several; the smallest encoding that holds all values, the classes of all, keys that stay unique

Where parts are recorded, samples never cross from one to another: each part is put in a new order by itself.
"""

import bisect
import dataclasses
import itertools
import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.alike import (
    check_alike,
    joined_keys,
    joined_options,
    joined_targets,
    joined_weights,
    part_ends,
)
from seekless.convert.contents import (
    Contents,
    Input,
    checked_options,
    encoded_keys,
    new_scatters,
    summary_of,
    write_contents,
)
from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.options import Options, Summary
from seekless.convert.scatter import Scatter, unstamped
from seekless.convert.target import writing
from seekless.errors import OptionError
from seekless.progress import Pass
from seekless.source.permutation import random_positions
from seekless.store.encoding import Encoding
from seekless.store.inputs import input_name
from seekless.store.kinds import suffix_of
from seekless.store.pieces import pieces
from seekless.store.portions import recorded
from seekless.store.store import Store
from seekless.store.store import open as open_store
from seekless.urls import written_to

__all__ = ["merge", "shuffle"]

ALLOWED = ("seed", "memory", "temp", "compression", "block_bytes", "shard_bytes", "overwrite", "progress")
LARGEST_SEED = 2**63 - 1


def shuffle(
    store: str | PathLike[str], out: str | PathLike[str], *, seed: int | None = None, **options: Any
) -> Summary:
    """Write a store again in a new random order, by sequential reads.

    Args:
        store: The store.
        out: What to make: an `.h5` file or an `.npy.d` folder.
        seed: Draws the order; None for the store's own seed + 1. By the seed that it was made with, a store comes out
            in the order it has.
        **options: Fields of `seekless.convert.options.Options`: memory, temp, compression, block_bytes,
            shard_bytes, overwrite, progress.

    Returns:
        What was done.

    Raises:
        StoreError: The store cannot be read, or has no keys.
        StoreExistsError: `out` exists and `overwrite` is not set.
        OptionError: An option cannot be used.
    """
    start = time.perf_counter()
    path, opened = written_to(out), open_store(store)
    if seed is None:
        seed = opened.header.seed + 1 if opened.header.seed < LARGEST_SEED else 0
    how = checked_options({**options, "seed": seed}, ALLOWED, "shuffle")
    return _rewrite([opened], path, how, joined_keys([opened], prefix=False), "as in the store", start)


def merge(
    stores: Sequence[str | PathLike[str]], out: str | PathLike[str], *, prefix: bool = False, **options: Any
) -> Summary:
    """Join stores to one, in a random order, by sequential reads.

    Args:
        stores: The stores, two or more. Their samples have one shape, one logical dtype and one scale, and targets of
            one kind; all record parts, or none does.
        out: What to make: an `.h5` file or an `.npy.d` folder.
        prefix: Put the name of its store before each key: `a/train/7.csv` for a sample of a.h5.
        **options: Fields of `seekless.convert.options.Options`: seed, memory, temp, compression, block_bytes,
            shard_bytes, overwrite, progress.

    Returns:
        What was done.

    Raises:
        StoreError: A store cannot be read, or stores do not fit together.
        StoreExistsError: `out` exists and `overwrite` is not set.
        OptionError: An option cannot be used, or there are fewer than two stores.
    """
    start = time.perf_counter()
    how = checked_options(options, ALLOWED, "merge")
    if len(stores) < 2:
        raise OptionError(f"merge: found {len(stores)} stores to join, expected two or more and the one to make")
    path, opened = written_to(out), [open_store(store) for store in stores]
    check_alike(opened)
    keys = joined_keys(opened, prefix=prefix)
    return _rewrite(opened, path, how, keys, "holds the values of all stores bit for bit", start)


def _rewrite(
    stores: Sequence[Store], out: Path, how: Options, keys: Sequence[str], why_dtype: str, start: float
) -> Summary:
    suffix_of(out)
    bytes_in = sum(store.nbytes for store in stores)  # now: one of them may be replaced
    ends = part_ends(stores)
    with writing(out, overwrite=how.overwrite, temp=how.temp) as target:
        target.start()
        positions, groups = _positions(stores, keys, how.seed)
        fields = {name: stores[0].header.fields[name] for name in stores[0].header.inputs}
        scatters = new_scatters(fields, len(keys), how, target)
        encodings = {name: _scatter(stores, name, positions, scatter, how) for name, scatter in scatters.items()}
        order = np.argsort(positions)
        targets, weights = joined_targets(stores), joined_weights(stores)
        contents = Contents(
            inputs={name: Input(one.sample_shape, encodings[name], one.scale) for name, one in fields.items()},
            keys=encoded_keys(keys, order),
            targets=None if targets is None else dataclasses.replace(targets, values=targets.values[order]),
            weights=None if weights is None else weights[order],
            ends=ends,
            parts=groups,
            options=joined_options(stores, how),
        )
        written = write_contents(target, contents, scatters, how)
    whys = dict.fromkeys(written.header.inputs, why_dtype)
    return summary_of(out, written, start, lossy=False, bytes_in=bytes_in, whys=whys)


def _positions(
    stores: Sequence[Store], keys: Sequence[str], seed: int
) -> tuple[npt.NDArray[np.int64], tuple[int, ...]]:
    """Return int64, (N,): the place of each sample, store by store; and the ends of parts of whole groups, if any.

    Samples stay in their part: the first parts of all stores, and of all portions of a store, come together first.
    Parts of whole groups, which only one store alone may have, lie within these and are shuffled each by itself.
    """
    together: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    first = 0
    for store in stores:
        for start, stop, part in _parts(store):
            group = start if store.header.parts else 0
            together.setdefault((part, group), []).append(np.arange(first + start, first + stop))
        first += len(store)
    positions, ends = np.empty(len(keys), np.int64), [0]
    for _, pieces_of in sorted(together.items()):
        members = np.concatenate(pieces_of)
        positions[members] = ends[-1] + random_positions([keys[index] for index in members.tolist()], seed)
        ends.append(ends[-1] + len(members))
    return positions, tuple(ends[1:]) if stores[0].header.parts else ()


def _parts(store: Store) -> list[tuple[int, int, int]]:
    """Return (start, stop, which recorded part it belongs to) of all samples, those of whole groups by themselves."""
    header = store.header
    of_portions = recorded(header)
    parts = [(*ends, number) for of_portion in of_portions for number, ends in enumerate(of_portion)]
    parts = parts or [(0, len(store), 0)]
    if not header.parts:
        return parts
    stops = [stop for _, stop, _ in parts]
    groups = itertools.pairwise((0, *header.parts))
    return [(start, stop, parts[bisect.bisect_left(stops, stop)][2]) for start, stop in groups]


def _scatter(
    stores: Sequence[Store], name: str, positions: npt.NDArray[np.int64], scatter: Scatter, how: Options
) -> Encoding:
    """Read all samples of an input in the order of the disk; return the smallest encoding that holds all of them."""
    encodings = {store.header.fields[name].encoding for store in stores}
    mask, first = -1, 0
    reading = "reading" if name == "x" else f"reading {input_name(name)}"
    with Pass(reading, len(positions), how.progress) as bar:
        for store in stores:
            encoding = store.header.fields[name].encoding
            for start, stored in pieces(store.tables[name]):
                places = positions[first + start : first + start + len(stored)]
                if len(encodings) > 1:
                    mask &= proved(encoding.decode(stored))
                scatter.add(unstamped(places, stored, encoding))
                bar.add(len(stored), stored.nbytes)
            first += len(store)
    # Where all stores agree, what was once chosen stays.
    return encodings.pop() if len(encodings) == 1 else candidates(encoding.logical_dtype)[smallest(mask)]

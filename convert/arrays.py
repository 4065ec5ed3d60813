"""A store made of arrays that a program has, whole or batch by batch, as one call."""

import dataclasses
import operator
import time
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.array_parts import Arrays, Batches, given, part_bytes
from seekless.convert.array_targets import keys_from, targets_from
from seekless.convert.contents import (
    Contents,
    StoreSummary,
    checked_options,
    encoded_keys,
    parts_ends,
    write_contents,
)
from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.options import Options, Summary
from seekless.convert.pictures import picture_scale
from seekless.convert.scatter import Scatter, unstamped
from seekless.convert.spool import Spool
from seekless.convert.target import Target, writing
from seekless.convert.wanted import Tried, choose, try_encodings, wanted_encodings
from seekless.errors import OptionError
from seekless.progress import Pass
from seekless.source.permutation import random_positions
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.kinds import suffix_of
from seekless.store.store import open as open_store

__all__ = ["write"]

# Options of files, or of runs that are gone on with; `shuffle` is a parameter of its own.
NOT_HERE = ("on_error", "workers", "shuffle", "group_by", "resume", "save_every")
ALLOWED = tuple(field.name for field in dataclasses.fields(Options) if field.name not in NOT_HERE)


def write(
    store: str | PathLike[str],
    x: Any,
    y: Any = None,
    *,
    key: Any = None,
    shuffle: bool = True,
    class_names: Sequence[str] | None = None,
    target_type: str | None = None,
    scale: int | None = None,
    **options: Any,
) -> Summary:
    """Write arrays to a store: in random order, in large blocks, each value in the smallest dtype that gives it back.

    Samples come whole or batch by batch, in bounded memory either way, and the same samples give the same bytes.
    Targets and keys of all samples are held in memory.

    Args:
        store: What to make: an `.h5` file or an `.npy.d` folder.
        x: The samples: bool, integers or floats of up to 64 bits, (N, *sample_shape): anything that `numpy.asarray`
            takes, also a `numpy.memmap` or an h5py dataset, which are read slice by slice. Or an iterator of batches:
            x alone, (x, y), or mappings with "x" and perhaps "y" and "key".
        y: The targets, (N,) or (N, outputs): integers from 0 and text are classes, floats numbers; None for none.
        key: A name for each sample, (N,), text or whole numbers, each once; None for numbers with leading zeros.
        shuffle: Draw a random order from the keys and the seed; else samples stay in theirs.
        class_names: The names of the classes 0, 1, ...
        target_type: "class" or "number"; None to tell from the dtype of y.
        scale: What training divides values by; None for 255 or 65535 for pictures, else 1. Pictures are uint8 or
            uint16 of shape (height, width), or that and 1, 3 or 4 channels.
        **options: Fields of `seekless.convert.options.Options`: seed, test_fraction, memory, dtype, lossy, compression,
            block_bytes, shard_bytes, temp, overwrite, progress (False unless it is given).

    Returns:
        What was done.

    Raises:
        OptionError: Arrays do not fit together, are of a dtype that no store holds, or an option cannot be used.
        StoreExistsError: The store exists and `overwrite` is not set.
        Exception: Whatever the iterator raises; nothing is left of the store.
    """
    start = time.perf_counter()
    how = checked_options({"progress": False, **options}, ALLOWED, "seekless.write")
    if scale is not None:
        scale = _checked_scale(scale)
    path = Path(store)
    suffix_of(path)
    samples = given(x, y, key)
    with writing(path, overwrite=how.overwrite, temp=how.temp) as target:
        if isinstance(samples, Arrays):
            targets_from(samples.y, class_names, target_type)  # what is wrong with them is said before x is read
        target.start()
        taking = _Taking(samples, how, shuffle=bool(shuffle))
        scatter = taking.scattered(target)
        targets = targets_from(samples.y, class_names, target_type)
        contents = taking.contents(targets, scale)
        written = write_contents(target, contents, scatter, how)
    return StoreSummary(
        store=path,
        samples=samples.length,
        skipped=0,
        field=written.header.fields["x"],
        why_codec=written.why,
        lossy=how.lossy,
        shards=written.shards,
        classes=written.header.class_count,
        bytes_in=taking.bytes_in,
        bytes_out=open_store(path).nbytes,
        seconds=time.perf_counter() - start,
        why_dtype="" if contents.encoding.dtype != taking.dtype else _why(how),
    )


def _checked_scale(scale: Any) -> int:
    try:
        number = operator.index(scale)
    except TypeError:
        number = 0
    if number < 1:
        raise OptionError(f"scale: found {scale!r}, expected a whole number of 1 or more, such as 255")
    return number


def _why(how: Options) -> str:
    if how.dtype != "auto":
        return "as asked for"
    return "as it came; nothing smaller gives every value back bit for bit"


class _Taking:
    """Takes samples: proves how small they can be stored, and puts them in their order.

    Attributes:
        dtype: The dtype they come in.
        bytes_in: Their bytes.

    Args:
        samples: The samples.
        how: How to convert.
        shuffle: Whether their order is to be random.
    """

    def __init__(self, samples: Arrays | Batches, how: Options, *, shuffle: bool) -> None:
        self._samples = samples
        self._how = how
        self._shuffle = shuffle
        self._shape: tuple[int, ...] = ()
        self._proved = -1
        self._tried: tuple[Tried, ...] = ()
        self._keys: list[str] = []
        self._positions = np.empty(0, np.int64)
        self.dtype = np.dtype(np.uint8)
        self.bytes_in = 0

    def scattered(self, target: Target) -> Scatter:
        """Read all samples once.

        Args:
            target: Where partition files go.
        """
        samples = self._samples
        if isinstance(samples, Arrays):
            self._draw()
            scatter = Scatter(samples.length, self._how.memory, target.parts)
            return self._fill(scatter, self._encoded())
        # Their number is known at the end, and by it the keys and the order.
        with Spool(self._how.memory, target.partial.parent) as spool:
            for stored, encoding in self._encoded():
                spool.add(stored, encoding)
            self._draw()
            return self._fill(Scatter(samples.length, self._how.memory, target.parts), spool.pieces())

    def contents(self, targets: Targets | None, scale: int | None) -> Contents:
        """Return what the store will hold.

        Args:
            targets: The targets, in the order in which samples came.
            scale: What training divides values by, if it is said.
        """
        order = np.argsort(self._positions)
        if targets is not None:
            targets = dataclasses.replace(targets, values=targets.values[order])
        length = len(order)
        recorded = self._how.recorded()
        for name in ("on_error", "group_by"):
            recorded.pop(name)
        return Contents(
            shape=self._shape,
            encoding=self._encoding(),
            scale=picture_scale(self._shape, self.dtype) if scale is None else scale,
            keys=encoded_keys(self._keys, order),
            targets=targets,
            shuffled=self._shuffle,
            ends=parts_ends(length, self._how.test_fraction),
            options=recorded,
        )

    def _draw(self) -> None:
        length = self._samples.length
        self._keys = keys_from(self._samples.key, length)
        self._positions = random_positions(self._keys, self._how.seed) if self._shuffle else np.arange(length)

    def _fill(self, scatter: Scatter, pieces: Iterator[tuple[npt.NDArray[Any], Encoding]]) -> Scatter:
        start = 0
        for stored, encoding in pieces:
            scatter.add(unstamped(self._positions[start : start + len(stored)], stored, encoding))
            start += len(stored)
        return scatter

    def _encoded(self) -> Iterator[tuple[npt.NDArray[Any], Encoding]]:
        """Yield the samples in order, each part in the smallest encoding that gives all of it back."""
        total = self._samples.length or None
        start = 0
        with Pass("reading", total, self._how.progress) as bar:
            for values in self._samples.parts(part_bytes(self._how.memory)):
                self._shape, self.dtype = values.shape[1:], values.dtype
                yield self._encode(values, start)
                start += len(values)
                self.bytes_in += values.nbytes
                bar.add(len(values), values.nbytes)

    def _encode(self, values: npt.NDArray[Any], start: int) -> tuple[npt.NDArray[Any], Encoding]:
        if self._how.dtype != "auto":
            indices = np.arange(start, start + len(values))
            tried = try_encodings(values, indices, wanted_encodings(self._how.dtype, values.dtype))
            before = self._tried or tried
            self._tried = tuple(one + other for one, other in zip(before, tried, strict=True))
        if values.dtype.kind == "b":
            encoding = _bool_encoding(values.dtype)
        else:
            held = proved(values)
            self._proved &= held
            encoding = candidates(values.dtype)[smallest(held)]
        stored = encoding.encode(values)
        # A program may change its arrays while they wait here.
        return (stored.copy() if np.may_share_memory(stored, values) else stored), encoding

    def _encoding(self) -> Encoding:
        """Return the encoding of the dtype that is asked for, else the smallest that gives every value back."""
        if self._how.dtype != "auto":
            encodings = wanted_encodings(self._how.dtype, self.dtype)
            return choose(encodings, self._tried, self._keys, lossy=self._how.lossy)
        if self.dtype.kind == "b":
            return _bool_encoding(self.dtype)
        return candidates(self.dtype)[smallest(self._proved)]


def _bool_encoding(dtype: np.dtype[Any]) -> Encoding:
    """Return the one encoding of truth values: as 0 and 1, which every HDF5 tool reads as numbers."""
    return Encoding(np.dtype(np.uint8), dtype)

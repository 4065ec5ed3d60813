"""A store made of arrays that a program has, whole or batch by batch, as one call."""

import contextlib
import dataclasses
import operator
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.array_parts import Arrays, Batches, given, part_bytes
from seekless.convert.array_targets import keys_from, targets_from, weights_from
from seekless.convert.contents import (
    Contents,
    Input,
    checked_options,
    encoded_keys,
    new_scatters,
    parts_ends,
    summary_of,
    write_contents,
)
from seekless.convert.options import Options, Summary
from seekless.convert.pictures import picture_scale
from seekless.convert.proof import Proof
from seekless.convert.scatter import Scatter, unstamped
from seekless.convert.spool import Spool
from seekless.convert.target import Target, writing
from seekless.errors import OptionError
from seekless.progress import Pass
from seekless.source.permutation import random_positions
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.inputs import INPUTS, input_name
from seekless.store.kinds import suffix_of
from seekless.urls import written_to

__all__ = ["write"]

# Options of files, or of runs that are gone on with; `shuffle` is a parameter of its own.
NOT_HERE = ("on_error", "workers", "shuffle", "group_by", "resume", "save_every", "append", "dask")
ALLOWED = tuple(field.name for field in dataclasses.fields(Options) if field.name not in NOT_HERE)


def write(
    store: str | PathLike[str],
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    key: Any = None,
    shuffle: bool = True,
    class_names: Sequence[str] | None = None,
    target_type: str | None = None,
    scale: int | Mapping[str, int] | None = None,
    **options: Any,
) -> Summary:
    """Write arrays to a store: in random order, in large blocks, each value in the smallest dtype that gives it back.

    Samples come whole or batch by batch, in bounded memory either way, and the same samples give the same bytes.
    Targets, weights and keys of all samples are held in memory.

    Args:
        store: What to make: an `.h5` file or an `.npy.d` folder.
        x: The samples: bool, integers or floats of up to 64 bits, (N, *sample_shape): anything that `numpy.asarray`
            takes, also a `numpy.memmap` or an h5py dataset, which are read slice by slice. Of a model with several
            inputs a mapping of such arrays by the names of its inputs. Or an iterator of batches: x alone, (x, y),
            (x, y, sample_weight), or mappings with "x" and perhaps "y", "sample_weight" and "key".
        y: The targets, (N,) or (N, ...): integers from 0 and text are classes, floats numbers, and so are several
            values a sample of any dtype, which they keep; None for none.
        sample_weight: What the loss of each sample is to be multiplied by, (N,); the third item of each batch.
        key: A name for each sample, (N,), text or whole numbers, each once; None for numbers with leading zeros.
        shuffle: Draw a random order from the keys and the seed; else samples stay in theirs.
        class_names: The names of the classes 0, 1, ...
        target_type: "class" or "number"; None to tell from the dtype of y.
        scale: What training divides values by, or a mapping of that for some of several inputs; None for 255 or 65535
            for pictures, else 1. Pictures are uint8 or uint16 of shape (height, width), or that and 1, 3 or 4 channels.
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
    path = written_to(store)
    suffix_of(path)
    samples = given(x, y, key, sample_weight)
    scales = _checked_scales(scale, samples)
    with writing(path, overwrite=how.overwrite, temp=how.temp) as target:
        if isinstance(samples, Arrays):  # what is wrong with them is said before x is read
            targets_from(samples.y, class_names, target_type)
            weights_from(samples.sample_weight, samples.y)
        target.start()
        taking = _Taking(samples, how, shuffle=bool(shuffle))
        scatters = taking.scattered(target)
        targets = targets_from(samples.y, class_names, target_type)
        contents = taking.contents(targets, weights_from(samples.sample_weight, samples.y), scales)
        written = write_contents(target, contents, scatters, how)
    return summary_of(path, written, start, lossy=how.lossy, bytes_in=taking.bytes_in, whys=taking.whys())


def _checked_scales(scale: Any, samples: Arrays | Batches) -> dict[str, int]:
    """Return the scales that are said, by field; "" stands for all others."""
    if scale is None:
        return {}
    if not isinstance(scale, Mapping):
        return {"": _checked_scale(scale)}
    scales = {f"{INPUTS}{name}": _checked_scale(value) for name, value in scale.items()}
    if isinstance(samples, Arrays):
        _check_known(scales, samples.inputs)
    return scales


def _check_known(scales: Mapping[str, int], fields: Iterable[str]) -> None:
    known = list(fields)
    for field in scales:
        if field and field not in known:
            raise OptionError(
                f"scale: found the input {input_name(field)!r}, expected some of {', '.join(map(input_name, known))}"
            )


def _checked_scale(scale: Any) -> int:
    try:
        number = operator.index(scale)
    except TypeError:
        number = 0
    if number < 1:
        raise OptionError(f"scale: found {scale!r}, expected a whole number of 1 or more, such as 255")
    return number


class _Taking:
    """Takes samples: proves how small they can be stored, and puts them in their order.

    Attributes:
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
        self._proofs: dict[str, Proof] = {}
        self._encodings: dict[str, Encoding] = {}
        self._keys: list[str] = []
        self._positions = np.empty(0, np.int64)
        self.bytes_in = 0

    def scattered(self, target: Target) -> dict[str, Scatter]:
        """Read all samples once.

        Args:
            target: Where partition files go.

        Returns:
            Those of each input, by field.
        """
        samples = self._samples
        if isinstance(samples, Arrays):
            self._draw()
            scatters = new_scatters(samples.inputs, samples.length, self._how, target)
            for field, start, stored, encoding in self._encoded():
                self._scatter(scatters[field], start, stored, encoding)
            return scatters
        # Their number is known at the end, and by it the keys and the order.
        with contextlib.ExitStack() as stack:
            spools: dict[str, Spool] = {}
            for field, _, stored, encoding in self._encoded():
                if not spools:
                    share = self._how.memory // len(samples.inputs)
                    spools = {name: stack.enter_context(Spool(share, target.partial.parent)) for name in samples.inputs}
                spools[field].add(stored, encoding)
            self._draw()
            scatters = new_scatters(samples.inputs, samples.length, self._how, target)
            for field, spool in spools.items():
                start = 0
                for stored, encoding in spool.pieces():
                    self._scatter(scatters[field], start, stored, encoding)
                    start += len(stored)
            return scatters

    def contents(
        self, targets: Targets | None, weights: npt.NDArray[Any] | None, scales: Mapping[str, int]
    ) -> Contents:
        """Return what the store will hold.

        Args:
            targets: The targets, in the order in which samples came.
            weights: The weights, likewise.
            scales: What training divides values by, where it is said, by field; "" for all others.
        """
        order = np.argsort(self._positions)
        if targets is not None:
            targets = dataclasses.replace(targets, values=targets.values[order])
        recorded = self._how.recorded()
        for name in ("on_error", "group_by"):
            recorded.pop(name)
        _check_known(scales, self._proofs)
        self._encodings = {field: proof.encoding(self._keys) for field, proof in self._proofs.items()}
        return Contents(
            inputs={
                field: Input(proof.shape, self._encodings[field], _scale(field, proof, scales))
                for field, proof in self._proofs.items()
            },
            keys=encoded_keys(self._keys, order),
            targets=targets,
            weights=None if weights is None else weights[order],
            shuffled=self._shuffle,
            ends=parts_ends(len(order), self._how.test_fraction),
            options=recorded,
        )

    def whys(self) -> dict[str, str]:
        """Return why each input is stored in the dtype that it came in; "" for one that is not."""
        return {
            field: self._proofs[field].why if encoding.dtype == self._proofs[field].dtype else ""
            for field, encoding in self._encodings.items()
        }

    def _draw(self) -> None:
        length = self._samples.length
        self._keys = keys_from(self._samples.key, length)
        self._positions = random_positions(self._keys, self._how.seed) if self._shuffle else np.arange(length)

    def _scatter(self, scatter: Scatter, start: int, stored: npt.NDArray[Any], encoding: Encoding) -> None:
        scatter.add(unstamped(self._positions[start : start + len(stored)], stored, encoding))

    def _encoded(self) -> Iterator[tuple[str, int, npt.NDArray[Any], Encoding]]:
        """Yield the samples in order: field, number of the first, and some of them in their smallest encoding."""
        total = self._samples.length or None
        start = 0
        with Pass("reading", total, self._how.progress) as bar:
            for part in self._samples.parts(part_bytes(self._how.memory)):
                for field, values in part.items():
                    proof = self._proofs.setdefault(field, Proof(field, self._how))
                    yield field, start, *proof.encode(values, start)
                count, nbytes = len(values), sum(values.nbytes for values in part.values())
                start += count
                self.bytes_in += nbytes
                bar.add(count, nbytes)


def _scale(field: str, proof: Proof, scales: Mapping[str, int]) -> int:
    said = scales.get(field, scales.get(""))
    return picture_scale(proof.shape, proof.dtype) if said is None else said

"""What a store holds that is made of arrays or of other stores; and the last steps that these two share."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.gather import gather
from seekless.convert.journal import Journal
from seekless.convert.layout import label_field, sample_field
from seekless.convert.options import Options, Summary
from seekless.convert.passing import Passing
from seekless.convert.pool import worker_count
from seekless.convert.scatter import Scatter
from seekless.convert.target import Target
from seekless.convert.write import Written, write
from seekless.errors import OptionError
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.inputs import as_x, input_name
from seekless.store.schema import Field, Header, boundaries
from seekless.store.store import open as open_store

__all__ = [
    "Contents",
    "Input",
    "StoreSummary",
    "checked_options",
    "encoded_keys",
    "new_scatters",
    "parts_ends",
    "summary_of",
    "write_contents",
]


@dataclass(frozen=True)
class Input:
    """x, or one of several inputs.

    Attributes:
        shape: The shape of one sample.
        encoding: How its values are stored.
        scale: What training divides by.
    """

    shape: tuple[int, ...]
    encoding: Encoding
    scale: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample."""
        return self.encoding.dtype.itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class Contents:
    """A store to be, but for its samples.

    Attributes:
        inputs: By field: "x", or "x/NAME" of several.
        keys: |S, (N,): the key of each sample, in the order of the store.
        targets: Their targets, in that order; None for a store without.
        weights: float32 or float64, (N,): the weight of each sample; None for a store without.
        shuffled: Whether that order is random.
        ends: The ends of the recorded parts; () for none.
        parts: The ends of the parts of whole groups; () for none.
        options: What the store says of how it was made.
    """

    inputs: Mapping[str, Input]
    keys: npt.NDArray[np.bytes_]
    targets: Targets | None
    weights: npt.NDArray[Any] | None = None
    shuffled: bool = True
    ends: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, npt.NDArray[Any]]:
        """The values of y and sample_weight, if there are any, and of key."""
        found = {"y": None if self.targets is None else self.targets.values, "sample_weight": self.weights}
        return {**{name: array for name, array in found.items() if array is not None}, "key": self.keys}

    def header(self, how: Options) -> Header:
        """Return what the store will say of itself; inputs may have the codec "auto".

        Args:
            how: How to write it.
        """
        length = len(self.keys)
        together = sum(one.sample_bytes for one in self.inputs.values())
        inputs = {
            name: sample_field(
                one.shape, one.encoding, length, one.scale, how, name=name, beside=together - one.sample_bytes
            )
            for name, one in sorted(self.inputs.items())
        }
        return Header(
            length=length,
            fields={**inputs, **{name: label_field(name, array) for name, array in self.values.items()}},
            shuffled=self.shuffled,
            seed=how.seed,
            created_by=f"seekless {version('seekless')}",
            boundaries=self.ends,
            target_kind="" if self.targets is None else self.targets.kind,
            class_count=0 if self.targets is None else self.targets.class_count,
            class_names=None if self.targets is None else self.targets.class_names,
            options=self.options,
            parts=self.parts,
        )


@dataclass(frozen=True)
class StoreSummary(Summary):
    """What was done, where samples come from no files.

    Attributes:
        inputs: How each input is stored, by field, where there are several; `field` is then the first.
        whys: Of each field of x, why values are stored as they are; "" for the usual reason.
        why_codecs: Of each field of x, why by its codec, where it was not asked for by name.
    """

    inputs: Mapping[str, Field] = field(default_factory=dict)
    whys: Mapping[str, str] = field(default_factory=dict)
    why_codecs: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> Any:
        """The shape of one sample; of several inputs a dictionary of them by name."""
        return as_x({name: one.sample_shape for name, one in (self.inputs or {"x": self.field}).items()})

    def _why_dtype(self) -> str:
        return self.whys.get("x") or super()._why_dtype()

    def _lines_of_x(self) -> list[str]:
        if not self.inputs:
            return super()._lines_of_x()
        lines = []
        for name, one in self.inputs.items():
            alone = replace(
                self, field=one, inputs={}, whys={"x": self.whys.get(name, "")}, why_codec=self.why_codecs[name]
            )
            lines += [f"  input    {input_name(name)}", *(f"  {line}" for line in alone._lines_of_x())]
        return lines


def summary_of(path: Path, written: Written, start: float, **facts: Any) -> StoreSummary:
    """Return what was done, once the store is in its place.

    Args:
        path: The store.
        written: What was written.
        start: When it began, by `time.perf_counter`.
        **facts: The fields of `StoreSummary` that do not follow: lossy, bytes_in, whys.
    """
    fields = {name: written.header.fields[name] for name in written.header.inputs}
    first = next(iter(fields))
    return StoreSummary(
        store=path,
        samples=written.header.length,
        skipped=0,
        field=fields[first],
        why_codec=written.why[first],
        shards=written.shards,
        classes=written.header.class_count,
        bytes_out=open_store(path).nbytes,
        seconds=time.perf_counter() - start,
        inputs={} if first == "x" else fields,
        why_codecs=written.why,
        **facts,
    )


def checked_options(options: Mapping[str, Any], allowed: Sequence[str], call: str) -> Options:
    """Return the options of a call; they check themselves.

    Args:
        options: By name.
        allowed: The fields of `Options` that have a meaning here.
        call: What they were given to, for the message.

    Raises:
        OptionError: An option is unknown, or has a value that cannot be used.
    """
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise OptionError(
            f"{call}: found unknown options {', '.join(unknown)}, expected some of {', '.join(sorted(allowed))}"
        )
    return Options(**options)


def encoded_keys(keys: Sequence[str], order: npt.NDArray[np.int64]) -> npt.NDArray[np.bytes_]:
    """Return |S, (N,): the keys as stored, in another order.

    Args:
        keys: One a sample.
        order: int64, (N,): which of them is the first, the second, ...
    """
    return np.array([keys[index].encode() for index in order.tolist()])


def parts_ends(length: int, fraction: float | None) -> tuple[int, ...]:
    """Return the ends of the train and the test part; () where none are asked for.

    Args:
        length: Samples in the store.
        fraction: The size of the test part.

    Raises:
        OptionError: A part would be empty.
    """
    if fraction is None:
        return ()
    ends = boundaries(length, (1 - fraction, fraction))
    if not 0 < ends[0] < length:
        raise OptionError(f"--test-fraction: found {fraction} of {length} samples, expected one or more in each part")
    return ends


def write_contents(target: Target, contents: Contents, scatters: Mapping[str, Scatter], how: Options) -> Written:
    """Write a store whose samples have all been scattered.

    Args:
        target: Where to write it.
        contents: What it holds.
        scatters: The samples of each input, by field.
        how: How to write it.

    Raises:
        OptionError: The kind of store cannot be compressed or spread over shards.
        ConvertError: The disk lacks the space.
    """
    header = contents.header(how)
    all_kept = np.ones(header.length, bool)
    rows = {
        name: gather(scatter.partitions(header.fields[name].sample_bytes), header.fields[name], all_kept)
        for name, scatter in scatters.items()
    }
    passing = Passing(target.path, target.partial, target.parts / "older", Journal(target.parts))
    return write(passing, header, rows, contents.values, how, worker_count(how.workers, header.length))


def new_scatters(inputs: Iterable[str], length: int, how: Options, target: Target) -> dict[str, Scatter]:
    """Return what takes the samples of each input and gives them back by place; all keep within the memory together.

    Args:
        inputs: By field.
        length: Samples in the store.
        how: How to convert.
        target: Where partition files go.
    """
    names = list(inputs)
    folders = (
        {"x": target.parts} if names == ["x"] else {name: target.parts / f"x.{input_name(name)}" for name in names}
    )
    if names != ["x"]:
        target.parts.mkdir(exist_ok=True)
    return {name: Scatter(length, how.memory // len(names), folder) for name, folder in folders.items()}

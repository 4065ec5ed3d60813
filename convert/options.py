"""The options of a conversion, and what it says at the end."""

import math
import operator
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from seekless.convert.wanted import DTYPES
from seekless.errors import OptionError
from seekless.progress import Follow, checked
from seekless.store.codecs import CODECS
from seekless.store.encoding import Encoding
from seekless.store.schema import Field

__all__ = ["COMPRESSIONS", "Options", "Summary"]

COMPRESSIONS = (*CODECS, "auto")
# HDF5 keeps a block's size in 32 bits; long before that one read and one decoding would take too long.
MAX_BLOCK_BYTES = 1 << 30


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        seed: Draws the order of the samples.
        group_by: A regular expression that finds the name of a sample's group in its key; whole groups are put into
            parts that splits do not cut. None for no groups.
        shuffle: Put samples in a random order; False leaves them in that of their keys.
        test_fraction: The last part of the store is recorded as its test part; None records no parts.
        workers: Worker processes; None for as many as there are cores, 0 for none.
        memory: Bytes that samples may take before they go through files.
        dtype: The stored dtype of x, a name of `seekless.convert.wanted.DTYPES`; "auto" for the smallest that gives
            every value back bit for bit.
        lossy: Keep the nearest value where `dtype` does not hold it.
        compression: The codec of x, a name of `seekless.store.codecs.CODECS`; "auto" for that of the shortest epochs.
        block_bytes: The most bytes of a block of x, before compression; None for the format's rule.
        shard_bytes: The most bytes of one file of the store, before compression; None for one file.
        temp: The folder for passing files of data that does not fit in memory; None for that of the store.
        resume: Go on with what a stopped run of the same conversion has done.
        save_every: Seconds between two saves that a stopped run can be gone on with from.
        on_error: "raise" to stop on samples that cannot be used, "skip" to leave them out.
        overwrite: Replace a store that exists.
        append: Add the samples that a store which exists does not hold yet, by the options that it was made with.
        progress: Show progress on stderr; or a function that is called with `seekless.progress.Progress`.
        dask: The cluster that does the work: the address of a Dask scheduler, "local", a `distributed.Client`, or a
            cluster of Dask; None for processes of this machine.
    """

    seed: int = 0
    shuffle: bool = True
    group_by: str | None = None
    test_fraction: float | None = None
    workers: int | None = None
    memory: int = 1 << 30
    dtype: str = "auto"
    lossy: bool = False
    compression: str = "auto"
    block_bytes: int | None = None
    shard_bytes: int | None = None
    temp: str | PathLike[str] | None = None
    resume: bool = False
    save_every: float = 20.0
    on_error: str = "raise"
    overwrite: bool = False
    append: bool = False
    progress: Follow = True
    dask: Any = None

    def __post_init__(self) -> None:
        try:
            given = [n for n in ("workers", "block_bytes", "shard_bytes") if getattr(self, n) is not None]
            for name in ("seed", "memory", *given):
                object.__setattr__(self, name, operator.index(getattr(self, name)))
        except TypeError:
            raise OptionError(
                f"--{name.replace('_', '-')}: found {getattr(self, name)!r}, expected a whole number"
            ) from None
        self._check_choices()
        self._check_sizes()
        if self.append and self.overwrite:
            raise OptionError(
                "--append: found together with --overwrite, expected one of them: the one adds to a store, the other "
                "replaces it"
            )
        if self.dask is not None and self.workers is not None:
            raise OptionError(
                f"--dask: found together with --workers {self.workers}, expected one of them: a cluster has the "
                "workers that it was started with"
            )
        checked(self.progress)
        if self.group_by is not None:
            self._check_groups(self.group_by)

    def _check_choices(self) -> None:
        if not -(2**63) <= self.seed < 2**63:
            raise OptionError(f"--seed: found {self.seed}, expected an integer of 64 bits")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise OptionError(f"--test-fraction: found {self.test_fraction}, expected a number between 0 and 1")
        if self.on_error not in ("raise", "skip"):
            raise OptionError(f"--on-error: found {self.on_error!r}, expected raise or skip")
        if self.workers is not None and self.workers < 0:
            raise OptionError(f"--workers: found {self.workers}, expected 0 or more")
        for name, choices in (("dtype", ("auto", *DTYPES)), ("compression", COMPRESSIONS)):
            if getattr(self, name) not in choices:
                raise OptionError(f"--{name}: found {getattr(self, name)!r}, expected one of {', '.join(choices)}")
        if self.lossy and self.dtype == "auto":
            raise OptionError(
                "--lossy: found no --dtype beside it, expected the dtype to store, such as --dtype float32"
            )

    def _check_groups(self, pattern: str) -> None:
        if not self.shuffle:
            raise OptionError(
                "--group-by: found --no-shuffle beside it, expected samples that are put in groups' order"
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise OptionError(
                f"--group-by: found {pattern!r}, expected a regular expression such as '^[^/]*' ({error})"
            ) from error

    def _check_sizes(self) -> None:
        if self.block_bytes is not None and not 1 <= self.block_bytes <= MAX_BLOCK_BYTES:
            raise OptionError(f"--block-bytes: found {self.block_bytes} bytes, expected 1 to {MAX_BLOCK_BYTES}")
        if self.shard_bytes is not None and self.shard_bytes < 1:
            raise OptionError(f"--shard-bytes: found {self.shard_bytes} bytes, expected 1 or more")
        if not self.save_every >= 0:
            raise OptionError(f"--save-every: found {self.save_every}, expected 0 seconds or more")
        if self.memory < 1 << 20:
            raise OptionError(f"--memory: found {self.memory} bytes, expected 1 MiB or more")

    def recorded(self) -> dict[str, Any]:
        """Return what a store says of how it was converted: no path, and nothing that does not change its bytes."""
        names = ("on_error", "test_fraction", "group_by", "dtype", "lossy", "compression", "block_bytes", "shard_bytes")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Summary:
    """What a conversion did; as text, what the command prints.

    Attributes:
        store: The store.
        samples: Samples in it.
        skipped: Samples that were left out.
        field: How x is stored.
        why_codec: Why by this codec, where it was not asked for by name.
        lossy: Whether values may have been rounded.
        shards: Files that hold the samples of a store that is spread over several; else 0.
        classes: Number of classes; 0 where targets are numbers.
        bytes_in: Bytes of all files read.
        bytes_out: Bytes of the store.
        seconds: From start to end.
        resumed: What was kept of a run that was stopped: samples read and blocks written.
        removed: What was left by a run that was stopped and could not be gone on with.
        added: Samples that were added to a store that was there; None for a new store.
    """

    store: Path
    samples: int
    skipped: int
    field: Field
    why_codec: str
    lossy: bool
    shards: int
    classes: int
    bytes_in: int
    bytes_out: int
    seconds: float
    resumed: tuple[int, int] = (0, 0)
    removed: tuple[str, ...] = ()
    added: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.field.sample_shape

    @property
    def encoding(self) -> Encoding:
        """How values are stored."""
        return self.field.encoding

    def __str__(self) -> str:
        lines = [
            f"{self.store}",
            f"  samples  {self.samples:,}" + (f" of {self.classes} classes" if self.classes else ""),
            *([f"  added    {self._added()}"] if self.added is not None else []),
            *([f"  resumed  {self._resumed()}"] if any(self.resumed) else []),
            *([f"  removed  {', '.join(self.removed)}, left by a run that was stopped"] if self.removed else []),
            *([f"  skipped  {self.skipped:,}, listed in {self.store}.skipped.csv"] if self.skipped else []),
            *self._lines_of_x(),
            *([f"  shards   {self.shards:,}"] if self.shards else []),
            f"  bytes    {_megabytes(self.bytes_in)} -> {_megabytes(self.bytes_out)}",
            f"  time     {self.seconds:.1f} s, {self.samples / max(self.seconds, 1e-9):,.0f} samples/s",
        ]
        return "\n".join(lines)

    def _lines_of_x(self) -> list[str]:
        return [
            f"  shape    {' x '.join(map(str, self.field.sample_shape)) or 'one value'}",
            f"  dtype    {self.encoding} ({self._why_dtype()})",
            f"  codec    {self.field.codec}" + (f" ({self.why_codec})" if self.why_codec else ""),
        ]

    def _added(self) -> str:
        if not self.added:
            return "nothing: no sample is new, the store is as it was"
        return f"{self.added:,}, as a part of their own; `convert shuffle` draws a new order over all"

    def _resumed(self) -> str:
        samples, blocks = self.resumed
        written = f" and {blocks:,} block{'' if blocks == 1 else 's'} written" if blocks else ""
        return f"{samples:,} samples read{written} by the run that was stopped were kept"

    def _why_dtype(self) -> str:
        logical = self.encoding.logical_dtype
        if self.lossy:
            return f"as asked for, with loss: the nearest to each {logical.name} value"
        if self.encoding.dtype == logical:
            return "as the files have it; nothing smaller gives every value back bit for bit"
        values = self.samples * math.prod(self.field.sample_shape)
        return f"gives all {values:,} {logical.name} values back bit for bit"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

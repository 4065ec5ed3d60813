"""The options of a conversion, and what it says at the end."""

import math
import operator
from dataclasses import dataclass
from pathlib import Path

from seekless.errors import OptionError
from seekless.store.encoding import Encoding

__all__ = ["Options", "Summary"]


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        seed: Draws the order of the samples.
        test_fraction: The last part of the store is recorded as its test part; None records no parts.
        workers: Worker processes; None for as many as there are cores, 0 for none.
        memory: Bytes that samples may take before they go through files.
        on_error: "raise" to stop on samples that cannot be used, "skip" to leave them out.
        overwrite: Replace a store that exists.
        progress: Show progress bars on stderr.
    """

    seed: int = 0
    test_fraction: float | None = None
    workers: int | None = None
    memory: int = 1 << 30
    on_error: str = "raise"
    overwrite: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        try:
            for name in ("seed", "memory", *(["workers"] if self.workers is not None else [])):
                object.__setattr__(self, name, operator.index(getattr(self, name)))
        except TypeError:
            raise OptionError(f"--{name}: found {getattr(self, name)!r}, expected a whole number") from None
        if not -(2**63) <= self.seed < 2**63:
            raise OptionError(f"--seed: found {self.seed}, expected an integer of 64 bits")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise OptionError(f"--test-fraction: found {self.test_fraction}, expected a number between 0 and 1")
        if self.on_error not in ("raise", "skip"):
            raise OptionError(f"--on-error: found {self.on_error!r}, expected raise or skip")
        if self.workers is not None and self.workers < 0:
            raise OptionError(f"--workers: found {self.workers}, expected 0 or more")
        if self.memory < 1 << 20:
            raise OptionError(f"--memory: found {self.memory} bytes, expected 1 MiB or more")


@dataclass(frozen=True)
class Summary:
    """What a conversion did; as text, what the command prints.

    Attributes:
        store: The store.
        samples: Samples in it.
        skipped: Samples that were left out.
        shape: The shape of one.
        encoding: How values are stored.
        classes: Number of classes; 0 where targets are numbers.
        bytes_in: Bytes of all files read.
        bytes_out: Bytes of the store.
        seconds: From start to end.
    """

    store: Path
    samples: int
    skipped: int
    shape: tuple[int, ...]
    encoding: Encoding
    classes: int
    bytes_in: int
    bytes_out: int
    seconds: float

    def __str__(self) -> str:
        logical = self.encoding.logical_dtype
        if self.encoding.dtype == logical:
            why = "as the files have it; nothing smaller gives every value back bit for bit"
        else:
            values = self.samples * math.prod(self.shape)
            why = f"gives all {values:,} {logical.name} values back bit for bit"
        lines = [
            f"{self.store}",
            f"  samples  {self.samples:,}" + (f" of {self.classes} classes" if self.classes else ""),
            *([f"  skipped  {self.skipped:,}, listed in {self.store}.skipped.csv"] if self.skipped else []),
            f"  shape    {' x '.join(map(str, self.shape)) or 'one value'}",
            f"  dtype    {self.encoding} ({why})",
            f"  bytes    {_megabytes(self.bytes_in)} -> {_megabytes(self.bytes_out)}",
            f"  time     {self.seconds:.1f} s, {self.samples / max(self.seconds, 1e-9):,.0f} samples/s",
        ]
        return "\n".join(lines)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

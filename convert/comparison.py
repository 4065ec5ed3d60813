"""How a store and a source differ, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SHOWN", "Comparison", "difference"]

# Keys, or samples, of each kind.
SHOWN = 20


@dataclass(frozen=True)
class Comparison:
    """How a store and a source differ; as text, what the command prints.

    Attributes:
        store: The store's path.
        source: The source's.
        samples: Samples that both have.
        missing: The keys that the source has and the store lacks.
        extra: The keys that the store has and the source lacks.
        different: How many samples differ in their values or their target.
        shown: The first of them: key, and what was found in the store and expected by the source.
        rounded: The dtype that the store's values were rounded to, as the source's were to compare them; "" for none.
    """

    store: Path
    source: Path
    samples: int
    missing: Sequence[str]
    extra: Sequence[str]
    different: int
    shown: Sequence[tuple[str, str]]
    rounded: str = ""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.different)

    def __str__(self) -> str:
        if self.equal:
            how = f"rounded to {self.rounded} as --lossy had it" if self.rounded else "bit for bit"
            return f"{self.store}: all {self.samples:,} samples are those of {self.source}, {how}"
        how = f", rounded to {self.rounded}" if self.rounded else ""
        lines = [f"{self.store}: found another content than that of {self.source}{how}"]
        lines += _listed("missing", "in the source alone", len(self.missing), self.missing)
        lines += _listed("extra", "in the store alone", len(self.extra), self.extra)
        texts = [f"{key}: {text}" for key, text in self.shown]
        lines += _listed("different", f"of {self.samples:,} in both", self.different, texts)
        return "\n".join(lines)


def difference(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> str:
    """Say where two samples differ first, as their bits have it.

    Args:
        found: One.
        expected: The other.
    """
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return f"found shape {found.shape} {found.dtype}, expected {expected.shape} {expected.dtype}"
    bits = np.dtype(f"u{found.dtype.itemsize}")
    one, other = (np.ascontiguousarray(values).reshape(-1).view(bits) for values in (found, expected))
    wrong = np.flatnonzero(one != other)
    at = tuple(int(index) for index in np.unravel_index(wrong[0], found.shape))
    more = f", and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
    where = f" at {at}" if at else ""
    return f"found {found[at]}{where}, expected {expected[at]}{more}"


def _listed(name: str, what: str, count: int, lines: Sequence[str]) -> list[str]:
    if not count:
        return []
    more = [f"    and {count - SHOWN:,} more"] if count > SHOWN else []
    return [f"  {name}: {count:,} {what}", *(f"    {line}" for line in lines[:SHOWN]), *more]

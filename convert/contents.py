"""What a store holds that is made of arrays or of other stores; and the last steps that these two share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.gather import gather
from seekless.convert.journal import Journal
from seekless.convert.layout import label_field, sample_field
from seekless.convert.options import Options, Summary
from seekless.convert.pool import worker_count
from seekless.convert.scatter import Scatter
from seekless.convert.target import Target
from seekless.convert.write import Passing, Written, write
from seekless.errors import OptionError
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.schema import Header, boundaries

__all__ = ["Contents", "StoreSummary", "checked_options", "encoded_keys", "parts_ends", "write_contents"]


@dataclass(frozen=True)
class Contents:
    """A store to be, but for its samples.

    Attributes:
        shape: The shape of one sample.
        encoding: How values of x are stored.
        scale: What training divides by.
        keys: |S, (N,): the key of each sample, in the order of the store.
        targets: Their targets, in that order; None for a store without.
        shuffled: Whether that order is random.
        ends: The ends of the recorded parts; () for none.
        parts: The ends of the parts of whole groups; () for none.
        options: What the store says of how it was made.
    """

    shape: tuple[int, ...]
    encoding: Encoding
    scale: int
    keys: npt.NDArray[np.bytes_]
    targets: Targets | None
    shuffled: bool = True
    ends: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, npt.NDArray[Any]]:
        """The values of y, if there are targets, and of key."""
        return {**({} if self.targets is None else {"y": self.targets.values}), "key": self.keys}

    def header(self, how: Options) -> Header:
        """Return what the store will say of itself; x may have the codec "auto".

        Args:
            how: How to write it.
        """
        length = len(self.keys)
        x = sample_field(self.shape, self.encoding, length, self.scale, how)
        return Header(
            length=length,
            fields={"x": x, **{name: label_field(name, array) for name, array in self.values.items()}},
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
        why_dtype: Why values are stored as they are.
    """

    why_dtype: str = ""

    def _why_dtype(self) -> str:
        return self.why_dtype or super()._why_dtype()


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


def write_contents(target: Target, contents: Contents, scatter: Scatter, how: Options) -> Written:
    """Write a store whose samples have all been scattered.

    Args:
        target: Where to write it.
        contents: What it holds.
        scatter: Its samples.
        how: How to write it.

    Raises:
        OptionError: The kind of store cannot be compressed or spread over shards.
        ConvertError: The disk lacks the space.
    """
    header = contents.header(how)
    x = header.fields["x"]
    rows = gather(scatter.partitions(x.sample_bytes), x, np.ones(header.length, bool))
    passing = Passing(target.path, target.partial, target.parts / "older", Journal(target.parts))
    return write(passing, header, rows, contents.values, how, worker_count(how.workers, header.length))

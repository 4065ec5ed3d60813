"""The store format, version 1: the names, types and sizes that writer and reader share.

`docs/format.md` says the same in prose; a change here is a change of the format.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.store.encoding import Encoding
from seekless.store.inputs import is_input

__all__ = [
    "ALIGNMENT",
    "CHECKS",
    "FORMAT",
    "FORMAT_VERSION",
    "Field",
    "Header",
    "REST",
    "SHARDS",
    "Shard",
    "boundaries",
    "label_block_length",
    "nearest",
    "sample_block_length",
]

FORMAT = "seekless"
FORMAT_VERSION = 1

# Names in the file.
CHECKS = "_blocks"
REST = "_blocks/rest"
SHARDS = "_shards"

# Blocks begin at multiples of this many bytes.
ALIGNMENT = 4096

MAX_BLOCK_BYTES = 8 << 20
MIN_BLOCKS = 64
MAX_LABEL_BLOCK_BYTES = 4 << 20
# A last axis of up to this many values is that of a picture's channels.
MAX_CHANNELS = 4


@dataclass(frozen=True)
class Field:
    """One named array of a store; axis 0 is the sample.

    Attributes:
        name: "x", or "x/NAME" of several inputs; "y", "sample_weight" or "key".
        sample_shape: The shape of one sample; () for one value.
        encoding: The stored dtype, and how it gives the source's values back bit for bit.
        block_length: Samples in a block.
        scale: What training divides by beyond that, so that pictures come as 0 to 1: 255, 65535 or 1.
        codec: How blocks are compressed: a name of `seekless.store.codecs.CODECS`.
    """

    name: str
    sample_shape: tuple[int, ...]
    encoding: Encoding
    block_length: int
    scale: int = 1
    codec: str = "none"

    def check(self) -> None:
        """Refuse what no store holds, such as Python objects; for fields that were read from a file.

        Raises:
            ValueError: A dtype is not of plain numbers or bytes, or a number is not positive.
        """
        for dtype in (self.encoding.dtype, self.encoding.logical_dtype):
            if dtype.kind not in "biufS" or dtype.itemsize == 0:
                raise ValueError(f"the dtype {dtype} of {self.name}, expected one of numbers or bytes")
        for name, number in {
            "block_length": self.block_length,
            "divisor": self.encoding.divisor,
            "scale": self.scale,
        }.items():
            if number < 1:
                raise ValueError(f"the {name} {number} of {self.name}, expected 1 or more")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return self.encoding.dtype

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample."""
        return self.dtype.itemsize * math.prod(self.sample_shape)

    @property
    def item_bytes(self) -> int:
        """Bytes after which like stands beneath like, for codecs: of a pixel's channels, else of a value."""
        picture = len(self.sample_shape) == 3 and self.sample_shape[-1] <= MAX_CHANNELS
        return self.dtype.itemsize * (self.sample_shape[-1] if picture else 1)

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        return self.sample_bytes * self.block_length

    def blocks(self, length: int) -> int:
        """Return the number of blocks that hold `length` samples."""
        return -(-length // self.block_length)

    def edges(self, length: int) -> npt.NDArray[np.int64]:
        """Return int64, (blocks + 1,): the first sample of each block, and `length` itself."""
        return np.minimum(np.arange(self.blocks(length) + 1) * self.block_length, length)


@dataclass(frozen=True)
class Header:
    """What a store says of itself.

    Attributes:
        length: Samples.
        fields: By name.
        shuffled: Whether samples lie in a random order; of a store that has grown, in each of its portions.
        seed: The seed of that order.
        boundaries: The ends of the recorded parts, in samples; (9000, 10000) for train and test; () for none. Of a
            store that has grown, those of each portion, one behind the other.
        target_kind: "class", "number", or "" for a store without targets.
        class_count: Number of classes; 0 where targets are no classes.
        class_names: Names of the classes, where targets were names.
        options: The options of the conversion, without any path.
        parts: The ends of the parts that hold whole groups, in samples; () where samples have no groups.
        created_by: The program and version that wrote it.
        portions: The ends of the portions that were converted one after the other, in samples; () for a store that was
            converted at once.
    """

    length: int
    fields: Mapping[str, Field]
    shuffled: bool
    seed: int
    created_by: str
    boundaries: tuple[int, ...] = ()
    target_kind: str = ""
    class_count: int = 0
    class_names: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[int, ...] = ()
    portions: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The fields that are x: "x", or "x/NAME" of several inputs, by name."""
        return tuple(name for name in self.fields if is_input(name))

    @property
    def sample_bytes(self) -> int:
        """Bytes of one stored sample of x, of all inputs together."""
        return sum(self.fields[name].sample_bytes for name in self.inputs)

    @property
    def block_length(self) -> int:
        """Samples in a block of x; several inputs have blocks of the same samples."""
        return self.fields[self.inputs[0]].block_length

    def check(self) -> None:
        """Refuse inputs whose blocks do not hold the same samples; for a header that was read from a file.

        Raises:
            ValueError: They do not.
        """
        lengths = {name: self.fields[name].block_length for name in self.inputs}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the block lengths {lengths}, expected the same for all inputs")

    @property
    def options_json(self) -> str:
        """The options as JSON text with sorted keys."""
        return json.dumps(dict(self.options), sort_keys=True)


@dataclass(frozen=True)
class Shard:
    """One file of a store that is spread over several; itself a store.

    Attributes:
        name: Its path, relative to the folder of the store's own file, "/" between parts.
        length: Samples in it.
        size: Bytes of the file.
        rest: Its `_blocks/rest`, by which one shard is told from another.
    """

    name: str
    length: int
    size: int
    rest: int


def sample_block_length(sample_bytes: int, length: int) -> int:
    """Return the samples in a block of x: up to 8 MiB, and at least 64 blocks a store.

    Args:
        sample_bytes: Bytes of one stored sample.
        length: Samples in the store.
    """
    return max(1, min(MAX_BLOCK_BYTES // max(1, sample_bytes), -(-length // MIN_BLOCKS)))


def label_block_length(item_bytes: int, length: int) -> int:
    """Return the samples in a block of y or key: one block for all, up to 4 MiB.

    Args:
        item_bytes: Bytes of one sample's target or key.
        length: Samples in the store.
    """
    return max(1, min(MAX_LABEL_BLOCK_BYTES // max(1, item_bytes), length))


def nearest(sample: int, parts: tuple[int, ...]) -> int:
    """Return the edge of a part of whole groups that is nearest to a sample; of equally near ones the first.

    Args:
        sample: The sample, 0 to the number of samples.
        parts: The ends of the parts; () for no groups, where each sample is an edge.
    """
    return min((0, *parts), key=lambda edge: abs(edge - sample)) if parts else sample


def boundaries(length: int, fractions: tuple[float, ...]) -> tuple[int, ...]:
    """Cut a length into consecutive parts.

    Args:
        length: Samples.
        fractions: The size of each part; their sum is 1.

    Returns:
        The end of each part: round(length * f) of the running sums f; the last is the length itself.

    Raises:
        OptionError: A fraction is not between 0 and 1, or their sum is not 1.
    """
    if not fractions or any(not 0 <= f <= 1 for f in fractions) or abs(math.fsum(fractions) - 1) > 1e-9:
        raise OptionError(f"found fractions {fractions}, expected numbers from 0 to 1 whose sum is 1")
    ends = [round(length * math.fsum(fractions[: i + 1])) for i in range(len(fractions) - 1)]
    return (*ends, length)

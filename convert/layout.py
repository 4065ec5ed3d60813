"""What the store will hold: its fields and their blocks, the targets and keys in its order."""

import math
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.census import Census
from seekless.convert.options import Options
from seekless.errors import OptionError
from seekless.source.open import SourceOptions
from seekless.source.samples import Source
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header, boundaries, label_block_length, sample_block_length

__all__ = ["label_field", "lay_out", "sample_field"]


def lay_out(
    source: Source,
    targets: Targets | None,
    census: Census,
    order: npt.NDArray[np.int64],
    how: Options,
    what: SourceOptions,
) -> tuple[Header, dict[str, npt.NDArray[Any]]]:
    """Lay out the fields, and put targets and keys in the order of the store.

    Args:
        source: The source.
        targets: The targets of all its samples, if there are any.
        census: What was met among the samples.
        order: int64, (N,): the number in the source of each sample of the store.
        how: How to convert; x gets the codec named there, also where that is "auto".
        what: How the source was decoded.

    Returns:
        The header, and the values of y and key: (N, ...).

    Raises:
        OptionError: A part would be empty, or values do not come back from the dtype that is asked for.
    """
    length, (shape, dtype) = len(order), census.form
    x = sample_field(shape, census.encoding, length, source.scale_for(np.dtype(dtype)), how)
    values = {} if targets is None else {"y": targets.values[order]}
    values["key"] = np.array([source.keys[index].encode() for index in order.tolist()])
    fraction = how.test_fraction
    ends = () if fraction is None else boundaries(length, (1 - fraction, fraction))
    if fraction is not None and not 0 < ends[0] < length:
        raise OptionError(f"--test-fraction: found {fraction} of {length} samples, expected one or more in each part")
    header = Header(
        length=length,
        fields={"x": x, **{name: label_field(name, array) for name, array in values.items()}},
        shuffled=how.shuffle,
        seed=how.seed,
        created_by=f"seekless {version('seekless')}",
        boundaries=ends,
        target_kind="" if targets is None else targets.kind,
        class_count=0 if targets is None else targets.class_count,
        class_names=None if targets is None else targets.class_names,
        options={**how.recorded(), **what.recorded()},
    )
    return header, values


def sample_field(
    shape: tuple[int, ...],
    encoding: Encoding,
    length: int,
    scale: int,
    how: Options,
    *,
    name: str = "x",
    beside: int = 0,
) -> Field:
    """Return the field x: its blocks by the format's rule or as asked for, its codec as asked for.

    Args:
        shape: The shape of one sample.
        encoding: How values are stored.
        length: Samples in the store.
        scale: What training divides by.
        how: How to convert.
        name: "x", or that of one of several inputs.
        beside: Bytes of one sample of all other inputs; blocks of several inputs hold the same samples.
    """
    sample_bytes = encoding.dtype.itemsize * math.prod(shape) + beside
    block_length = sample_block_length(sample_bytes, length)
    if how.block_bytes is not None:
        block_length = max(1, min(how.block_bytes // max(1, sample_bytes), length))
    return Field(name, shape, encoding, block_length, scale, how.compression)


def label_field(name: str, values: npt.NDArray[Any]) -> Field:
    """Return the field y, sample_weight or key.

    Args:
        name: Its name.
        values: (N, ...), all of it.
    """
    item_bytes = values.dtype.itemsize * math.prod(values.shape[1:])
    # Truth values as 0 and 1, which every HDF5 tool reads as numbers.
    encoding = Encoding(np.dtype(np.uint8) if values.dtype.kind == "b" else values.dtype, values.dtype)
    return Field(name, values.shape[1:], encoding, label_block_length(item_bytes, len(values)))

"""Why a field is stored as it is: in this dtype, in blocks of this length."""

import math

import numpy as np

from seekless.store.blocks import BlockTable
from seekless.store.inputs import is_input
from seekless.store.schema import (
    MAX_BLOCK_BYTES,
    MAX_LABEL_BLOCK_BYTES,
    MIN_BLOCKS,
    Header,
    label_block_length,
    sample_block_length,
)

__all__ = ["block_reason", "dtype_reason"]


def dtype_reason(header: Header, name: str) -> str | None:
    """Say why a field has its stored dtype; None for those beside x, which are never narrowed.

    Args:
        header: What the store says of itself.
        name: The field.
    """
    if not is_input(name):
        return None
    field, options = header.fields[name], header.options
    logical = field.encoding.logical_dtype
    if options.get("lossy"):
        return f"--lossy: the nearest to each {logical.name} value"
    asked = "as --dtype asked; " if options.get("dtype", "auto") != "auto" else ""
    if field.encoding.dtype == logical:
        return f"{asked}as the source has it"
    return f"{asked}gives all {header.length * math.prod(field.sample_shape):,} {logical.name} values back bit for bit"


def block_reason(table: BlockTable, header: Header) -> str:
    """Say which part of the format's rule, or which option, made blocks as long as they are.

    Args:
        table: The field's blocks.
        header: What the store says of itself.
    """
    if is_input(table.field.name):
        return _sample_reason(header, header.options.get("block_bytes"))
    shards = len(np.unique(table.file)) > 1
    length = int(table.first[np.searchsorted(table.file, 1)]) if shards else table.length  # of the first shard
    field = table.field
    if field.block_length != label_block_length(field.sample_bytes, length):
        return "chosen for this store"
    if field.block_length == length:
        return "all of a shard in one" if shards else "all in one"
    return f"up to {MAX_LABEL_BLOCK_BYTES >> 20} MiB"


def _sample_reason(header: Header, asked: int | None) -> str:
    length, own, sample_bytes = header.length, header.block_length, header.sample_bytes
    together = ", of all inputs together" if len(header.inputs) > 1 else ""
    if asked is not None and own == max(1, min(asked // max(1, sample_bytes), length)):
        return f"--block-bytes {asked:,}" + (" or one sample" if sample_bytes > asked else "") + together
    if own != sample_block_length(sample_bytes, length):
        return "chosen for this store"
    if length < MIN_BLOCKS:
        return f"fewer than {MIN_BLOCKS} samples, each one a block"
    if own == -(-length // MIN_BLOCKS):
        return f"at least {MIN_BLOCKS} a store, so that they can be mixed"
    one = " or one sample" if sample_bytes > MAX_BLOCK_BYTES else ""
    return f"up to {MAX_BLOCK_BYTES >> 20} MiB{one}{together}"

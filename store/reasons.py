"""Why a field is stored as it is: in this dtype, in blocks of this length."""

import math

import numpy as np

from seekless.store.blocks import BlockTable
from seekless.store.schema import (
    MAX_BLOCK_BYTES,
    MAX_LABEL_BLOCK_BYTES,
    MIN_BLOCKS,
    Field,
    Header,
    label_block_length,
    sample_block_length,
)

__all__ = ["block_reason", "dtype_reason"]


def dtype_reason(header: Header, name: str) -> str | None:
    """Say why a field has its stored dtype; None for y and key, which are never narrowed.

    Args:
        header: What the store says of itself.
        name: The field.
    """
    if name != "x":
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
    if table.field.name == "x":
        return _sample_reason(table.field, table.length, header.options.get("block_bytes"))
    shards = len(np.unique(table.file)) > 1
    length = int(table.first[np.searchsorted(table.file, 1)]) if shards else table.length  # of the first shard
    field = table.field
    if field.block_length != label_block_length(field.sample_bytes, length):
        return "chosen for this store"
    if field.block_length == length:
        return "all of a shard in one" if shards else "all in one"
    return f"up to {MAX_LABEL_BLOCK_BYTES >> 20} MiB"


def _sample_reason(field: Field, length: int, asked: int | None) -> str:
    if asked is not None and field.block_length == max(1, min(asked // max(1, field.sample_bytes), length)):
        return f"--block-bytes {asked:,}" + (" or one sample" if field.sample_bytes > asked else "")
    if field.block_length != sample_block_length(field.sample_bytes, length):
        return "chosen for this store"
    if length < MIN_BLOCKS:
        return f"fewer than {MIN_BLOCKS} samples, each one a block"
    if field.block_length == -(-length // MIN_BLOCKS):
        return f"at least {MIN_BLOCKS} a store, so that they can be mixed"
    one = " or one sample" if field.sample_bytes > MAX_BLOCK_BYTES else ""
    return f"up to {MAX_BLOCK_BYTES >> 20} MiB{one}"

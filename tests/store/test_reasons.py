"""Why a field is stored as it is, in words that follow the rule."""

import numpy as np
import pytest

import seekless
from seekless.store.blocks import BlockTable
from seekless.store.encoding import Encoding
from seekless.store.reasons import block_reason, dtype_reason
from seekless.store.schema import Field, Header, label_block_length, sample_block_length


def field(name, shape, block, dtype="u1", logical=None, divisor=1):
    return Field(name, shape, Encoding(np.dtype(dtype), np.dtype(logical or dtype), divisor), block)


def header(x, length, **options):
    return Header(length, {"x": x}, True, 0, "by hand", options=options)


def table(of, length, shards=1):
    """A table of a store in shards of equal length."""
    starts = np.arange(shards + 1) * length
    first = np.concatenate([*(of.edges(length)[:-1] + start for start in starts[:-1]), starts[-1:]])
    blocks = len(first) - 1
    files = np.repeat(np.arange(shards, dtype=np.int32), of.blocks(length))
    zeros = np.zeros(blocks, np.int64)
    return BlockTable(of, (), first, files, zeros, zeros, zeros.astype(np.uint32), zeros.astype(bool))


@pytest.mark.parametrize(
    ("shape", "length", "reason"),
    [
        ((4,), 63, "fewer than 64 samples, each one a block"),
        ((4,), 64, "at least 64 a store, so that they can be mixed"),
        ((4,), 130, "at least 64 a store, so that they can be mixed"),
        ((1 << 20,), 1024, "up to 8 MiB"),
        ((9 << 20,), 1024, "up to 8 MiB or one sample"),
    ],
    ids=["few", "just enough", "small", "large", "huge samples"],
)
def test_why_blocks_of_samples_are_as_long_as_they_are(shape, length, reason):
    x = field("x", shape, sample_block_length(int(np.prod(shape)), length))
    assert block_reason(table(x, length), header(x, length)) == reason


@pytest.mark.parametrize(
    ("block", "asked", "reason"),
    [
        (100, 1000, "--block-bytes 1,000"),
        (1, 9, "--block-bytes 9 or one sample"),
        (1, 10, "--block-bytes 10"),
        (5000, 100_000, "--block-bytes 100,000"),
        (99, 1000, "chosen for this store"),
        (79, 1000, "at least 64 a store, so that they can be mixed"),
    ],
)
def test_why_blocks_are_as_they_were_asked_for(block, asked, reason):
    x = field("x", (10,), block)
    assert block_reason(table(x, 5000), header(x, 5000, block_bytes=asked)) == reason


@pytest.mark.parametrize(
    ("length", "shards", "reason"),
    [
        (1000, 1, "all in one"),
        (1000, 3, "all of a shard in one"),
        (600_000, 1, "up to 4 MiB"),
        (600_000, 2, "up to 4 MiB"),
    ],
)
def test_why_blocks_of_labels_are_as_long_as_they_are(length, shards, reason):
    y = field("y", (), label_block_length(8, length), "<i8")
    assert block_reason(table(y, length, shards), header(y, length * shards)) == reason
    other = field("y", (), 77, "<i8")
    assert block_reason(table(other, length, shards), header(other, length * shards)) == "chosen for this store"


def test_why_the_blocks_of_a_conversion_are_as_long_as_they_are(tiny_store):
    store = seekless.open(tiny_store)
    reasons = {name: block_reason(table, store.header) for name, table in store.tables.items()}
    assert reasons == {
        "x": "at least 64 a store, so that they can be mixed",
        "y": "all in one",
        "key": "all in one",
    }


@pytest.mark.parametrize(
    ("how", "options", "reason"),
    [
        (("u1", "<f8", 255), {}, "gives all 60 float64 values back bit for bit"),
        (("u1", "<f8", 255), {"dtype": "auto"}, "gives all 60 float64 values back bit for bit"),
        (("<f8", "<f8"), {}, "as the source has it"),
        (("<u2", "u1"), {"dtype": "uint16"}, "as --dtype asked; gives all 60 uint8 values back bit for bit"),
        (("u1", "u1"), {"dtype": "uint8"}, "as --dtype asked; as the source has it"),
        (("<f2", "<f8"), {"dtype": "float16", "lossy": True}, "--lossy: the nearest to each float64 value"),
    ],
)
def test_why_a_dtype(how, options, reason):
    x = field("x", (2, 3), 1, *how)
    assert dtype_reason(header(x, 10, **options), "x") == reason
    assert dtype_reason(header(x, 10, **options), "y") is None

"""The checksum of what is no block covers exactly that."""

import os
import zlib
from dataclasses import replace

import numpy as np
import pytest

from seekless.errors import StoreFormatError
from seekless.store.rest import rest_checksum
from seekless.store.schema import ALIGNMENT
from seekless.store.shards import read_hdf5

AT = 5000  # where the checksum itself would stand


@pytest.fixture
def tables(made):
    return list(read_hdf5(made)[1].values())


def checksum(path, tables, rest=AT) -> int:
    return rest_checksum(path, tables, rest)


def of_blocks(table, which):
    """The table of some of its blocks."""
    return replace(
        table, **{name: getattr(table, name)[which] for name in ("file", "offset", "nbytes", "crc", "coded")}
    )


def owned(tables, rest=AT) -> set[int]:
    """Every byte of the blocks, of their padding and of the checksum."""
    pages = [
        range(start, -(-(start + count) // ALIGNMENT) * ALIGNMENT)
        for table in tables
        for start, count in zip(table.offset.tolist(), table.nbytes.tolist(), strict=True)
    ]
    return {byte for page in pages for byte in page} | set(range(rest, rest + 4))


@pytest.mark.parametrize("rest", [0, AT, 151548])
def test_it_covers_every_other_byte(made, tables, rest):
    data = made.read_bytes() + b"something behind the last block" * 200
    made.write_bytes(data)
    skipped = owned(tables, rest)
    expected = zlib.crc32(bytes(byte for at, byte in enumerate(data) if at not in skipped))
    assert checksum(made, tables, rest) == expected


def test_bytes_between_the_blocks_count(made, tables):
    """Where a file was made by another writer, blocks need not follow each other."""
    x = tables[0]
    apart = [of_blocks(x, slice(None, None, 2))]
    before = checksum(made, apart)
    with open(made, "r+b") as file:
        file.seek(int(x.offset[1]))
        file.write(b"\0")
    assert checksum(made, apart) != before


def test_a_long_rest_is_read_in_pieces(tmp_path, tables):
    data = os.urandom(3 << 20)
    (tmp_path / "long").write_bytes(data)
    x = tables[0]
    last = replace(of_blocks(x, slice(1)), offset=np.array([len(data) - 18]))
    end = len(data) - 18
    assert checksum(tmp_path / "long", [last]) == zlib.crc32(data[:AT] + data[AT + 4 : end])


def test_a_file_that_ends_before_its_blocks_is_refused(made, tables):
    os.truncate(made, 9000)
    with pytest.raises(StoreFormatError, match=r"made\.h5: found the end of the file at byte 9000, expected 151552"):
        checksum(made, tables)

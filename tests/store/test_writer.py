"""What the writers of both kinds share: a store is complete only if every block came and no error did."""

import os
import zlib

import numpy as np
import pytest

from seekless.errors import StoreFormatError
from seekless.store.encoding import Encoding
from seekless.store.kinds import create, read_store, suffix_of
from seekless.store.schema import Field, Header


@pytest.fixture(params=["a.h5", "a.npy.d"])
def path(request, tmp_path):
    """A store to be, of either kind."""
    return tmp_path / request.param


@pytest.fixture
def same_open_files():
    """Hold that a test leaves no file open."""
    folder = "/proc/self/fd"
    before = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    yield
    if before:
        assert sorted(os.listdir(folder)) == before


def seven() -> Header:
    """Seven single bytes in blocks of three."""
    return Header(7, {"x": Field("x", (), Encoding(np.dtype("u1"), np.dtype("u1")), 3)}, True, 0, "by hand")


def append(path, blocks, then=None):
    with create(suffix_of(path), path, seven()) as writer:
        for block in blocks:
            writer.append("x", block)
        if then is not None:
            raise then


def test_blocks_come_in_order_as_bytes_or_memory(path, same_open_files):
    append(path, [b"abc", memoryview(b"def"), memoryview(bytearray(b"g\0\0"))])
    header, tables = read_store(path)
    assert header == seven()
    assert tables["x"].crc[:2].tolist() == [zlib.crc32(b"abc"), zlib.crc32(b"def")]
    assert len(tables["x"]) == 3


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_store_that_lacks_blocks_is_not_finished(path, same_open_files, blocks):
    with pytest.raises(ValueError, match=rf"x: found {blocks} blocks appended, expected 3"):
        append(path, [bytes(3)] * blocks)
    with pytest.raises(StoreFormatError, match="found"):
        read_store(path)


def test_a_block_too_many_is_refused(path, same_open_files):
    with pytest.raises((IndexError, OSError, ValueError), match=r"out of bounds|exceeds dimensions"):
        append(path, [bytes(3)] * 4)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()], ids=["ctrl-c", "a fault"])
def test_after_an_error_the_store_is_closed_and_refused(path, same_open_files, error):
    with pytest.raises(type(error)):
        append(path, [bytes(3)] * 3, error)
    with pytest.raises(StoreFormatError, match="found"):
        read_store(path)


def test_a_field_that_is_not_there(path, same_open_files):
    with pytest.raises(KeyError, match="'y'"), create(suffix_of(path), path, seven()) as writer:
        writer.append("y", bytes(3))

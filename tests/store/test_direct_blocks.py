"""Reading past the page cache gives the same samples and the same errors."""

import ctypes
import errno
import mmap
import os
import pickle
import sys
import time

import pytest

from seekless.errors import StoreFormatError
from seekless.store import direct_blocks as module
from seekless.store import reading as reading_module
from seekless.store.blocks import BlockReader
from seekless.store.direct_blocks import can_read_directly
from seekless.store.shards import read_hdf5


@pytest.fixture
def table(made):
    if not can_read_directly(made):
        pytest.skip("files here can only be read through the page cache")
    return read_hdf5(made)[1]["x"]


@pytest.fixture
def direct(table):
    return BlockReader(table, direct=True)


@pytest.fixture
def no_other_way(monkeypatch):
    """Nothing is read through the page cache."""
    monkeypatch.setattr(module, "_set_plain", None)


def cached_pages(path) -> set[int]:
    """Tell which pages of a file are in the page cache; a read to find out would have the next ones read ahead."""
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        address, length = ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(mapped))
        failed = ctypes.CDLL(None).mincore(address, length, pages)
        del start
        assert not failed
    return {number for number, page in enumerate(pages) if page & 1}


def note_reads(monkeypatch):
    found, preadv = [], os.preadv

    def noted(descriptor, buffers, offset):
        found.append((offset, sum(map(len, buffers))))
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", noted)
    return found


@pytest.mark.usefixtures("no_other_way")
def test_whole_pages_are_read_and_no_more(monkeypatch, table, direct, digits):
    begin, found = int(table.offset[0]), note_reads(monkeypatch)
    assert (direct.read([(0, 1), (9, 11)]) == digits["x"][[0, 9, 10]]).all()
    assert [(offset - begin, count) for offset, count in found] == [(0, 4096), (3 * 4096, 4096)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is in the page cache")
@pytest.mark.usefixtures("no_other_way")
def test_nothing_is_left_in_the_page_cache(made, table, direct, digits):
    of_blocks = {int(offset) // mmap.PAGESIZE for offset in table.offset}
    assert of_blocks <= cached_pages(made)  # they were just written
    with open(made, "rb") as file:
        os.fsync(file.fileno())
        end = time.monotonic() + 5
        while of_blocks & cached_pages(made):  # the system may still hold what was written a moment ago
            if time.monotonic() > end:
                pytest.skip("this system does not let go of what is in the page cache")
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            time.sleep(0.01)
    assert (direct.read([(0, 11)]) == digits["x"]).all()
    assert not of_blocks & cached_pages(made)


@pytest.mark.usefixtures("no_other_way")
def test_what_was_just_written_is_read(made, table, direct):
    with open(made, "r+b") as file:
        file.seek(int(table.offset[1]))
        file.write(b"\xff")
    with pytest.raises(StoreFormatError, match=r"made\.h5: block 1 of x is damaged"):
        direct.read([(0, 11)])


def test_less_than_a_page_in_the_middle_is_no_end(monkeypatch, direct, digits):
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *given: min(100, preadv(*given)))
    assert (direct.read([(0, 11)]) == digits["x"]).all()


@pytest.mark.parametrize(("left", "block"), [(0, 0), (150_000, 0), (155_648 + 5, 1)])
def test_a_file_cut_short_after_opening(made, direct, left, block):
    os.truncate(made, left)
    message = rf"made\.h5: block {block} of x: found the end of the file at byte \d+, expected 163858 bytes or more"
    with pytest.raises(StoreFormatError, match=message):
        direct.read([(0, 11)])


@pytest.mark.usefixtures("no_other_way")
def test_a_short_read_is_gone_on_with(monkeypatch, direct, digits):
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, buffers, offset: preadv(file, [buffers[0][:4096]], offset))
    assert (direct.read([(0, 11)]) == digits["x"]).all()


def test_a_block_that_the_disk_cannot_read_is_named(monkeypatch, table, direct):
    bad, read = int(table.offset[2]) + 4, reading_module._read_at

    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def failing_there(descriptor, buffers, offset):
        return failing() if offset <= bad < offset + len(buffers[0]) else read(descriptor, buffers[:1], offset)

    monkeypatch.setattr(module, "_fill_pages", failing)
    monkeypatch.setattr(reading_module, "_read_at", failing_there)
    with pytest.raises(OSError, match=r"made\.h5: block 2 of x cannot be read: Input/output error"):
        direct.read([(0, 11)])


def test_a_file_system_that_refuses_it_later_is_read_otherwise(monkeypatch, direct, digits):
    def refused(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(module, "_fill_pages", refused)
    assert (direct.read([(0, 11)]) == digits["x"]).all()


def test_one_that_refuses_it_is_read_otherwise(monkeypatch, made, table, digits):
    real = os.open

    def refused(path, flags, *rest, **options):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refused)
    assert not can_read_directly(made)
    assert (BlockReader(table, direct=True).read([(0, 11)]) == digits["x"]).all()


def test_a_system_that_does_not_know_it(monkeypatch, made, table, digits):
    monkeypatch.setattr(module, "_DIRECT", 0)
    assert not can_read_directly(made)
    assert (BlockReader(table, direct=True).read([(0, 11)]) == digits["x"]).all()


def test_a_file_that_is_gone(made, direct):
    made.unlink()
    with pytest.raises(FileNotFoundError, match=r"made\.h5"):
        direct.read([(0, 11)])


@pytest.mark.usefixtures("no_other_way")
def test_it_pickles(direct, digits):
    direct.read([(0, 3)])
    assert (pickle.loads(pickle.dumps(direct)).read([(0, 11)]) == digits["x"]).all()

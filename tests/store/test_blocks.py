"""Reading by the table of blocks: any ranges, whole blocks, checked once, no handle kept."""

import errno
import os
import pickle
import shutil
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekless.errors import OptionError, StoreFormatError
from seekless.store import blocks as blocks_module
from seekless.store import direct_blocks
from seekless.store import reading as reading_module
from seekless.store.blocks import BlockReader
from seekless.store.shards import read_hdf5


def flip_unseen(path, at):
    """Flip a bit as a disk does that forgets: the file's time stays."""
    status = path.stat()
    flip(path, at)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(path, at, bit=0):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


@pytest.fixture
def table(made):
    return read_hdf5(made)[1]["x"]


@st.composite
def cases(draw):
    block = draw(st.integers(1, 6))
    length = max(1, draw(st.sampled_from([1, block - 1, block, block + 1, 4 * block, 4 * block + 1])))
    shape = tuple(draw(st.lists(st.integers(1, 3), max_size=4)))
    ends = st.integers(0, length)
    ranges = draw(st.lists(st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair))), max_size=6))
    ranges = sorted(ranges) if draw(st.booleans()) else ranges
    return length, block, shape, ranges, draw(st.sampled_from([1, 30, 1 << 24])), draw(st.booleans())


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(3) as threads:
        yield threads


@given(case=cases())
@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_ranges_come_one_behind_the_other(write_store, pool, case):
    length, block, shape, ranges, longest, direct = case
    x = np.arange(length * int(np.prod(shape)), dtype=np.int32).reshape(length, *shape)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "MAX_READ_BYTES", longest)
        patch.setattr(direct_blocks, "_set_plain", None)  # what is read past the page cache is read no other way
        write_store(Path(folder) / "a.h5", {"x": x}, {"x": block})
        reader = BlockReader(read_hdf5(Path(folder) / "a.h5")[1]["x"], direct=direct)
        expected = np.concatenate([x[:0], *[x[start:stop] for start, stop in ranges]])
        given = np.ones_like(expected)
        for out, threads in ((None, None), (given, None), (None, pool)):  # checked, and then not again
            found = reader.read(ranges, out, threads)
            assert out is None or found is out
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("start", "stop", "spans"),
    [
        (0, 0, []),
        (0, 1, [(0, 0, 1)]),
        (0, 3, [(0, 0, 3)]),
        (2, 4, [(0, 2, 3), (1, 0, 1)]),
        (3, 9, [(1, 0, 3), (2, 0, 3)]),
        (10, 11, [(3, 1, 2)]),
    ],
)
def test_spans(table, start, stop, spans):
    assert list(table.spans(start, stop)) == spans


def count_reads(monkeypatch) -> list[tuple[int, int]]:
    """Note each read as (offset, bytes)."""
    reads, read = [], reading_module._read_at

    def noted(descriptor, buffers, offset):
        reads.append((offset, sum(map(len, buffers))))
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(reading_module, "_read_at", noted)
    return reads


@pytest.mark.parametrize(
    ("ranges", "reads"),
    [
        ([(0, 11)], [(0, 3 * 4096 + 18)]),
        ([(0, 1), (4, 5)], [(0, 4096 + 18)]),
        ([(0, 1), (9, 10)], [(0, 18), (3 * 4096, 18)]),
        ([(9, 10), (0, 1)], [(3 * 4096, 18), (0, 18)]),
        ([(4, 5), (4, 5)], [(4096, 18), (4096, 18)]),
        ([], []),
    ],
    ids=["all", "neighbours", "apart", "backwards", "twice", "none"],
)
def test_neighbours_share_one_long_read(monkeypatch, table, ranges, reads):
    found = count_reads(monkeypatch)
    BlockReader(table).read(ranges)
    assert [(offset - table.offset[0], count) for offset, count in found] == reads


def test_long_reads_are_bounded(monkeypatch, table):
    monkeypatch.setattr(blocks_module, "MAX_READ_BYTES", 4096 + 18)
    found = count_reads(monkeypatch)
    BlockReader(table).read([(0, 11)])
    assert [count for _, count in found] == [4096 + 18] * 2


def test_a_short_read_is_gone_on_with(monkeypatch, table, digits):
    read = reading_module._read_at
    monkeypatch.setattr(reading_module, "_read_at", lambda fd, buffers, offset: read(fd, [buffers[0][:5]], offset))
    assert (BlockReader(table).read([(0, 11)]) == digits["x"]).all()


@pytest.mark.parametrize("block", range(4))
def test_a_damaged_block_is_named(made, table, block):
    flip(made, int(table.offset[block]) + 17)
    intact = [(3 * other, min(3 * other + 3, 11)) for other in range(4) if other != block]
    BlockReader(table).read(intact)
    message = rf"made\.h5: block {block} of x is damaged: found checksum \w{{8}}, expected \w{{8}}; convert the source"
    with pytest.raises(StoreFormatError, match=message):
        BlockReader(table).read([(0, 11)])


def test_every_flipped_bit_in_a_block_is_found(made):
    tables, random = list(read_hdf5(made)[1].values()), np.random.default_rng(1)
    for _ in range(120):
        table = tables[random.integers(3)]
        block = int(random.integers(len(table)))
        at = int(table.offset[block]) + int(random.integers(table.nbytes[block]))
        bit = int(random.integers(8))
        flip(made, at, bit)
        with pytest.raises(StoreFormatError, match=f"block {block} of {table.field.name} is damaged"):
            BlockReader(table).read([(0, 11)])
        flip(made, at, bit)
        BlockReader(table).read([(0, 11)])


def test_a_block_is_checked_when_it_is_first_read(made, table):
    reader = BlockReader(table)
    reader.read([(0, 3)])
    flip_unseen(made, int(table.offset[0]))
    flip_unseen(made, int(table.offset[1]))
    reader.read([(0, 3)])
    for _ in range(2):  # and a damaged one each time
        with pytest.raises(StoreFormatError, match="block 1 of x is damaged"):
            reader.read([(0, 6)])


@pytest.mark.parametrize("change", ["rewritten", "replaced", "touched"])
def test_blocks_of_a_file_that_changed_are_checked_again(made, table, tmp_path, change):
    reader = BlockReader(table)
    reader.read([(0, 11)])
    flip_unseen(made, int(table.offset[0]))
    if change == "rewritten":
        made.write_bytes(made.read_bytes())
    elif change == "replaced":
        shutil.copy2(made, tmp_path / "copy")
        os.replace(tmp_path / "copy", made)
    else:
        os.utime(made)
    with pytest.raises(StoreFormatError, match=r"block 0 of x is damaged: .* open the store again if it was"):
        reader.read([(0, 3)])
    flip(made, int(table.offset[0]))
    reader.read([(0, 11)])  # the same content is no harm


def test_checks_can_be_left_out(made, table, digits):
    flip(made, int(table.offset[0]))
    digits["x"][0, 0, 0] ^= 1
    assert (BlockReader(table, verify="never").read([(0, 11)]) == digits["x"]).all()


@pytest.mark.parametrize(
    ("left", "block"),
    [(0, 0), (200_000 - 50_000, 0), (155648 + 5, 1)],
    ids=["nothing", "no block", "a block and a half"],
)
def test_a_file_cut_short_after_opening(made, table, left, block):
    os.truncate(made, left)
    message = rf"made\.h5: block {block} of x: found the end of the file at byte \d+, expected 163858 bytes or more"
    with pytest.raises(StoreFormatError, match=message):
        BlockReader(table).read([(0, 11)])


def test_a_block_that_the_disk_cannot_read_is_named(monkeypatch, made, table):
    bad, read = int(table.offset[2]) + 4, reading_module._read_at

    def failing(descriptor, buffers, offset):
        if offset + sum(map(len, buffers)) <= bad:
            return read(descriptor, buffers, offset)
        if offset + len(buffers[0]) > bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, buffers[:1], offset)

    monkeypatch.setattr(reading_module, "_read_at", failing)
    with pytest.raises(OSError, match=r"made\.h5: block 2 of x cannot be read: Input/output error") as caught:
        BlockReader(table).read([(0, 11)])
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize(("verify", "checks"), [("first-epoch", 4), ("always", 12), ("never", 0)])
def test_verify_says_how_often_a_block_is_checked(monkeypatch, table, verify, checks):
    found, crc32 = [], zlib.crc32
    monkeypatch.setattr(blocks_module.zlib, "crc32", lambda data: found.append(data) or crc32(data))
    reader = BlockReader(table, verify=verify)
    for _ in range(3):
        reader.read([(0, 11)])
    assert len(found) == checks


def test_a_file_that_changed_is_an_error_where_its_blocks_are_never_checked(made, table):
    reader = BlockReader(table, verify="never")
    reader.read([(0, 3)])
    assert not reader.changed()
    os.utime(made)
    with pytest.raises(StoreFormatError, match=r"made\.h5: found another file than the one that was read first"):
        reader.read([(0, 3)])
    with pytest.raises(StoreFormatError, match=r"open the store again, or give verify='first-epoch'"):
        reader.changed()


def test_a_file_that_changed_is_noticed_without_reading(made, table):
    reader = BlockReader(table)
    assert not reader.changed()  # not read yet
    reader.read([(0, 3)])
    assert not reader.changed()
    os.utime(made)
    assert reader.changed()
    assert not reader.changed()
    made.unlink()
    with pytest.raises(FileNotFoundError, match=r"made\.h5"):
        reader.changed()


def meanwhile(monkeypatch, change, times):
    """Let something happen to the file while it is read, so many times."""
    read, left = reading_module._read_at, [times]

    def changing(descriptor, buffers, offset):
        if left[0]:
            left[0] -= 1
            change()
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(reading_module, "_read_at", changing)


def test_a_file_that_is_written_to_while_it_is_read_is_read_and_checked_again(monkeypatch, made, table, digits):
    reader = BlockReader(table)
    reader.read([(0, 11)])
    status = made.stat()

    def touch(damage):
        if damage:
            flip(made, int(table.offset[1]))
        os.utime(made, ns=(status.st_atime_ns, made.stat().st_mtime_ns + 10**9))

    meanwhile(monkeypatch, lambda: touch(False), 1)
    assert (reader.read([(0, 11)]) == digits["x"]).all()
    meanwhile(monkeypatch, lambda: touch(True), 1)
    with pytest.raises(StoreFormatError, match="block 1 of x is damaged"):
        reader.read([(0, 11)])


def test_a_file_that_is_written_to_all_the_time_is_told(monkeypatch, made, table):
    reader = BlockReader(table)
    meanwhile(monkeypatch, lambda: os.utime(made, ns=(0, made.stat().st_mtime_ns + 10**9)), 99)
    with pytest.raises(StoreFormatError, match=r"made\.h5: found a file of the store written to again and again while"):
        reader.read([(0, 11)])


def test_an_unknown_verify_is_told(table):
    with pytest.raises(OptionError, match="verify: found 'often', expected one of first-epoch, always, never"):
        BlockReader(table, verify="often")


def test_a_file_that_is_gone(made, table):
    made.unlink()
    with pytest.raises(FileNotFoundError, match=r"made\.h5"):
        BlockReader(table).read([(0, 11)])


def test_a_reader_pickles_with_what_it_has_checked(made, table, digits):
    reader = BlockReader(table)
    reader.read([(0, 3)])
    other = pickle.loads(pickle.dumps(reader))
    flip_unseen(made, int(table.offset[0]))
    digits["x"][0, 0, 0] ^= 1
    assert (other.read([(0, 11)]) == digits["x"]).all()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_handle_is_kept(made, table):
    def open_files():
        return sorted(os.listdir("/proc/self/fd"))

    before = open_files()
    reader = BlockReader(table)
    reader.read([(0, 11)])
    assert open_files() == before
    flip(made, int(table.offset[1]))
    with pytest.raises(StoreFormatError, match="damaged"):
        BlockReader(table).read([(0, 11)])
    assert open_files() == before

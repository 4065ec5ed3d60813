"""What the writers of both kinds share: a store is complete only if every block came and no error did."""

import hashlib
import os
import threading
import zlib

import numpy as np
import pytest

from seekless.errors import OptionError, StoreFormatError
from seekless.store import writer as writer_module
from seekless.store.blocks import BlockReader
from seekless.store.codecs import codec_named
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


PICTURE = (np.arange(12_000) // 40 % 251).astype(np.uint8)


def packed(codec="zstd", blocks=25, length=500) -> Header:
    """Pictures in blocks of 20, and numbers that are never compressed."""
    x = Field("x", (600,), Encoding(np.dtype("u1"), np.dtype("u1")), 20, codec=codec)
    y = Field("y", (), Encoding(np.dtype("<i8"), np.dtype("<i8")), 100)
    assert x.blocks(length) == blocks
    return Header(length, {"x": x, "y": y}, True, 0, "by hand")


def append_packed(path, threads, codec="zstd", then=None):
    buffer = bytearray(12_000)  # one for all blocks, as the conversion has it
    with create(".h5", path, packed(codec), threads) as writer:
        for number in range(25):
            buffer[:] = (PICTURE + number).astype(np.uint8).tobytes() if number % 7 else RANDOM[number].tobytes()
            writer.append("x", memoryview(buffer))
            buffer[:] = bytes(12_000)
            if then is not None and number == 11:
                raise then
        for number in range(5):
            writer.append("y", np.arange(100 * number, 100 * number + 100).tobytes())


RANDOM = np.random.default_rng(4).integers(0, 256, (25, 12_000), np.uint8)


@pytest.mark.parametrize("codec", ["none", "zstd", "lz4", "gzip", "blosc2"])
def test_threads_do_not_change_a_byte(tmp_path, codec, same_open_files):
    """Nor does it matter that the caller's buffer changes as soon as it is handed over."""
    sums = {}
    for threads in (0, 1, 3):
        append_packed(tmp_path / f"{threads}.h5", threads, codec)
        sums[threads] = hashlib.sha256((tmp_path / f"{threads}.h5").read_bytes()).hexdigest()
    assert len(set(sums.values())) == 1
    _, tables = read_store(tmp_path / "3.h5")
    x = BlockReader(tables["x"]).read([(0, 500)])
    for number in range(25):
        expected = (PICTURE + number).astype(np.uint8) if number % 7 else RANDOM[number]
        assert x[20 * number : 20 * number + 20].tobytes() == expected.tobytes()
    assert BlockReader(tables["y"]).read([(0, 500)]).tolist() == list(range(500))
    coded = [codec != "none" and bool(number % 7) for number in range(25)]
    assert tables["x"].coded.tolist() == coded
    assert not tables["y"].coded.any()


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_an_error_of_the_codec_ends_the_writing(tmp_path, monkeypatch, threads, same_open_files):
    encode, calls = codec_named("zstd").encode, []

    def fails_later(block, item):
        calls.append(len(block))
        if len(calls) == 9:
            raise MemoryError("no memory to compress")
        return encode(block, item)

    monkeypatch.setattr(codec_named("zstd"), "encode", fails_later)
    before = threading.active_count()
    with pytest.raises(MemoryError, match="no memory to compress"):
        append_packed(tmp_path / "a.h5", threads)
    assert threading.active_count() == before
    assert len(calls) <= 9 + 2 * threads  # what was ahead is not worked off
    with pytest.raises(StoreFormatError, match="found"):
        read_store(tmp_path / "a.h5")


@pytest.mark.parametrize("threads", [0, 3])
def test_an_error_of_the_caller_ends_the_threads(tmp_path, threads, same_open_files):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        append_packed(tmp_path / "a.h5", threads, then=KeyboardInterrupt())
    assert threading.active_count() == before


def test_few_blocks_wait_at_a_time(tmp_path, monkeypatch):
    """A slow codec holds the caller up; blocks do not pile up in memory."""
    waiting, put = [], writer_module.StoreWriter._put_coming

    def counted(writer, left):
        waiting.append(len(writer._coming))
        put(writer, left)

    monkeypatch.setattr(writer_module.StoreWriter, "_put_coming", counted)
    append_packed(tmp_path / "a.h5", 3)
    assert max(waiting) == 5


def test_npy_refuses_a_codec(tmp_path):
    message = r"a\.npy\.d: found the codec zstd for x, expected none: \.npy files hold plain arrays; write a store that"
    with pytest.raises(OptionError, match=message):
        create(".npy.d", tmp_path / "a.npy.d", packed())
    assert not (tmp_path / "a.npy.d").exists()


@pytest.mark.parametrize(
    ("length", "shape", "message"),
    [
        (0, (2,), "found 0 samples, expected one or more; a store without any cannot be read"),
        (3, (0, 3), r"x: found samples of shape \(0, 3\), expected one value or more in each"),
    ],
)
def test_what_has_no_values_is_refused(path, length, shape, message):
    x = Field("x", shape, Encoding(np.dtype("u1"), np.dtype("u1")), 3)
    with pytest.raises(OptionError, match=message):
        create(suffix_of(path), path, Header(length, {"x": x}, True, 0, "by hand"))
    assert not path.exists()


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_blocks_that_are_filled_where_they_are_wanted(tmp_path, codec, threads, same_open_files):
    append_packed(tmp_path / "bytes.h5", 0, codec)
    rooms = set()

    def filler(number):
        def fill(room):
            rooms.add(room.ctypes.data)
            room[:] = (PICTURE + number).astype(np.uint8) if number % 7 else RANDOM[number]

        return fill

    with create(".h5", tmp_path / "filled.h5", packed(codec), threads) as writer:
        for number in range(25):
            writer.append("x", filler(number))
        for number in range(5):
            writer.append("y", np.arange(100 * number, 100 * number + 100).tobytes())
    assert (tmp_path / "filled.h5").read_bytes() == (tmp_path / "bytes.h5").read_bytes()
    assert 1 <= len(rooms) <= threads + 2  # used again and again


@pytest.mark.parametrize("threads", [0, 2])
def test_blocks_of_plain_arrays_are_filled_likewise(tmp_path, threads, same_open_files):
    def filler(text):
        def fill(room):
            room[:] = list(text)

        return fill

    with create(".npy.d", tmp_path / "a.npy.d", seven(), threads) as writer:
        for text in (b"abc", b"def", b"g\0\0"):
            writer.append("x", filler(text))
    assert np.load(tmp_path / "a.npy.d" / "x.npy").tobytes() == b"abcdefg"


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_while_a_block_is_filled_ends_the_writing(path, threads, same_open_files):
    def fill(room):
        raise MemoryError("no memory to fill")

    def append_filled():
        with create(suffix_of(path), path, seven(), threads) as writer:
            for _ in range(3):
                writer.append("x", fill)

    with pytest.raises(MemoryError, match="no memory to fill"):
        append_filled()
    with pytest.raises(StoreFormatError, match="found"):
        read_store(path)

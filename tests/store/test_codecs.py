"""Every codec gives each block back, byte for byte, from any number of threads; what is damaged is an error."""

import builtins
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import seekless
from seekless.errors import MissingExtraError, OptionError, StoreFormatError
from seekless.store import codecs as codecs_module
from seekless.store import reading as reading_module
from seekless.store.blocks import BlockReader
from seekless.store.codecs import CODECS, codec_named
from seekless.store.writer import compressed

PACKED = [name for name in CODECS if name != "none"]
RANDOM = np.random.default_rng(11)
WALK = RANDOM.integers(-2, 3, (64, 32, 3)).cumsum(0).astype(np.uint8)

BLOCKS = {
    "constant": bytes([7]) * 5000,
    "zeros": bytes(100_000),
    "random": RANDOM.bytes(5000),
    "one byte": b"x",
    "three bytes": b"abc",
    "a walk": WALK.tobytes(),
    "padded with zeros": WALK[:5].tobytes() + bytes(59 * 96),
    "longer than the libraries' own pieces": RANDOM.integers(0, 3, 3_000_000, np.uint8).tobytes(),
}


def decoded(codec, stored, size):
    out = bytearray(size)
    codec.decode(stored, memoryview(out))
    return bytes(out)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_every_block_comes_back(name, block, kind):
    codec = codec_named(name)
    stored = codec.encode(kind(block), 1)
    assert decoded(codec, kind(stored), len(block)) == block


@pytest.mark.parametrize("item", [1, 2, 3, 4, 6, 8, 16, 32])
@pytest.mark.parametrize("name", CODECS)
def test_every_item_size_comes_back(name, item):
    block = np.arange(item * 1000, dtype=np.uint16).tobytes()
    assert decoded(codec_named(name), codec_named(name).encode(block, item), len(block)) == block


@pytest.mark.parametrize("name", PACKED)
def test_what_repeats_becomes_small(name):
    assert len(codec_named(name).encode(bytes(100_000), 1)) < 1000


def test_the_item_size_is_what_makes_pictures_small_in_blosc2():
    picture = np.repeat(WALK.reshape(-1, 3)[:, None], 16, axis=1) + np.arange(3, dtype=np.uint8) * 90
    block = (picture + RANDOM.integers(0, 4, picture.shape)).astype(np.uint8).tobytes()
    blosc2 = codec_named("blosc2")
    assert len(blosc2.encode(block, 3)) < 0.9 * len(blosc2.encode(block, 1))


@pytest.mark.parametrize("name", PACKED)
def test_the_same_block_gives_the_same_bytes(name):
    codec = codec_named(name)
    first = codec.encode(BLOCKS["a walk"], 3)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: codec.encode(BLOCKS["a walk"], 3), range(40))) == {first}


@pytest.mark.parametrize("name", CODECS)
def test_threads_do_not_meet(name):
    codec = codec_named(name)
    blocks = [(WALK + number).astype(np.uint8).tobytes() for number in range(60)]
    with ThreadPoolExecutor(4) as threads:
        stored = list(threads.map(lambda block: codec.encode(block, 3), blocks))
        assert list(threads.map(lambda one: decoded(codec, one, WALK.nbytes), stored)) == blocks


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("spoil", ["nothing", "cut", "noise", "zeros", "another length", "too long"])
def test_damaged_bytes_are_a_value_error(name, spoil):
    codec = codec_named(name)
    block = BLOCKS["a walk"]
    stored = codec.encode(block, 3)
    wrong, size = {
        "nothing": (b"", len(block)),
        "cut": (stored[: len(stored) // 2], len(block)),
        "noise": (RANDOM.bytes(len(stored)), len(block)),
        "zeros": (bytes(len(stored)), len(block)),
        "another length": (stored, len(block) + 3),
        "too long": (stored, len(block) - 3),
    }[spoil]
    with pytest.raises(ValueError, match=r"."):
        decoded(codec, wrong, size)


@pytest.mark.parametrize("name", PACKED)
def test_flipped_bits_are_never_anything_else_than_a_value_error(name):
    """Blocks may be read without their checksums; then wrong values are possible, a crash is not."""
    codec, random = codec_named(name), np.random.default_rng(5)
    stored = codec.encode(BLOCKS["a walk"], 3)
    for _ in range(300):
        wrong = bytearray(stored)
        wrong[random.integers(min(len(wrong), int(random.choice([40, 200, len(wrong)]))))] ^= 1 << random.integers(8)
        try:
            decoded(codec, bytes(wrong), WALK.nbytes)
        except ValueError:
            continue


@pytest.mark.parametrize("name", PACKED)
def test_a_reader_names_the_file_and_the_block_that_it_cannot_decode(tmp_path, write_store, name):
    path = tmp_path / "a.h5"
    write_store(path, {"x": np.repeat(WALK[None], 9, axis=0)}, {"x": 2}, codec=name)
    table = seekless.open(path).tables["x"]
    assert table.coded.all()
    with open(path, "r+b") as file:
        file.seek(int(table.offset[3]))
        file.write(bytes(int(table.nbytes[3])))
    reader = BlockReader(table, verify="never")
    reader.read([(0, 6), (8, 9)])
    message = (
        rf"a\.h5: block 3 of x is damaged: found .+, expected {2 * WALK.nbytes} bytes compressed by {name}; convert "
    )
    with pytest.raises(StoreFormatError, match=message):
        reader.read([(6, 7)])
    with pytest.raises(StoreFormatError, match=r"a\.h5: block 3 of x is damaged: found checksum"):
        BlockReader(table).read([(0, 9)])


@pytest.mark.parametrize("name", CODECS)
def test_several_threads_read_one_store(tmp_path, write_store, name):
    x = np.arange(40, dtype=np.uint8)[:, None, None, None] // 2 + WALK
    write_store(tmp_path / "a.h5", {"x": x}, {"x": 3}, codec=name)
    reader = seekless.open(tmp_path / "a.h5").reader("x")
    ranges = [(start, min(start + 7, 40)) for start in range(40)]
    with ThreadPoolExecutor(4) as threads:
        for (start, stop), found in zip(ranges, threads.map(lambda one: reader.read([one]), ranges), strict=True):
            assert found.tobytes() == x[start:stop].tobytes()


@pytest.mark.parametrize("name", PACKED)
def test_a_block_that_does_not_become_smaller_is_stored_as_it_is(tmp_path, write_store, name):
    h5py = pytest.importorskip("h5py")
    x = np.repeat(WALK[None], 6, axis=0)
    x[2:4] = RANDOM.integers(0, 256, x[2:4].shape)
    path = tmp_path / "a.h5"
    write_store(path, {"x": x}, {"x": 2}, codec=name)
    table = seekless.open(path).tables["x"]
    assert table.coded.tolist() == [True, False, True]
    assert table.nbytes[1] == 2 * WALK.nbytes
    with h5py.File(path) as file:
        # One bit for each filter that was left out: the only one.
        assert [file["x"].id.get_chunk_info(block).filter_mask for block in range(3)] == [0, 1, 0]
        at = int(table.offset[1])
        assert path.read_bytes()[at : at + 2 * WALK.nbytes] == x[2:4].tobytes()
    assert (seekless.open(path).read("x", 0, 6) == x).all()


@pytest.mark.parametrize("name", PACKED)
def test_what_is_stored_is_never_longer_than_the_block(name):
    from seekless.store.encoding import Encoding
    from seekless.store.schema import Field

    for block in BLOCKS.values():
        field = Field("x", (), Encoding(np.dtype("u1"), np.dtype("u1")), len(block), codec=name)
        stored, _, coded = compressed(field, block)
        assert len(stored) < len(block) if coded else stored == block


def test_an_unknown_codec_is_refused():
    with pytest.raises(OptionError, match=r"found the codec 'rar', expected one of none, zstd, lz4, gzip, blosc2"):
        codec_named("rar")


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("zstd", "zstandard", "zstandard"), ("lz4", "lz4", "lz4"), ("blosc2", "blosc2", "blosc2")],
)
def test_a_missing_library_is_said_when_values_are_read(tmp_path, write_store, monkeypatch, name, module, package):
    """The store opens all the same: what it holds can be said without reading a value."""
    write_store(tmp_path / "a.h5", {"x": np.repeat(WALK[None], 2, axis=0)}, {"x": 1}, codec=name)

    def missing(wanted):
        if wanted.partition(".")[0] == module:
            raise ImportError(f"No module named {wanted!r}")
        return builtins.__import__(wanted)

    monkeypatch.setattr(codecs_module, "import_module", missing)
    codec_named.cache_clear()
    store = seekless.open(tmp_path / "a.h5")
    message = f"found no {package}, expected it for this compression; install it with pip install {package}"
    with pytest.raises(MissingExtraError, match=message):
        store.read("x", 0, 1)
    codec_named.cache_clear()


def test_gzip_does_not_unpack_more_than_a_block():
    """A block that claims to be a thousand times as large is refused before it is in memory."""
    import tracemalloc

    stored = codec_named("gzip").encode(bytes(100 << 20), 1)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="1001 bytes, expected 1000"):
            decoded(codec_named("gzip"), stored, 1000)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", PACKED)
def test_one_long_read_of_compressed_blocks(tmp_path, write_store, monkeypatch, name):
    reads, read = [], reading_module._read_at

    def noted(descriptor, buffer, offset):
        reads.append(len(buffer))
        return read(descriptor, buffer, offset)

    x = np.repeat(WALK[None], 8, axis=0)
    write_store(tmp_path / "a.h5", {"x": x}, {"x": 2}, codec=name)
    store = seekless.open(tmp_path / "a.h5")
    monkeypatch.setattr(reading_module, "_read_at", noted)
    assert store.read("x", 0, 8).tobytes() == x.tobytes()
    assert len(reads) == 1
    assert reads[0] < os.path.getsize(tmp_path / "a.h5")

"""Opening a store of very many blocks takes memory in proportion to its blocks, however many samples they hold."""

import os
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

import seekless
from seekless.store.encoding import Encoding
from seekless.store.kinds import create
from seekless.store.npy import array_head, block_sizes, describe
from seekless.store.schema import Field, Header, label_block_length, sample_block_length

# Bytes a block. A table of blocks has 20 to 28. The blocks here have 42 samples and more: a byte a sample is too much.
KEPT = 40
PEAK = 240  # the checksums as text and as Python's integers, and the lists they stand in

PHOTOGRAPHS = 1_400_000  # of 256 x 256 x 3: 275 GB
CHUNKS = 20_000
CHUNK_LENGTH = 64  # samples of 64 bytes, so that a chunk is a page: HDF5 appends smaller ones ten times as slowly


def field(name, shape, dtype, block_length):
    return Field(name, shape, Encoding(np.dtype(dtype), np.dtype(dtype)), block_length)


def header(length, *fields):
    return Header(length, {one.name: one for one in fields}, shuffled=True, seed=0, created_by="by hand")


def write_zeros(folder, length, block_length):
    """Write an NPY store of 256 x 256 x 3 samples that are all zeros, and take no room on the disk."""
    x = field("x", (256, 256, 3), "u1", block_length)
    y = field("y", (), "<i8", label_block_length(8, length))
    made = header(length, x, y, field("key", (), "S24", label_block_length(24, length)))
    folder.mkdir()
    checks = {}
    for name, of_field in made.fields.items():
        sizes = block_sizes(of_field, length).tolist()
        check_of = {size: zlib.crc32(bytes(size)) for size in set(sizes)}
        checks[name] = [check_of[size] for size in sizes]
        file, head = folder / f"{name}.npy", array_head(of_field, length)
        file.write_bytes(head)
        os.truncate(file, len(head) + sum(sizes))
    (folder / "store.json").write_bytes(describe(made, checks))
    return folder


def traced(path):
    """Open a store; return it, the bytes that it keeps, and the bytes that opening it took at most."""
    seekless.open(path)  # what the first opening imports and keeps is no cost of this store
    tracemalloc.start()
    try:
        store = seekless.open(path)
        return store, *tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """An NPY store of 275 GB, in 33,334 blocks of 42 samples; skips where zeros take room on the disk."""
    folder = tmp_path_factory.mktemp("photographs")
    probe = folder / "probe"
    probe.touch()
    os.truncate(probe, 64 << 20)
    if getattr(probe.stat(), "st_blocks", 64 << 11) * 512 > 1 << 20:
        pytest.skip("this file system has no sparse files, and 275 GB of zeros do not fit")
    try:
        return write_zeros(folder / "photographs.npy.d", PHOTOGRAPHS, sample_block_length(256 * 256 * 3, PHOTOGRAPHS))
    except OSError as error:
        pytest.skip(f"this file system has no files of 275 GB ({error})")


@pytest.fixture(scope="module")
def chunks(tmp_path_factory):
    """An HDF5 store of 20,000 chunks of x alone, the last of them short; sample i is the int64 i, eight times."""
    path = tmp_path_factory.mktemp("chunks") / "chunks.h5"
    length = CHUNKS * CHUNK_LENGTH - 1
    made = header(length, field("x", (64,), "u1", CHUNK_LENGTH))
    with create(".h5", path, made) as writer:
        for number in range(CHUNKS):
            samples = np.arange(number * CHUNK_LENGTH, (number + 1) * CHUNK_LENGTH, dtype="<i8")
            samples[length - number * CHUNK_LENGTH :] = 0
            writer.append("x", np.repeat(samples, 8).tobytes())
    yield path
    path.unlink()  # pytest keeps the folders of three runs


def test_a_store_of_275_gb_keeps_some_bytes_a_block(photographs):
    store, kept, peak = traced(photographs)
    assert (photographs / "x.npy").stat().st_size == 4096 + 275_251_200_000
    assert store.shape == (PHOTOGRAPHS, 256, 256, 3)
    blocks = sum(map(len, store.tables.values()))
    assert len(store.tables["x"]) == 33_334
    assert 20 * blocks < kept < KEPT * blocks
    assert peak < PEAK * blocks


def test_more_samples_in_as_many_blocks_take_no_more_memory(photographs, tmp_path):
    store, kept, peak = traced(photographs)
    few, kept_of_few, peak_of_few = traced(write_zeros(tmp_path / "few.npy.d", 33_334, 1))
    assert len(few.tables["x"]) == len(store.tables["x"])
    spare = 0.25 * (len(store) - len(few))  # bytes a sample
    assert kept < kept_of_few + spare
    assert peak < peak_of_few + spare


@pytest.mark.parametrize("number", [0, 41, 42, 700_000, PHOTOGRAPHS - 1])
def test_a_sample_of_275_gb_is_read(photographs, number):
    x, y = seekless.open(photographs)[number]
    assert (x.shape, x.dtype, x.any()) == ((256, 256, 3), np.uint8, False)
    assert (y, y.dtype) == (0, np.int64)


def test_a_store_of_20000_chunks_keeps_some_bytes_a_block(chunks):
    store, kept, peak = traced(chunks)
    blocks = sum(map(len, store.tables.values()))
    assert len(store.tables["x"]) == CHUNKS
    assert 20 * blocks < kept < KEPT * blocks
    assert peak < PEAK * blocks


def test_20000_chunks_lie_where_hdf5_says(chunks):
    store = seekless.open(chunks)
    table = store.tables["x"]
    with h5py.File(chunks) as file:
        dataset = file["x"]
        assert dataset.id.get_num_chunks() == len(table)
        for index in (0, 1, 31, 32, CHUNKS // 2 - 1, CHUNKS - 2, CHUNKS - 1):
            told = dataset.id.get_chunk_info(index)
            block, first = told.chunk_offset[0] // CHUNK_LENGTH, told.chunk_offset[0]
            assert (table.offset[block], table.nbytes[block]) == (told.byte_offset, told.size)
            for sample in (first, min(first + CHUNK_LENGTH, len(store)) - 1):
                x = np.repeat(np.array(sample, "<i8"), 8).tobytes()
                assert store[sample].tobytes() == dataset[sample].tobytes() == x

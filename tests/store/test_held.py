"""A store is a source of single samples in any order: for threads, other processes, Grain and PyTorch."""

import multiprocessing
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import seekless
from seekless.errors import StoreFormatError
from seekless.store import held as module
from seekless.store.blocks import BlockReader

NEEDS_GRAIN = "Grain is not installed"
NEEDS_TORCH = "PyTorch is not installed"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (300, 5, 4), dtype=np.uint8), rng.integers(0, 7, 300)


@pytest.fixture
def store(tmp_path, arrays):
    """300 samples in order, 19 blocks of x."""
    path = tmp_path / "a.h5"
    seekless.write(path, x=arrays[0], y=arrays[1], shuffle=False, block_bytes=16 * 20, compression="gzip")
    return seekless.open(path)


@pytest.fixture
def reads(monkeypatch):
    """How many blocks of x are read."""
    found, read = [], BlockReader.read

    def counting(self, ranges, *arguments, **how):
        found.extend(ranges if self.table.field.name == "x" else [])
        return read(self, ranges, *arguments, **how)

    monkeypatch.setattr(BlockReader, "read", counting)
    return found


def right(store, arrays, number) -> bool:
    x, y = store[number]
    return bool((x == arrays[0][number]).all()) and x.dtype == np.uint8 and y == arrays[1][number]


def test_samples_come_in_any_order_and_a_block_is_read_once(store, arrays, reads):
    for number in np.random.default_rng(1).permutation(300).tolist():
        assert right(store, arrays, number)
    assert len(store.tables["x"]) == len(reads) == 19


def test_what_is_held_is_bounded(store, arrays, reads, monkeypatch):
    monkeypatch.setattr(module, "HELD_BYTES", 5000)  # y is a block of 300 bytes or more
    for number in [*range(300), 299, 0]:
        assert right(store, arrays, number)
    assert len(reads) == 20
    monkeypatch.setattr(module, "HELD_BYTES", 1)
    assert all(right(store, arrays, number) for number in (5, 6, 100))


def test_several_inputs_come_by_name(tmp_path, arrays):
    seekless.write(tmp_path / "two.h5", {"a": arrays[0], "b": arrays[1]}, shuffle=False, compression="gzip")
    x = seekless.open(tmp_path / "two.h5")[17]
    assert (x["a"] == arrays[0][17]).all()
    assert x["b"] == arrays[1][17]


def test_numbers_of_numpy_and_from_the_end_will_do(store, arrays):
    assert (store[np.int64(7)][0] == arrays[0][7]).all()
    assert (store[-1][0] == arrays[0][299]).all()


def test_a_sample_is_the_callers_own(store, arrays):
    store[3][0][:] = 0
    assert right(store, arrays, 3)
    assert store[3][0].base is None or store[3][0].base.size == store[3][0].size  # no block stays alive with it


def test_threads_may_share_a_store(store, arrays):
    numbers = np.random.default_rng(2).integers(0, 300, 400).tolist()
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda number: right(store, arrays, number), numbers))


def test_a_copy_by_pickle_carries_no_block(store, arrays):
    empty = len(pickle.dumps(store))
    assert right(store, arrays, 0)
    assert len(pickle.dumps(store)) == empty
    assert right(pickle.loads(pickle.dumps(store)), arrays, 200)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_a_fork_reads_on_although_a_lock_was_held(store):
    store[0]
    queue = multiprocessing.get_context("fork").Queue()
    with store._held._lock:
        child = multiprocessing.get_context("fork").Process(target=lambda: queue.put(store[1][0].tolist()))
        child.start()
    assert queue.get(timeout=60) == store[1][0].tolist()
    child.join(60)


def test_a_damaged_block_is_named(store):
    with open(store.path, "r+b") as file:
        file.seek(int(store.tables["x"].offset[3]))
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    for _ in range(2):
        with pytest.raises(StoreFormatError, match=r"a\.h5: block 3 of x is damaged"):
            store[3 * 16]


def scaled(sample):
    x, y = sample
    return np.divide(x, 255, dtype=np.float32), y


def test_grain_takes_a_store(store, arrays):
    grain = pytest.importorskip("grain", reason=NEEDS_GRAIN)
    shuffled = grain.MapDataset.source(store).seed(1).shuffle().map(scaled).batch(32)
    found = [batch for epoch in range(2) for batch in shuffled.slice(slice(0, 10)).to_iter_dataset()]
    x, y = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert x.dtype == np.float32
    expected = np.divide(arrays[0], 255, dtype=np.float32)
    rows = {sample.tobytes(): number for number, sample in enumerate(expected)}
    numbers = [rows[sample.tobytes()] for sample in x]
    assert sorted(numbers) == sorted([*range(300), *range(300)])
    assert y.tolist() == arrays[1][numbers].tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_map_style_loader_of_pytorch_takes_a_store(store, arrays, workers):
    torch = pytest.importorskip("torch", reason=NEEDS_TORCH)
    context = ("fork" if sys.platform == "linux" else "spawn") if workers else None
    loader = torch.utils.data.DataLoader(store, 32, num_workers=workers, multiprocessing_context=context)
    x, y = (torch.cat(parts).numpy() for parts in zip(*loader, strict=True))
    assert (x == arrays[0]).all()
    assert (y == arrays[1]).all()

"""A DataLoader over a store gives the Sequence's batches, each once an epoch, with any number of workers."""

import pickle
import sys

import numpy as np
import pytest

import seekless
from seekless.errors import MissingExtraError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch.utils.data import DataLoader  # noqa: E402

from seekless.loader.torch import share  # noqa: E402
from seekless.store.blocks import BlockReader  # noqa: E402

# The loader's, on a machine of few cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
BATCH = 10


@pytest.fixture
def sequence(numbered):
    """Return a function that makes a StoreSequence of 41 batches, the last of 3 samples, in 7 windows."""

    def make(batch_size=BATCH, **options):
        return seekless.StoreSequence(
            numbered.store, batch_size, **{"dtype": None, "window_bytes": numbered.window_bytes, "seed": 1, **options}
        )

    return make


def bits(batches):
    """Batches in a form that is equal where they are the same bit for bit."""
    arrays = [batch if isinstance(batch, (tuple, list)) else (batch,) for batch in batches]
    return [[(a.dtype, a.shape, a.tobytes()) for a in map(np.ascontiguousarray, batch)] for batch in arrays]


def loader(sequence, workers=0, **options):
    if workers:
        options = {"multiprocessing_context": "fork" if sys.platform == "linux" else "spawn", **options}
    return DataLoader(sequence.to_torch(), None, num_workers=workers, **options)


def shifted(x, y, rng):
    return np.broadcast_to(rng.random(dtype=np.float32), (len(x), 2)), y[::-1] + rng.integers(9)


OPTIONS = {
    "stored values": {},
    "float32": {"dtype": "float32"},
    "float64": {"dtype": "float64"},
    "batch": {"shuffle": "batch"},
    "full": {"shuffle": "full"},
    "in order": {"shuffle": False},
    "a part": {"split": (0.2, 0.7)},
    "dropped": {"drop_remainder": True},
    "a rank": {"shard": (1, 3)},
    "transformed": {"transform": shifted, "dtype": "float32"},
    "one batch": {"batch_size": 1000},
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_gives_the_sequences_batches_epoch_after_epoch(sequence, options, workers):
    held, loaded = sequence(**options), loader(sequence(**options), workers)
    assert len(loaded) == len(held)
    for _ in range(2):
        assert bits(loaded) == bits(held)


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "new workers"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_several_workers_give_each_batch_once(sequence, options, persistent):
    held, loaded = sequence(**options), loader(sequence(**options), 3, persistent_workers=persistent)
    for _ in range(3):
        found, expected = bits(loaded), bits(held)
        assert sorted(found) == sorted(expected)
        if not options.get("shuffle", True):
            assert found == expected


def test_workers_that_are_spawned_agree_too(sequence):
    held = sequence()
    loaded = loader(sequence(), 2, multiprocessing_context="spawn", persistent_workers=True)
    for _ in range(2):
        assert sorted(bits(loaded)) == sorted(bits(held))


def test_the_order_with_several_workers_is_the_same_each_time(sequence):
    one, other = (bits(loader(sequence(), 2)) for _ in range(2))
    assert one == other
    whole = bits(sequence())
    assert one[::2][:20] == whole[:20]  # the first worker's run
    assert one[1::2][:20] == whole[20:40]


def test_loaders_seeded_alike_still_go_on_with_the_epochs(sequence):
    held, dataset = sequence(), sequence().to_torch()
    for workers in (2, 2, 0, 3):
        generator = torch.Generator().manual_seed(7)
        loaded = DataLoader(dataset, None, num_workers=workers, generator=generator)
        assert sorted(bits(loaded)) == sorted(bits(held))


def test_an_iteration_that_is_cut_is_over(sequence):
    held, loaded = sequence(), loader(sequence(), 2)
    iterator = iter(loaded)
    next(iterator)
    del iterator
    list(held)
    assert sorted(bits(loaded)) == sorted(bits(held))


def test_ranks_share_the_samples(sequence, numbered):
    for _ in range(2):
        found = []
        for rank in range(3):
            batches = list(loader(sequence(shard=(rank, 3)), 2))
            assert len(batches) == 14
            found += [number for batch in batches for number in numbered.numbers(batch)]
        assert sorted(found) == list(range(403))


def test_restored_it_gives_the_rest_and_then_whole_epochs(sequence):
    held, other = sequence(), sequence(seed=5)
    for restored in (held, other):
        restored.restore(held.state_at(2, 30))
    loaded = loader(other, 2)
    assert len(loaded) == 11
    assert sorted(bits(loaded)) == sorted(bits(held))
    assert len(loaded) == 41
    assert sorted(bits(loaded)) == sorted(bits(held))
    assert (other.upcoming, len(other)) == ((2, 30), 11)  # the Sequence stands where it stood


def test_a_copy_by_pickle_goes_on_by_itself(sequence):
    held, dataset = sequence(), sequence().to_torch()
    list(held)
    list(dataset)
    copy = pickle.loads(pickle.dumps(dataset))
    whole = bits(held)
    assert bits(dataset) == bits(copy) == whole


def test_without_targets_x_comes_alone(make_store):
    store = make_store(np.arange(40, dtype=np.uint8).reshape(-1, 1))
    found = list(loader(seekless.StoreSequence(store, 16, shuffle=False)))
    assert [type(x) for x in found] == [torch.Tensor] * 3
    assert found[0].ravel().tolist() == list(range(16))


@pytest.mark.parametrize("workers", [0, 2])
def test_several_inputs_come_by_name(tmp_path, workers):
    image, depth = np.arange(600, dtype=np.uint8).reshape(100, 6), np.arange(100, dtype=np.float32)
    path = tmp_path / "two.h5"
    seekless.write(path, {"image": image, "depth": depth}, y=np.arange(100), compression="none")
    found = list(loader(seekless.StoreSequence(path, 16, dtype=None), workers))
    for x, y in found:
        assert (x["image"].numpy() == image[y.numpy()]).all()
        assert (x["depth"].numpy() == depth[y.numpy()]).all()
    assert sorted(number for _, y in found for number in y.tolist()) == list(range(100))


def test_tensors_are_the_batches_themselves(sequence, monkeypatch):
    held, made = sequence(), []
    monkeypatch.setattr(held._maker, "epoch", lambda *_: iter(made))
    made.append((np.zeros((3, 2), np.float32), np.arange(3)))
    x, y = next(iter(held.to_torch()))
    assert (x.data_ptr(), y.data_ptr()) == tuple(array.ctypes.data for array in made[0])


def test_processes_for_the_transform_are_used_by_a_loader_without_workers_alone(sequence):
    options = {"transform": shifted, "use_multiprocessing": True, "workers": 2}
    for workers in (0, 1):
        assert bits(loader(sequence(**options), workers)) == bits(sequence(transform=shifted))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_read_each_window_once_but_where_their_runs_meet(sequence, monkeypatch, workers):
    windows, read = [], BlockReader.read

    def counting(self, ranges, **how):
        if self.table.field.name == "x":
            windows.append(tuple(ranges))
        return read(self, ranges, **how)

    monkeypatch.setattr(BlockReader, "read", counting)
    made, steps = sequence()._maker, []
    for worker in range(workers):
        first, last = share(0, 41, worker, workers, shuffled=True)
        steps += range(first, last)
        list(made.epoch(0, first, last))
    assert steps == list(range(41))
    assert len(set(windows)) == 7
    assert len(windows) <= 7 + workers - 1


@pytest.fixture
def damaged(numbered):
    """Flip a bit in block 20."""
    with open(numbered.store.path, "r+b") as file:
        offset = int(numbered.store.tables["x"].offset[20])
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


@pytest.mark.usefixtures("damaged")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_block_is_named(sequence, workers):
    with pytest.raises(seekless.StoreError, match=r"numbered\.h5: block 20 of x is damaged"):
        list(loader(sequence(), workers))


def test_no_thread_is_left_of_an_iteration_that_is_cut(sequence, reading):
    iterator = iter(loader(sequence()))
    next(iterator)
    del iterator
    assert not reading()


def test_without_pytorch_the_extra_is_named(sequence, monkeypatch):
    monkeypatch.setitem(sys.modules, "seekless.loader.torch", None)
    with pytest.raises(MissingExtraError, match=r'found no PyTorch .* pip install "seekless\[torch\]"'):
        sequence().to_torch()

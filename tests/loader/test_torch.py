"""A DataLoader over a store gives the Sequence's batches, each once an epoch, with any number of workers."""

import pickle
import sys

import numpy as np
import pytest
from kit.batches import OPTIONS, bits

import seekless

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch.utils.data import DataLoader  # noqa: E402

from seekless.loader.torch import share  # noqa: E402
from seekless.store.blocks import BlockReader  # noqa: E402

# The loader's, on a machine of few cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def loader(sequence, workers=0, **options):
    if workers:
        options = {"multiprocessing_context": "fork" if sys.platform == "linux" else "spawn", **options}
    return DataLoader(sequence.to_torch(), None, num_workers=workers, **options)


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


@pytest.mark.usefixtures("damaged")
def test_workers_name_a_damaged_block(sequence):
    with pytest.raises(seekless.StoreError, match=r"numbered\.h5: block 20 of x is damaged"):
        list(loader(sequence(), 2))

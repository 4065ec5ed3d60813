"""What a Sequence is to other libraries: its batches bit for bit, epoch after epoch, from TensorFlow and PyTorch."""

import sys

import numpy as np
import pytest
from kit.batches import OPTIONS, bits, shifted

import seekless
from seekless.errors import MissingExtraError


class AsArrays:
    """Batches of another library as NumPy arrays, an epoch each time they are gone through."""

    def __init__(self, length: int, begin):
        self._length, self._begin = length, begin

    def __len__(self):
        return self._length

    def __iter__(self):
        return self._begin()


def of_tensorflow(sequence):
    dataset = sequence.to_tf_dataset()
    return AsArrays(int(dataset.cardinality()), dataset.as_numpy_iterator)


def of_torch(sequence, workers=0):
    from torch.utils.data import DataLoader

    context = {"multiprocessing_context": "fork" if sys.platform == "linux" else "spawn"} if workers else {}
    loaded = DataLoader(sequence.to_torch(), None, num_workers=workers, **context)
    return AsArrays(len(loaded), lambda: iter(loaded))


FACES = {
    "tensorflow": of_tensorflow,
    "torch": of_torch,
    "torch, a worker": lambda sequence: of_torch(sequence, 1),
}


@pytest.fixture(params=FACES)
def face(request, monkeypatch):
    """Return a function that gives a Sequence's batches by way of another library."""
    library = request.param.partition(",")[0]
    pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "tensorflow":
        from seekless.loader import tensorflow

        monkeypatch.setattr(tensorflow, "SLAB_BYTES", 50 * 12)  # of several batches, and several an epoch
    return FACES[request.param]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_gives_the_sequences_batches_epoch_after_epoch(face, sequence, options):
    held, other = sequence(**options), face(sequence(**options))
    assert len(other) == len(held)
    for _ in range(3):
        assert bits(other) == bits(held)


def test_an_iteration_that_is_cut_is_over(face, sequence):
    held, other = sequence(), face(sequence())
    iterator = iter(other)
    next(iterator)
    del iterator
    list(held)
    assert bits(other) == bits(held)


def test_restored_it_gives_the_rest_of_its_epoch(face, sequence):
    held, other = sequence(), sequence(seed=5)
    state = held.state_at(2, 30)
    for restored in (held, other):
        restored.restore(state)
    other = face(other)
    assert len(other) == 11
    assert bits(other) == bits(held)


@pytest.mark.parametrize("dtype", ["float32", None], ids=str)
@pytest.mark.parametrize("transform", [None, lambda x, y, rng: (x + 1, y)], ids=["plain", "transformed"])
def test_without_targets_x_comes_alone(face, make_store, dtype, transform):
    store = make_store(np.arange(40, dtype=np.uint8).reshape(-1, 1))
    held, other = (seekless.StoreSequence(store, 16, dtype=dtype, transform=transform) for _ in range(2))
    assert bits(face(other)) == bits(held)


@pytest.fixture
def two_inputs(tmp_path):
    """300 samples of a picture and of seven numbers, with weights."""
    rng = np.random.default_rng(0)
    x = {"image": rng.integers(0, 256, (300, 5, 5, 3), dtype=np.uint8), "depth": rng.random((300, 7), dtype=np.float32)}
    path = tmp_path / "two.h5"
    seekless.write(path, x, y=rng.integers(0, 4, 300), sample_weight=rng.random(300, dtype=np.float32))
    return path


def two_outputs(x, y, rng):
    return {**x, "depth": x["depth"] + rng.random(dtype=np.float32)}, {"class": y, "odd": y % 2}


TWO = {
    "float32": {},
    "stored values": {"dtype": None},
    "float16": {"dtype": "float16"},
    "one-hot, dropped": {"one_hot": True, "drop_remainder": True},
    "transformed": {"transform": two_outputs},
}


@pytest.mark.parametrize("options", TWO.values(), ids=TWO)
def test_several_inputs_come_by_name(face, two_inputs, options):
    held, other = (seekless.StoreSequence(two_inputs, 32, **options) for _ in range(2))
    other = face(other)
    for _ in range(2):
        assert bits(other) == bits(held)


def test_processes_for_the_transform_change_no_batch(face, sequence):
    other = face(sequence(transform=shifted, use_multiprocessing=True, workers=2))
    assert bits(other) == bits(sequence(transform=shifted))


@pytest.mark.usefixtures("damaged")
def test_a_damaged_block_is_named(face, sequence):
    # TensorFlow raises an error of its own, with the text of ours in it.
    with pytest.raises(Exception, match=r"numbered\.h5: block 20 of x is damaged"):
        list(face(sequence(shuffle=False)))


def test_no_thread_is_left_of_an_iteration_that_is_cut(face, sequence, reading):
    other = face(sequence())
    iterator = iter(other)
    next(iterator)
    del iterator
    assert not reading()
    list(other)
    assert not reading()


MISSING = {
    "tensorflow": ("to_tf_dataset", "tensorflow", r'found no TensorFlow .* pip install "seekless\[tensorflow\]"'),
    "torch": ("to_torch", "seekless.loader.torch", r'found no PyTorch .* pip install "seekless\[torch\]"'),
}


@pytest.mark.parametrize(("method", "module", "message"), MISSING.values(), ids=MISSING)
def test_without_the_library_the_extra_is_named(sequence, monkeypatch, method, module, message):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=message):
        getattr(sequence(), method)()

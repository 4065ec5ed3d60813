"""Stores for the loader's tests, and a watch on its threads."""

import gc
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from kit.arrays import write_arrays
from kit.threads import reading_threads

import seekless
from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header, label_block_length


@pytest.fixture
def make_store(tmp_path: Path):
    """Return a function that writes arrays, as stored, to a store, and opens it."""

    def make(
        x,
        y=None,
        *,
        block=7,
        divisor=1,
        scale=1,
        logical=None,
        kind="class",
        boundaries=(),
        shuffled=False,
        name="made.h5",
    ):
        fields = {
            "x": Field(
                "x", x.shape[1:], Encoding(x.dtype, np.dtype(logical or x.dtype), divisor), min(block, len(x)), scale
            )
        }
        values = {"x": x}
        if y is not None:
            fields["y"] = Field("y", y.shape[1:], Encoding(y.dtype, y.dtype), label_block_length(y.itemsize, len(y)))
            values["y"] = y
        classes = int(y.max()) + 1 if y is not None and kind == "class" else 0
        header = Header(len(x), fields, shuffled, 0, "test", boundaries, kind if y is not None else "", classes)
        return seekless.open(write_arrays(tmp_path / name, header, values))

    return make


@dataclass(frozen=True)
class Numbered:
    """A store of 403 samples, each of which shows its number, so that a batch tells which samples it holds.

    Attributes:
        store: Open; x is uint16 (403, 3, 2) in blocks of 7, the sample's number in each value; y is the number times 3.
        window_bytes: A window of 60 samples.
    """

    store: seekless.Store
    window_bytes: int = 60 * 12

    def numbers(self, batch) -> list[int]:
        """Return which samples a batch of unscaled values holds; each x must stand beside its own y."""
        x, y = (np.asarray(array) for array in batch)
        numbers: npt.NDArray[np.int64] = x[:, 0, 0].astype(np.int64)
        assert (x == numbers[:, None, None]).all()
        assert y.tolist() == (numbers * 3).tolist()
        return numbers.tolist()


@pytest.fixture
def numbered(make_store) -> Numbered:
    """A store whose samples show their numbers; of many blocks and windows, and a short last batch for most sizes."""
    number = np.arange(403)
    x = np.broadcast_to(number[:, None, None], (403, 3, 2)).astype(np.uint16)
    return Numbered(make_store(x, number * 3, kind="number", name="numbered.h5"))


@pytest.fixture
def sequence(numbered):
    """Return a function that makes a StoreSequence of 41 batches, the last of 3 samples, in 7 windows."""

    def make(batch_size=10, **options):
        return seekless.StoreSequence(
            numbered.store, batch_size, **{"dtype": None, "window_bytes": numbered.window_bytes, **options}
        )

    return make


@pytest.fixture
def epochs(numbered):
    """Return a function that gives the batches of epochs as they should be."""

    def expected(*numbers, batch_size=10, **options):
        options = {"dtype": None, "window_bytes": numbered.window_bytes, **options}
        return [batch for epoch in numbers for batch in numbered.store.batches(batch_size, epoch=epoch, **options)]

    return expected


@pytest.fixture
def damage():
    """Return a function that flips a bit in the middle of a block of x, where the checks at opening do not look."""

    def flip(store: seekless.Store, block: int) -> None:
        table = store.tables["x"]
        offset = int(table.offset[block] + table.nbytes[block] // 2)
        with open(store.path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    return flip


@pytest.fixture
def damaged(numbered, damage):
    """Flip a bit in block 20, which no window that comes early in the store's order holds."""
    damage(numbered.store, 20)


@pytest.fixture
def reading():
    """Return a function that lists the threads that read ahead; those that are ending have some seconds to end."""

    def threads(patience: float = 5) -> list[threading.Thread]:
        if reading_threads():
            gc.collect()  # costs 0.3 s with TensorFlow loaded
        end = time.monotonic() + patience
        while reading_threads() and time.monotonic() < end:
            time.sleep(0.005)
        return reading_threads()

    return threads


@pytest.fixture(autouse=True)
def _no_thread_is_left(reading):
    yield
    if reading_threads() and "keras" in sys.modules:
        # TensorFlow's default graph holds every dataset that a model was given, until the session is cleared.
        sys.modules["keras"].backend.clear_session()
    assert not reading()

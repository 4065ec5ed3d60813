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

import seekless
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
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
        with HDF5Writer(tmp_path / name, header) as writer:
            for field, array in values.items():
                for start in range(0, len(array), fields[field].block_length):
                    part = array[start : start + fields[field].block_length]
                    whole = np.zeros((fields[field].block_length, *part.shape[1:]), part.dtype)
                    whole[: len(part)] = part
                    writer.append(field, whole.tobytes())
        return seekless.open(tmp_path / name)

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


def _reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("seekless-read")]


@pytest.fixture
def reading():
    """Return a function that lists the threads that read ahead; those that are ending have some seconds to end."""

    def threads(patience: float = 5) -> list[threading.Thread]:
        if _reading():
            gc.collect()  # costs 0.3 s with TensorFlow loaded
        end = time.monotonic() + patience
        while _reading() and time.monotonic() < end:
            time.sleep(0.005)
        return _reading()

    return threads


@pytest.fixture(autouse=True)
def _no_thread_is_left(reading):
    yield
    if _reading() and "keras" in sys.modules:
        # TensorFlow's default graph holds every dataset that a model was given, until the session is cleared.
        sys.modules["keras"].backend.clear_session()
    assert not reading()

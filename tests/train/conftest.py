"""A small store that a LeNet learns within seconds, others that it cannot take, and processes that train together."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kit.arrays import write_arrays

from seekless.store.encoding import Encoding
from seekless.store.schema import Field, Header

SIDE, CLASSES = 8, 4
LIMIT = 240  # seconds; ranks that take longer hang


@pytest.fixture
def make_store(tmp_path: Path):
    """Return a function that writes arrays to a store, as 8-bit pictures where they are uint8, and returns its path."""

    def make(
        x, y=None, *, block=7, kind="class", boundaries=(), name="data.h5", keys=None, shuffled=True, class_names=None
    ):
        scale = 255 if x.dtype == np.uint8 else 1
        fields = {"x": Field("x", x.shape[1:], Encoding(x.dtype, x.dtype), min(block, len(x)), scale)}
        values = {"x": x}
        if y is not None:
            fields["y"] = Field("y", y.shape[1:], Encoding(y.dtype, y.dtype), len(y))
            values["y"] = y
        if keys is not None:
            values["key"] = np.array([key.encode() for key in keys])
            fields["key"] = Field("key", (), Encoding(values["key"].dtype, values["key"].dtype), 9)
        classes = int(y.max()) + 1 if y is not None and kind == "class" else 0
        target_kind = kind if y is not None else ""
        header = Header(len(x), fields, shuffled, 0, "test", boundaries, target_kind, classes, class_names)
        return write_arrays(tmp_path / name, header, values)

    return make


@pytest.fixture
def quick(monkeypatch):
    """Let "lenet" be one dense layer, and let no picture be drawn: both take most of the time of a short training."""
    import keras

    from seekless.train import result, run
    from seekless.train.models import MODELS

    def dense(shape, outputs, linear=False):
        activation = "linear" if linear else "softmax"
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(outputs, activation=activation)]
        return keras.Sequential(layers)

    monkeypatch.setitem(MODELS, "lenet", dense)
    monkeypatch.setattr(run, "draw_history", lambda *arguments, **words: None)
    monkeypatch.setattr(result, "draw_confusion", lambda *arguments: None)


@pytest.fixture
def learnable(make_store):
    """Return a function that makes a store of 8 x 8 pictures whose class is which pair of rows holds a bright one."""

    def make(count=400, **options) -> Path:
        random = np.random.default_rng(5)
        y = random.integers(0, CLASSES, count)
        y[:CLASSES] = range(CLASSES)
        x = random.integers(0, 60, (count, SIDE, SIDE)).astype(np.uint8)
        x[np.arange(count), 2 * y] = 250
        return make_store(x, y, **options)

    return make


@pytest.fixture
def numbered(make_store):
    """Return a function that makes a store whose samples show their numbers in 16 bits, 4 x 4, class by number."""

    def make(count=130, **options) -> Path:
        x = np.broadcast_to(np.arange(count)[:, None, None], (count, 4, 4)).astype(np.uint16)
        return make_store(x, np.arange(count) % 3, **options)

    return make


@pytest.fixture(params=["tensorflow", "jax", "torch"])
def backend(request) -> str:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def environments(backend: str, count: int) -> list[dict[str, str]]:
    """Return what each process finds in its environment, as the launchers of the backends set it."""
    ports = free_ports(count)
    shared = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
    if backend == "tensorflow":
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        return [
            {**shared, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})}
            for rank in range(count)
        ]
    if backend == "jax":
        names = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{ports[0]}",
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
        }
        return [{**shared, **names, "KERAS_DISTRIBUTION_PROCESS_ID": str(rank)} for rank in range(count)]
    names = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0]), "WORLD_SIZE": str(count)}
    return [{**shared, **names, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def run_ranks(
    arguments: list[str], backend: str, count: int, folder: Path, *, wait_for: int | None = None
) -> list[tuple[int, str]]:
    """Run processes side by side; return the exit code of each, or of the first few, and what it said."""
    logs = [folder / f"log-{number}.txt" for number in range(count)]
    processes = []
    try:
        for log, environment in zip(logs, environments(backend, count), strict=True):
            with open(log, "wb") as file:
                started = subprocess.Popen(
                    [sys.executable, *arguments], env=environment, cwd=folder, stdout=file, stderr=subprocess.STDOUT
                )
            processes.append(started)
        codes = [process.wait(LIMIT) for process in processes[:wait_for]]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [(code, log.read_text(errors="replace")) for code, log in zip(codes, logs, strict=False)]


@pytest.fixture
def run() -> Callable[..., list[tuple[int, str]]]:
    """Give the function that runs ranks side by side."""
    return run_ranks

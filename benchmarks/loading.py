"""What is measured of a loader, each in a process of its own: python loading.py WHAT OPTIONS-AS-JSON prints JSON."""

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

__all__ = ["MEASURES"]

BATCH = 256


def warm(store: str, repeats: int, **options: Any) -> dict[str, Any]:
    """Epochs in turn with the floor: NumPy scaling slices of an array in memory into one buffer that is used again."""
    import seekless

    sequence = seekless.StoreSequence(store, BATCH, seed=1, **options)
    x = sequence.store.read("x", 0, len(sequence.store))
    out = np.zeros((BATCH, *x.shape[1:]), np.float32)

    def floor() -> None:
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            np.divide(part, 255, out=out[: len(part)], dtype=np.float32)

    def epoch() -> None:
        for _ in sequence:
            pass

    epoch()  # the first reads and checks
    times = _in_turn({"floor": floor, "loader": epoch}, repeats)
    shares = [a / b for a, b in zip(times["floor"], times["loader"], strict=True)]
    return {"seconds": statistics.median(times["loader"]), "share": statistics.median(shares), "best": max(shares)}


def epoch(store: str, keras: bool = True, **options: Any) -> dict[str, Any]:
    """One epoch: seconds, the first batch, the longest wait behind it, and the most memory; with or without Keras."""
    import seekless
    from seekless.store.codecs import CODECS, codec_named

    batches = seekless.StoreSequence if keras else seekless.batches
    for codec in CODECS:
        codec_named(codec)  # imports its library
    before = _memory()
    watch = _Watch()
    start = last = time.perf_counter()
    waits = []
    for _ in batches(store, options.pop("batch", BATCH), **options):
        now = time.perf_counter()
        waits.append(now - last)
        last = now
    return {
        "seconds": last - start,
        "first": waits[0],
        "wait": max(waits[1:], default=0.0),
        "before": before,
        "peak": watch.stop(),
    }


def first(store: str) -> dict[str, Any]:
    """The time from the import to the first batch."""
    import seekless

    sequence_type = seekless.StoreSequence  # imports Keras
    start = time.perf_counter()
    next(iter(sequence_type(store, BATCH)))
    return {"seconds": time.perf_counter() - start}


def fit(store: str, model: str, batch: int, epochs: int, turns: int) -> dict[str, Any]:
    """Seconds of an epoch of `fit` from arrays, from the store, and from the store in its order; in turn."""
    import keras

    import seekless

    opened = seekless.open(store)
    x = (opened.read("x", 0, len(opened)) / np.float32(255)).astype(np.float32)
    y = np.asarray(opened["y"])
    train = seekless.StoreSequence(opened, batch, seed=1)
    models = {name: _model(model, x.shape[1:], keras) for name in ("arrays", "store")}
    runs: dict[str, Callable[[list[Any]], Any]] = {
        "arrays": lambda calls: models["arrays"].fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=calls),
        "store": lambda calls: models["store"].fit(train, epochs=epochs, verbose=0, callbacks=calls),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name, run in runs.items():
            clock = _EpochClock()
            run([keras.callbacks.LambdaCallback(on_epoch_begin=clock.begin, on_epoch_end=clock.end)])
            if turn:  # the first compiles and reads
                times[name] += clock.seconds[1:] or clock.seconds
    ratios = statistics.median(times["store"]) / statistics.median(times["arrays"])
    return {**{name: statistics.median(found) for name, found in times.items()}, "ratio": ratios}


def train(store: str, epochs: int, batch: int = 64) -> dict[str, Any]:
    """Train a dense layer with all defaults: seconds and most memory of each epoch, and what bounds it."""
    import keras

    import seekless
    from seekless.loader.options import WINDOW_BYTES

    sequence = seekless.StoreSequence(store, batch)
    x = sequence.store.header.fields["x"]
    before = _memory()
    model = _model("dense", x.sample_shape, keras)
    clock, peaks = _EpochClock(), []
    watch = _Watch()
    for _ in range(epochs):
        calls = keras.callbacks.LambdaCallback(on_epoch_begin=clock.begin, on_epoch_end=clock.end)
        model.fit(sequence, verbose=0, callbacks=[calls])
        peaks.append(watch.most())
    watch.stop()
    values = x.sample_bytes // x.dtype.itemsize
    return {
        "seconds": clock.seconds,
        "peaks": peaks,
        "before": before,
        "window": WINDOW_BYTES,
        "batch": batch * values * 4,
    }


def cold_fit(store: str, shuffle: bool) -> dict[str, Any]:
    """Seconds of the first epoch of `fit` with a small model, all else by default."""
    import keras

    import seekless

    options = {} if shuffle else {"shuffle": False}
    sequence = seekless.StoreSequence(store, BATCH, **options)
    model = _model("dense", sequence.store.shape[1:], keras)
    clock = _EpochClock()
    model.fit(
        sequence,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=clock.begin, on_epoch_end=clock.end)],
    )
    return {"seconds": clock.seconds[0]}


def dd(file: str) -> dict[str, Any]:
    """Seconds to read a file from end to end, as dd does with bs=1M."""
    buffer = bytearray(1 << 20)
    start = time.perf_counter()
    with open(file, "rb", buffering=0) as raw:
        while raw.readinto(buffer):
            pass
    return {"seconds": time.perf_counter() - start}


def _model(kind: str, shape: tuple[int, ...], keras: Any) -> Any:
    from seekless.train.models import MODELS

    keras.utils.set_random_seed(1)
    if kind == "dense":
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
        model = keras.Sequential(layers)
    else:
        model = MODELS[kind](shape, 10)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class _EpochClock:
    """Notes how long Keras' epochs take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._start = 0.0

    def begin(self, *_: Any) -> None:
        self._start = time.perf_counter()

    def end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._start)


class _Watch:
    """Looks at the anonymous and shared memory of this process many times a second."""

    def __init__(self) -> None:
        self._most = _memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, _memory())

    def most(self) -> int:
        """Return the most bytes that were seen."""
        return self._most

    def stop(self) -> int:
        """Stop looking, and return the most bytes that were seen."""
        self._over.set()
        self._thread.join()
        return max(self._most, _memory())


def _memory() -> int:
    """Return bytes of anonymous and shared memory; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = [line.split() for line in status.read_text().splitlines()]
    return sum(int(line[1]) << 10 for line in lines if line[0] in ("RssAnon:", "RssShmem:"))


def _in_turn(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


MEASURES = {measure.__name__: measure for measure in (warm, epoch, first, fit, train, cold_fit, dd)}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](**json.loads(sys.argv[2]))))

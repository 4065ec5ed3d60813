"""An epoch of `fit` from a store, by the Sequence and by `to_tf_dataset()`, against `fit` on arrays in memory.

    python benchmarks/tf_dataset.py [--samples 60000] [--batch 64 --batch 512] [--repeats 7] [--json FILE]

Pictures of 28x28 uint8 at random, ten classes, a dense layer, TensorFlow. The store is read before, so that all is in
memory; the arrays are float32 already. The three take turns in one process, each with a model of its own.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import click
import numpy as np
from machine import report

import seekless

Fit = Callable[[Any], Any]


def dense() -> Any:
    """Return a compiled model of one dense layer."""
    import keras

    model = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def ways(path: Path, batch: int) -> dict[str, Fit]:
    """Return what fits a model for an epoch, by name."""
    x, y = seekless.open(path)[:]
    scaled = np.divide(x, 255, dtype=np.float32)
    sequence = seekless.StoreSequence(path, batch)
    dataset = seekless.StoreSequence(path, batch).to_tf_dataset()
    return {
        "arrays": lambda model: model.fit(scaled, y, batch_size=batch, verbose=0),
        "Sequence": lambda model: model.fit(sequence, verbose=0),
        "to_tf_dataset": lambda model: model.fit(dataset, shuffle=False, verbose=0),
    }


def measure(fits: dict[str, Fit], repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Fit in turn; return seconds, and seconds of all cores, of each epoch but the first."""
    models = {name: dense() for name in fits}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in fits}
    for repeat in range(repeats + 1):
        for name, fit in fits.items():
            start, busy = time.perf_counter(), time.process_time()
            fit(models[name])
            if repeat:
                took[name].append((time.perf_counter() - start, time.process_time() - busy))
    return took


def compare(path: Path, batch: int, repeats: int) -> list[dict[str, Any]]:
    """Return a row for each way with its medians."""
    took = measure(ways(path, batch), repeats)
    return [
        {
            "batch": batch,
            "fit from": name,
            "seconds": statistics.median(seconds for seconds, _ in times),
            "least": min(seconds for seconds, _ in times),
            "busy": statistics.median(busy for _, busy in times),
            # Each turn against the arrays of the same turn, so that what else the machine does meets both.
            "of arrays": statistics.median(a[0] / b[0] for a, b in zip(times, took["arrays"], strict=True)),
            "busy of arrays": statistics.median(a[1] / b[1] for a, b in zip(times, took["arrays"], strict=True)),
        }
        for name, times in took.items()
    ]


@click.command()
@click.option("--samples", default=60_000, show_default=True, help="Pictures.")
@click.option("--batch", "batches", default=[64, 512], show_default=True, multiple=True, help="Samples in a batch.")
@click.option("--repeats", default=7, show_default=True, help="Epochs of each, in turn.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(samples: int, batches: tuple[int, ...], repeats: int, to: Path | None) -> None:
    """Compare an epoch from a store with one from arrays."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.h5"
        x = rng.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
        seekless.write(path, x, y=rng.integers(0, 10, samples))
        rows = [row for batch in batches for row in compare(path, batch, repeats)]
    state = f"all in memory; {repeats} epochs of each in turn, medians; busy: seconds of all cores"
    report(f"An epoch of fit on {samples:,} pictures of 28x28, a dense layer", state, rows, to)


if __name__ == "__main__":
    main()

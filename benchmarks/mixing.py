"""How small may a window be where the store is sorted by class? Test accuracy, and what `describe()` says of each.

    python benchmarks/mixing.py [--data FOLDER] [--count 10000] [--seeds 3] [--epochs 5] [--json FILE]

A tenth of the digits is held out. The others are written to a store class by class, the worst order there is. LeNet is
trained from it with "full" shuffle and with windows that hold smaller and smaller shares of the store.
"""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import click
import numpy as np
from accuracy import digits
from machine import report

import seekless
from seekless.store.encoding import Encoding
from seekless.store.hdf5_writer import HDF5Writer
from seekless.store.schema import Field, Header, label_block_length, sample_block_length

SHARES = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]


def write_store(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Write uint8 pictures (n, 28, 28) and classes to a store in the given order, as a conversion would."""
    byte, number = np.dtype("u1"), np.dtype("<i8")
    fields = {
        "x": Field("x", x.shape[1:], Encoding(byte, np.dtype("<f8"), 255), sample_block_length(784, len(x))),
        "y": Field("y", (), Encoding(number, number), label_block_length(8, len(x))),
    }
    header = Header(len(x), fields, False, 0, "benchmarks/mixing.py", (), "class", 10)
    with HDF5Writer(path, header) as writer:
        for field, values in (("x", x), ("y", y.astype(number))):
            block = fields[field].block_length
            padded = np.zeros((-(-len(values) // block) * block, *values.shape[1:]), values.dtype)
            padded[: len(values)] = values
            for start in range(0, len(padded), block):
                writer.append(field, padded[start : start + block].tobytes())


def train(sequence: seekless.StoreSequence, test: tuple[np.ndarray, np.ndarray], seed: int, epochs: int) -> float:
    """Train LeNet; return the test accuracy in percent."""
    import keras

    from seekless.train.models import MODELS

    keras.utils.set_random_seed(seed)
    model = MODELS["lenet"]((28, 28), 10)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(sequence, epochs=epochs, verbose=0)
    return 100 * float(model.evaluate(*test, batch_size=256, verbose=0)[1])


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--count", default=10_000, show_default=True, help="Digits to make where no --data is given.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of each kind.")
@click.option("--epochs", default=5, show_default=True)
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(data: Path | None, count: int, seeds: int, epochs: int, to: Path | None) -> None:
    """Train from a class-sorted store with windows of several sizes."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        x, y = digits(data, count, work)
        held = np.random.default_rng(0).permutation(len(x)) < len(x) // 10
        test = x[held].astype(np.float32), y[held]
        x, y = x[~held], y[~held]
        by_class = np.argsort(y, kind="stable")
        write_store(work / "sorted.h5", np.rint(x[by_class] * 255).astype(np.uint8), y[by_class])
        kinds: list[tuple[str, dict[str, Any]]] = [("full shuffle", {"shuffle": "full"})]
        kinds += [(f"1/{round(1 / s)} of the store", {"window_bytes": round(s * len(x)) * 784}) for s in SHARES]
        rows: list[dict[str, Any]] = []
        for name, options in kinds:
            sequences = [seekless.StoreSequence(work / "sorted.h5", 64, seed=seed, **options) for seed in range(seeds)]
            told = sequences[0].describe()
            scores = [train(sequence, test, seed, epochs) for seed, sequence in enumerate(sequences)]
            row = {"window": name, "labels apart": told.label_distance, "warns": "yes" if told.warning else "no"}
            rows.append({**row, "test accuracy %": statistics.mean(scores), "least": min(scores), "most": max(scores)})
        for row in rows:
            row["difference, points"] = row["test accuracy %"] - rows[0]["test accuracy %"]
        shuffled = sequences[0].describe().shuffled_distance
    title = f"lenet, {len(x):,} class-sorted digits to train, {len(test[1]):,} to test, {epochs} epochs, {seeds} seeds"
    report(title, f"Adam 1e-3, batch 64; labels of a true shuffle are {shuffled:.3f} apart", rows, to)


if __name__ == "__main__":
    main()

"""Does training from a store learn what training from memory learns, also where the files come sorted by class?

    python benchmarks/accuracy.py [--data FOLDER] [--count 10000] [--seeds 3] [--epochs 5] [--json FILE]

A tenth of the digits is held out, the same for all. The others are written as CSV files in random order and once more
class by class; both folders are converted. LeNet is trained from each store through StoreSequence, and from the arrays
in memory by `fit(x, y)`; the same seed gives the same first weights.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import click
import numpy as np
from machine import report

import seekless

HERE = Path(__file__).resolve().parent
Arrays = tuple[np.ndarray, np.ndarray]


def digits(data: Path | None, count: int, work: Path) -> Arrays:
    """Return all digits and their labels, float64 (n, 28, 28) and int64 (n,), in the order of their files."""
    store = seekless.open(digits_store(data, count, work))
    x, y = store[:]
    order = np.argsort(np.array(store.keys))
    return x[order], y[order]


def digits_store(data: Path | None, count: int, work: Path) -> Path:
    """Pack a folder of digits, or as many as are wanted that are drawn here; return the store."""
    if data is None:
        data = work / "data"
        maker = HERE.parent / "data" / "make_digits.py"
        subprocess.run([sys.executable, maker, data, "--count", str(count)], check=True)
    seekless.pack(data, work / "all.h5", progress=False)
    return work / "all.h5"


def write_store(work: Path, name: str, x: np.ndarray, y: np.ndarray) -> Path:
    """Write samples as CSV files in the given order, and convert them."""
    folder = work / name
    (folder / "train").mkdir(parents=True)
    for number, sample in enumerate(x):
        np.savetxt(folder / "train" / f"{number:05d}.csv", sample)
    (folder / "target.csv").write_text("".join(f"{number:05d},{label}\n" for number, label in enumerate(y)))
    seekless.pack(folder, work / f"{name}.h5", progress=False)
    return work / f"{name}.h5"


def train(source: Path | Arrays, test: Arrays, model_name: str, seed: int, epochs: int) -> float:
    """Train from a store or from arrays; return the test accuracy in percent."""
    import keras

    from seekless.train.models import MODELS

    keras.utils.set_random_seed(seed)
    model = MODELS[model_name]((28, 28), 10)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    if isinstance(source, Path):
        model.fit(seekless.StoreSequence(source, 64, seed=seed), epochs=epochs, verbose=0)
    else:
        model.fit(*source, batch_size=64, epochs=epochs, verbose=0)
    return 100 * float(model.evaluate(*test, batch_size=256, verbose=0)[1])


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A folder of train/*.csv and target.csv.")
@click.option("--count", default=10_000, show_default=True, help="Digits to make where no --data is given.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of each kind.")
@click.option("--epochs", default=5, show_default=True)
@click.option("--model", type=click.Choice(["lenet", "lenet-wide"]), default="lenet", show_default=True)
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(data: Path | None, count: int, seeds: int, epochs: int, model: str, to: Path | None) -> None:
    """Compare test accuracies of training from memory, from a store, and from a store of class-sorted files."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        x, y = digits(data, count, work)
        held = np.random.default_rng(0).permutation(len(x)) < len(x) // 10
        test = x[held].astype(np.float32), y[held]
        x, y = x[~held], y[~held]
        by_class = np.argsort(y, kind="stable")
        sources: dict[str, Path | Arrays] = {
            "memory, fit(x, y)": (x.astype(np.float32), y),
            "store": write_store(work, "mixed", x, y),
            "store of class-sorted files": write_store(work, "sorted", x[by_class], y[by_class]),
        }
        rows: list[dict[str, Any]] = []
        for name, source in sources.items():
            scores = [train(source, test, model, seed, epochs) for seed in range(seeds)]
            mean = statistics.mean(scores)
            rows.append({"from": name, "test accuracy %": mean, "least": min(scores), "most": max(scores)})
        for row in rows:
            row["difference, points"] = row["test accuracy %"] - rows[0]["test accuracy %"]
    title = f"{model}, {len(x):,} digits to train, {len(test[1]):,} to test, {epochs} epochs, {seeds} seeds"
    report(title, "Adam 1e-3, batch 64", rows, to)


if __name__ == "__main__":
    main()

"""The two articles' models at their batch sizes, by both methods: what is reached from a store, and what from memory?

    python benchmarks/articles.py [--data FOLDER] [--count 10000] [--seeds 3] [--epochs 5] [--json FILE]

FOLDER holds train/*.csv and target.csv; without it digits are drawn. They are packed once; the store's last tenth is
the test part of all runs. From the store a run is what `train` does; from memory the same samples go to `fit(x, y)` or,
one shuffled batch after another, to `train_on_batch`. The same seed gives the same first weights, so runs are compared
seed by seed: the interval is that of Student's t for the mean of those differences, at 95 %.
"""

import math
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import click
import numpy as np
from accuracy import Arrays, digits_store
from machine import report

import seekless

# Batch size, and the accuracy that the article reports: 5 epochs of Adam on 42,000 digits.
ARTICLES = {"lenet": (1000, 0.945), "lenet-wide": (512, 0.977)}
METHODS = ("fit", "train-on-batch")
# Student's t at 97.5 % for 1, 2, ... degrees of freedom; beyond, that of the normal distribution is near enough.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
T_BEYOND = 2.12


def from_store(store: Path, out: Path, model: str, method: str, seed: int, epochs: int) -> float:
    """Train as the command does; return the test accuracy."""
    from seekless.train.fit import train_model
    from seekless.train.options import Options

    batch = ARTICLES[model][0]
    options = Options(
        str(store), model=model, method=method, batch_size=batch, seed=seed, epochs=epochs, out=str(out), quiet=True
    )
    return train_model(options).accuracy


def from_memory(train: Arrays, test: Arrays, model: str, method: str, seed: int, epochs: int) -> float:
    """Train from arrays; return the test accuracy."""
    import keras

    from seekless.train.models import MODELS

    batch, (x, y) = ARTICLES[model][0], train
    keras.utils.set_random_seed(seed)
    built = MODELS[model](x.shape[1:], 10)
    built.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    if method == "fit":
        built.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    else:
        random = np.random.default_rng(seed)
        for _ in range(epochs):
            order = random.permutation(len(x))
            for start in range(0, len(x), batch):
                rows = order[start : start + batch]
                built.train_on_batch(x[rows], y[rows])
    return float(built.evaluate(*test, batch_size=1000, verbose=0, return_dict=True)["accuracy"])


def half_width(differences: list[float]) -> float:
    """Return half of the 95 % interval of the mean; NaN for a single one."""
    count = len(differences)
    if count < 2:
        return math.nan
    t = T[count - 2] if count - 2 < len(T) else T_BEYOND
    return t * statistics.stdev(differences) / math.sqrt(count)


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Digits to use.  [default: drawn]")
@click.option("--count", default=10_000, show_default=True, help="Digits to draw.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each kind.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True)
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
def main(data: Path | None, count: int, seeds: int, epochs: int, to: Path | None) -> None:
    """Compare test accuracies from a store and from memory with those of the articles."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        path = digits_store(data, count, work)
        store = seekless.open(path)
        x, y = store[:]
        edge = round(0.9 * len(x))
        x = x.astype(np.float32)
        train, test = (x[:edge], y[:edge]), (x[edge:], y[edge:])
        rows: list[dict[str, Any]] = []
        for model, (batch, article) in ARTICLES.items():
            for method in METHODS:
                pairs = [
                    (
                        from_store(path, work / "runs", model, method, seed, epochs),
                        from_memory(train, test, model, method, seed, epochs),
                    )
                    for seed in range(seeds)
                ]
                rows.append(row(model, method, batch, article, pairs))
                print(rows[-1], flush=True)
    title = f"{edge:,} digits to train, {len(x) - edge:,} to test, {epochs} epochs, {seeds} seeds"
    report(title, "Adam's defaults; the articles trained on 42,000 digits, 5 epochs", rows, to)


def row(model: str, method: str, batch: int, article: float, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Return one line of the table, accuracies in percent."""
    store, memory = ([100 * pair[side] for pair in pairs] for side in (0, 1))
    differences = [a - b for a, b in zip(store, memory, strict=True)]
    return {
        "model": model,
        "method": method,
        "batch": batch,
        "store %": statistics.mean(store),
        "from, to": f"{min(store):.2f}, {max(store):.2f}",
        "memory %": statistics.mean(memory),
        "from, to ": f"{min(memory):.2f}, {max(memory):.2f}",
        "difference": statistics.mean(differences),
        "95 % +-": half_width(differences),
        "article %": 100 * article,
    }


if __name__ == "__main__":
    main()

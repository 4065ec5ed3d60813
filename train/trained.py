"""A trained model at work: tested on a store, or asked what the samples of a store are."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seekless.errors import OptionError, TrainError
from seekless.loader.sequence import StoreSequence
from seekless.store.pieces import pieces
from seekless.store.store import Store
from seekless.store.store import open as open_store
from seekless.train.build import check_input, load_model, outputs_of, wants_one_hot
from seekless.train.folder import BEST, LAST, read_config, replacing
from seekless.train.outcome import class_probabilities
from seekless.train.shapes import of_store, samples_in
from seekless.train.targets import Targets

__all__ = ["Trained", "evaluate", "open_trained", "predict"]

# Keys that are turned into text at one time.
GROUP = 4096


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        path: Its file.
        model: The `keras.Model`.
        targets: What it was trained on; None where that is not recorded beside it.
    """

    path: Path
    model: Any
    targets: Targets | None


def open_trained(path: str) -> Trained:
    """Load the model of a run.

    Args:
        path: The run's folder, of which model-best.keras is taken, or else model.keras; or a .keras file.

    Returns:
        The model, and what the run's `config.json` says of its classes.

    Raises:
        OptionError: There is no model.
        TrainError: It cannot be loaded.
    """
    where = Path(path)
    if where.is_dir():
        file = next((where / name for name in (BEST, LAST) if (where / name).exists()), None)
        if file is None:
            raise OptionError(
                f"--model: found no {BEST} or {LAST} in {where}, expected the folder of a run, or a .keras file"
            )
    else:
        file = where
    model = load_model(file, f"--model {path}")
    described = read_config(file.parent).get("data", {}).get("targets")
    return Trained(file, model, None if described is None else Targets.of_dict(described))


def evaluate(model: str, store: str, *, batch_size: int = 256, part: str = "all") -> dict[str, float]:
    """Test a trained model on a store.

    Args:
        model: The folder of a run, or a .keras file.
        store: The store.
        batch_size: Samples in a batch.
        part: "all", or "train" or "test" as the store records them.

    Returns:
        The loss and the metrics of the model, by name, the loss first.

    Raises:
        OptionError: There is no model, or no such part.
        StoreError: The store is missing or damaged.
        TrainError: The store has no targets, or its samples or targets are not those of the model.
    """
    trained, opened = open_trained(model), open_store(store)
    targets = Targets.of_store(opened)
    where = f"--model {trained.path}"
    check_input(trained.model, of_store(opened), where)
    _check_targets(trained, targets, opened, where)
    if not trained.model.compiled:
        trained.model.compile(loss=targets.loss, metrics=list(targets.metrics))
    one_hot = wants_one_hot(trained.model, targets)
    split = None if part == "all" else part
    batches = StoreSequence(opened, batch_size, split=split, shuffle=False, one_hot=one_hot, cache_bytes=0)
    if not batches.samples:
        raise TrainError(f"{store}: found no samples to test on, expected one at least")
    try:
        found = trained.model.evaluate(batches, verbose=0, return_dict=True)
    except Exception as error:
        if batches.error is not None:
            raise batches.error from error
        raise
    return {name: float(found[name]) for name in sorted(found, key=lambda name: name != "loss")}


def predict(
    model: str, store: str, out: str, *, batch_size: int = 256, overwrite: bool = False, progress: bool = True
) -> int:
    """Write what a trained model says of each sample of a store: a line a sample, in the order of the store.

    For classes a line is key, class, and a probability for each class; for numbers it is key and prediction. Memory is
    bounded, however many samples there are.

    Args:
        model: The folder of a run, or a .keras file.
        store: The store; it needs no targets.
        out: The CSV file; it is there whole or not at all.
        batch_size: Samples in a batch.
        overwrite: Replace a file that exists.
        progress: Show a progress bar on stderr.

    Returns:
        The number of samples.

    Raises:
        OptionError: There is no model, or the file exists or has no folder.
        StoreError: The store is missing or damaged.
        TrainError: The samples are not those of the model.
    """
    path = Path(out)
    _check_out(path, overwrite=overwrite)
    trained, opened = open_trained(model), open_store(store)
    where = f"--model {trained.path}"
    check_input(trained.model, of_store(opened), where)
    outputs = outputs_of(trained.model, of_store(opened), where)
    targets = trained.targets or _guessed(trained.model, outputs)
    batches = StoreSequence(opened, batch_size, shuffle=False, cache_bytes=0)  # each sample is wanted once
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", *_columns(targets, outputs)])
        keys = _keys(opened)
        for step in tqdm(range(len(batches)), unit="batch", leave=False, disable=not progress):
            batch = batches[step]
            x = batch[0] if isinstance(batch, tuple) else batch
            writer.writerows([next(keys), *cells] for cells in _answers(trained.model, x, targets))
    return len(opened)


def _check_out(path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise OptionError(f"{path}: found no folder {path.parent}, expected one to write to; make it first")
    if path.is_dir() or (path.exists() and not overwrite):
        raise OptionError(f"{path}: found something there, expected a new name; --overwrite replaces a file")


def _columns(targets: Targets, outputs: tuple[int, ...]) -> list[str]:
    if targets.kind == "class":
        return ["class", *(f"p_{targets.name(number)}" for number in range(targets.class_count))]
    count = int(np.prod(outputs))
    return ["prediction"] if count == 1 else [f"prediction_{number}" for number in range(count)]


def _answers(model: Any, x: Any, targets: Targets) -> Iterator[list[str]]:
    """Yield the cells behind the key, sample by sample."""
    if targets.kind != "class":
        numbers = np.asarray(model.predict_on_batch(x), np.float64).reshape(samples_in(x), -1)
        yield from ([f"{value:.7g}" for value in row] for row in numbers.tolist())
        return
    rows = class_probabilities(model, x, targets.class_count)
    for number, row in zip(rows.argmax(axis=1).tolist(), rows.tolist(), strict=True):
        yield [targets.name(number), *(f"{value:.7g}" for value in row)]


def _keys(store: Store) -> Iterator[str]:
    """Yield the key of each sample, a block of them in memory; its number where the store has no keys."""
    if "key" not in store.tables:
        yield from map(str, range(len(store)))
        return
    for _, keys in pieces(store.tables["key"]):
        for start in range(0, len(keys), GROUP):  # as Python objects they take many times their bytes
            for key in keys[start : start + GROUP].tolist():
                yield key.decode()


def _guessed(model: Any, outputs: tuple[int, ...]) -> Targets:
    """Return what a model without a run's folder gives: classes where its loss is one of classes."""
    loss = getattr(model, "loss", None)
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", ""))
    if len(outputs) == 1 and any(word in name for word in ("crossentropy", "categorical")):
        return Targets("class", max(2, outputs[0]))
    return Targets("number", shape=outputs)


def _check_targets(trained: Trained, targets: Targets, store: Store, where: str) -> None:
    """Check that a store's targets are what the model was trained on, or can be, where that is not recorded."""
    known = trained.targets
    if known is not None and known.kind != targets.kind:
        raise TrainError(f"{where}: found targets in {store.path} that are {targets}, expected {known}")
    outputs = outputs_of(trained.model, of_store(store), where)
    if targets.kind != "class":
        if outputs != (targets.shape or (1,)):
            raise TrainError(
                f"{where}: found targets in {store.path} that are {targets}, expected {outputs[0]} numbers"
            )
        return
    names = None if known is None else known.class_names
    if names is not None and targets.class_names is not None and names != targets.class_names:
        raise TrainError(
            f"{where}: found classes {_first(targets.class_names)} in {store.path}, expected {_first(names)}; "
            "convert it with --classes-from and the store that the model was trained on"
        )
    count = max(2, outputs[0]) if len(outputs) == 1 else 0
    few = targets.class_count < count and not wants_one_hot(trained.model, targets)
    if targets.class_count != count and not few:
        raise TrainError(
            f"{where}: found {targets} in {store.path}, expected {count}, which the model tells apart; convert it with "
            "--classes-from and the store that the model was trained on"
        )


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")

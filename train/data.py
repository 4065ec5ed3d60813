"""What a training reads: the train part and the test part of a store, or of a folder of loose files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import TrainError
from seekless.loader.files import FileSequence
from seekless.loader.sequence import StoreSequence
from seekless.store.store import Split, Store
from seekless.store.store import open as open_store
from seekless.train.options import Options

__all__ = ["Data", "open_data"]

DEFAULT_TEST_FRACTION = 0.1
# Beyond this the first layer of a fresh model saturates or takes many steps to come down.
LARGE_VALUE = 32.0


@dataclass(frozen=True)
class Data:
    """A train part and a test part.

    Attributes:
        name: What runs on it are called.
        train: Batches to train on, in a new order each epoch.
        test: Batches to test on, in one order.
        sample_shape: The shape of one sample.
        class_count: Number of classes.
        highest: The largest magnitude that training sees in the first few samples.
        described: What `config.json` says of it.
    """

    name: str
    train: StoreSequence | FileSequence
    test: StoreSequence | FileSequence
    sample_shape: tuple[int, ...]
    class_count: int
    highest: float
    described: dict[str, Any]

    def hint(self) -> str:
        """Return advice where the first samples to train on have values that models learn badly from; else ""."""
        if self.highest <= LARGE_VALUE:
            return ""
        return (
            f"{self.name}: values reach {self.highest:g} and are trained on as they are; models learn better from 0 "
            f"to 1: convert with --scale {255 if self.highest <= 255 else round(self.highest)}"
        )


def open_data(options: Options) -> Data:
    """Open what the options name.

    Args:
        options: With a store, or a folder of files.

    Returns:
        Its two parts; a store and the files it was made from hold out the same samples, where both have the default
        seed.

    Raises:
        StoreError: The store is missing or damaged.
        SourceError: The files are missing or do not match their targets.
        TrainError: There are no classes to learn, or one part is empty.
    """
    data = _store_data(options.store, options) if options.store is not None else _file_data(str(options.files), options)
    if not len(data.train) or not len(data.test):
        raise TrainError(
            f"{options.store or options.files}: found {data.train.samples} samples to train and {data.test.samples} to "
            "test on, expected at least one each"
        )
    return data


def _store_data(path: str, options: Options) -> Data:
    store = open_store(path)
    _check_classes(path, store.header.target_kind, options.model)
    train, test = _splits(store, options.test_fraction)
    x = store.header.fields["x"]
    return Data(
        name=Path(path).name.split(".")[0] or "store",
        train=StoreSequence(store, options.batch_size, split=train, seed=options.seed, shuffle="window"),
        test=StoreSequence(store, options.batch_size, split=test, shuffle=False),
        sample_shape=store.shape[1:],
        class_count=store.header.class_count,
        highest=_highest(x.encoding.decode(store.read("x", 0, min(len(store), x.block_length))), x.scale),
        described={"store": path, "samples": len(store), "shuffled": store.header.shuffled, "seed": store.header.seed},
    )


def _splits(store: Store, test_fraction: float | None) -> tuple[Split, Split]:
    if test_fraction is None and store.header.boundaries:
        return "train", "test"
    fraction = DEFAULT_TEST_FRACTION if test_fraction is None else test_fraction
    train, test = store.split(1 - fraction, fraction)
    return train, test


def _file_data(path: str, options: Options) -> Data:
    edge = 1 - (DEFAULT_TEST_FRACTION if options.test_fraction is None else options.test_fraction)
    train = FileSequence(path, options.batch_size, split=(0.0, edge), seed=options.seed, **options.decoding)
    source = train.source
    _check_classes(path, "" if source.targets is None else source.targets.kind, options.model)
    first = source.read(0)
    return Data(
        name=Path(path).resolve().name or "files",
        train=train,
        test=FileSequence(source, options.batch_size, split=(edge, 1.0), shuffle=False),
        sample_shape=first.shape,
        class_count=0 if source.targets is None else source.targets.class_count,
        highest=_highest(first, source.scale_for(first.dtype)),
        described={"files": path, "samples": len(source)},
    )


def _highest(samples: npt.NDArray[Any], scale: int) -> float:
    values = np.abs(samples.astype(np.float64))
    return float(values.max(where=np.isfinite(values), initial=0) / scale)


def _check_classes(path: str, target_kind: str, model: str) -> None:
    if target_kind != "class":
        found = {"number": "targets that are numbers", "": "no targets"}[target_kind]
        raise TrainError(f"{path}: found {found}, expected targets that are classes, such as 0 to 9, for {model}")

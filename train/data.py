"""What a training reads: the train part, the validation part and the test part of a store, or of loose files."""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, TrainError
from seekless.loader.files import FileSequence
from seekless.loader.options import WINDOW_BYTES
from seekless.loader.sequence import StoreSequence
from seekless.store.schema import nearest
from seekless.store.splits import Split
from seekless.store.store import Store
from seekless.store.store import open as open_store
from seekless.train.blocks import draw_parts
from seekless.train.options import Options
from seekless.train.ranks import ALONE, Ranks
from seekless.train.shapes import SampleShape, of_store
from seekless.train.targets import Targets
from seekless.train.timed import TimedFiles, TimedStore
from seekless.train.waiting import Clock

__all__ = ["Data", "Parts", "open_data", "samples_in"]

DEFAULT_TEST_FRACTION = 0.1
# Beyond this the first layer of a fresh model saturates or takes many steps to come down.
LARGE_VALUE = 32.0


@dataclass(frozen=True)
class Parts:
    """The batches of a training.

    Attributes:
        train: To train on, in a new order each epoch.
        validation: To look at after each epoch, in one order; None where that is the test part.
        test: To test on at the end, in one order.
        whole_test: All of that, where this is one of several ranks with a share of it each.
        clock: Notes when a batch of the train part was ready.
    """

    train: TimedStore | TimedFiles
    validation: StoreSequence | FileSequence | None
    test: StoreSequence | FileSequence
    whole_test: StoreSequence | FileSequence
    clock: Clock

    @property
    def samples(self) -> int:
        """Samples of the train part in an epoch, of all ranks."""
        return samples_in(self.train)

    @property
    def watched(self) -> StoreSequence | FileSequence:
        """What is looked at after each epoch."""
        return self.test if self.validation is None else self.validation


def samples_in(batches: StoreSequence | FileSequence) -> int:
    """Return the samples of an epoch, of all ranks."""
    return batches.samples_of_all if isinstance(batches, StoreSequence) else batches.samples


@dataclass(frozen=True)
class Data:
    """What there is to train on.

    Attributes:
        name: What runs on it are called.
        sample_shape: The shape of one sample; of several inputs a dictionary of them by name.
        targets: What is to be learnt.
        highest: The largest magnitude that training sees in the first few samples.
        described: What `config.json` says of it.
        open_parts: Opens the parts, given whether class targets come as rows with a single 1, and the ranks if several.
        train_bytes: Decoded bytes of the samples to train on; 0 for loose files.
        compressed: The store's samples are compressed.
        warning: What the user should know before the training; "" for nothing.
    """

    name: str
    sample_shape: SampleShape
    targets: Targets
    highest: float
    described: dict[str, Any]
    open_parts: Callable[..., Parts]
    train_bytes: int = 0
    compressed: bool = False
    warning: str = ""

    def hint(self) -> str:
        """Return advice where the first samples to train on have values that models learn badly from; else ""."""
        if self.highest <= LARGE_VALUE:
            return ""
        return (
            f"{self.name}: values reach {self.highest:g} and are trained on as they are; models learn better from 0 "
            f"to 1: convert with --scale {255 if self.highest <= 255 else round(self.highest)}"
        )

    def reading(self, options: Options) -> dict[str, Any]:
        """Return how it is read, as `seekless.train.waiting.advice` asks for it."""
        return {
            "loose": options.files is not None,
            "compressed": self.compressed,
            "part_bytes": self.train_bytes,
            "window_bytes": options.window_bytes or WINDOW_BYTES,
            "workers": options.workers,
        }


def open_data(options: Options) -> Data:
    """Open what the options name.

    Args:
        options: With a store, or a folder of files.

    Returns:
        What it holds; a store and the files it was made from hold out the same samples, where both have the default
        seed.

    Raises:
        StoreError: The store is missing or damaged.
        SourceError: The files are missing or do not match their targets.
        TrainError: There are no targets, or one part is empty.
        OptionError: Classes are to be weighed where samples have weights.
    """
    return _store_data(options.store, options) if options.store is not None else _file_data(str(options.files), options)


def _edges(path: str, length: int, options: Options, recorded: tuple[int, ...]) -> list[tuple[float, float]]:
    """Return the train, validation and test part, each as two fractions; the validation part may be empty."""
    train, test = round(length * (1 - DEFAULT_TEST_FRACTION)), length
    first = train
    if options.test_fraction is not None:
        train = first = round(length * (1 - options.test_fraction))
    elif recorded:
        train, first, test = recorded[0], (0, *recorded)[-2], recorded[-1]
    end = train - round(train * (options.validation_fraction or 0.0))
    counts = {"train": end, "test": test - first}
    if options.validation_fraction is not None:
        counts["validate"] = train - end
    _check_counts(path, length, counts)
    return [(0.0, end / length), (end / length, train / length), (first / length, test / length)]


def _check_counts(path: str, length: int, counts: dict[str, int]) -> None:
    if not all(counts.values()):
        found = ", ".join(f"{count} to {what}" for what, count in counts.items())
        raise TrainError(f"{path}: found {length} samples, {found}; expected at least one each")


def _store_data(path: str, options: Options) -> Data:
    store = open_store(path)
    header = store.header
    x = [header.fields[name] for name in header.inputs]
    targets = Targets.of_store(store)
    if options.class_weight and "sample_weight" in header.fields:
        raise OptionError(
            f"--class-weight: found weights of samples in {path}, expected none beside it: Keras takes one of the two"
        )
    splits, warning = _splits(path, store, options)
    length = sum(stop - start for start, stop in store.ranges(splits[0]))
    described = {"samples": len(store), "shuffled": header.shuffled, "seed": header.seed, "checksum": checksum(store)}
    return Data(
        name=Path(path).name.split(".")[0] or "store",
        sample_shape=of_store(store),
        targets=targets,
        highest=max(
            _highest(one.encoding.decode(store.read(one.name, 0, min(len(store), one.block_length))), one.scale)
            for one in x
        ),
        described={"store": path, **described},
        open_parts=partial(_store_parts, store, options, splits),
        train_bytes=length * header.sample_bytes,
        compressed=any(one.codec != "none" for one in x),
        warning=warning,
    )


def _splits(path: str, store: Store, options: Options) -> tuple[Sequence[Split], str]:
    """Return the train, validation and test part of a store, and what the user should know of them."""
    header, tested = store.header, options.test_fraction
    if header.shuffled:
        return _cut(path, store, options), ""
    if not header.parts and (tested is not None or not header.boundaries):
        share = DEFAULT_TEST_FRACTION if tested is None else tested
        drawn = draw_parts(store, share, options.validation_fraction or 0.0, options.seed)
        if drawn is not None:
            warning = f"{drawn.text}, drawn by --seed {options.seed}, are held out whole"
            return (drawn.train, drawn.validation, drawn.test), _unshuffled(path, warning)
    return _cut(path, store, options), _unshuffled(path, "the part held out may differ in kind from what is trained on")


def _cut(path: str, store: Store, options: Options) -> Sequence[Split]:
    """Cut a store at its end, or as it is recorded; one that has grown, each of its portions."""
    header = store.header
    if not header.portions:
        return _edges(path, len(store), options, header.boundaries)
    edge = 1 - (DEFAULT_TEST_FRACTION if options.test_fraction is None else options.test_fraction)
    train, test = store.ranges((0.0, edge)), store.ranges((edge, 1.0))
    if options.test_fraction is None and header.boundaries:
        train, test = store.ranges("train"), store.ranges("test")
    cuts = [stop - round((stop - start) * (options.validation_fraction or 0.0)) for start, stop in train]
    cuts = [min(max(nearest(cut, header.parts), start), stop) for cut, (start, stop) in zip(cuts, train, strict=True)]
    held = tuple((cut, stop) for cut, (_, stop) in zip(cuts, train, strict=True))
    train = tuple((start, cut) for cut, (start, _) in zip(cuts, train, strict=True))
    counts = {"train": train, "test": test, **({} if options.validation_fraction is None else {"validate": held})}
    _check_counts(path, len(store), {what: sum(stop - start for start, stop in part) for what, part in counts.items()})
    return train, held, test


def _store_parts(store: Store, options: Options, splits: Sequence[Split], one_hot: bool, ranks: Ranks = ALONE) -> Parts:
    train, validation, test = splits
    window, clock = options.window_bytes or WINDOW_BYTES, Clock()

    def held(split: Split, shard: tuple[int, int] = ranks.test_shard) -> StoreSequence:
        return StoreSequence(
            store,
            options.batch_size,
            split=split,
            shuffle=False,
            one_hot=one_hot,
            window_bytes=window,
            shard=shard,
            workers=options.workers,
        )

    tested = held(test)
    return Parts(
        TimedStore(
            clock,
            store,
            options.batch_size,
            split=train,
            seed=options.seed,
            shuffle=False if options.shuffle == "none" else options.shuffle or "window",
            one_hot=one_hot,
            window_bytes=window,
            shard=ranks.shard,
            drop_remainder=ranks.uneven,
            workers=options.workers,
        ),
        None if options.validation_fraction is None else held(validation),
        tested,
        tested if ranks.test_shard == (0, 1) else held(test, (0, 1)),
        clock,
    )


def _unshuffled(path: str, so: str) -> str:
    return f"{path}: its samples are not shuffled, so {so}; convert it again to shuffle it"


def checksum(store: Store) -> str:
    """Return a checksum of all that a store says of itself, the checksums of its blocks included; 8 hex digits."""
    header = store.header
    fields = {
        name: [field.sample_shape, field.dtype.str, str(field.encoding), field.scale, field.codec, field.block_length]
        for name, field in sorted(header.fields.items())
    }
    facts = [len(store), header.shuffled, header.seed, header.boundaries, header.target_kind, header.class_count]
    check = zlib.crc32(json.dumps([facts, header.class_names, header.options_json, fields], default=str).encode())
    for name in sorted(store.tables):
        check = zlib.crc32(store.tables[name].crc.astype("<u4").tobytes(), check)
    return f"{check:08x}"


def _files_checksum(source: Any) -> str:
    """Return a checksum of the keys and the targets of loose files; 8 hex digits."""
    check = zlib.crc32("\0".join(source.keys).encode())
    if source.targets is not None:
        check = zlib.crc32(np.ascontiguousarray(source.targets.values).tobytes(), check)
    return f"{check:08x}"


def _file_data(path: str, options: Options) -> Data:
    source = FileSequence(path, options.batch_size, shuffle=False, **options.decoding).source
    targets = Targets.of_files(path, source.targets)
    edges = _edges(path, len(source), options, ())
    first = source.read(0)

    return Data(
        name=Path(path).resolve().name or "files",
        sample_shape=first.shape,
        targets=targets,
        highest=_highest(first, source.scale_for(first.dtype)),
        described={"files": path, "samples": len(source), "checksum": _files_checksum(source)},
        open_parts=partial(_file_parts, source, options, edges),
    )


def _file_parts(
    source: Any, options: Options, edges: list[tuple[float, float]], one_hot: bool, ranks: Ranks = ALONE
) -> Parts:
    if ranks.count > 1:
        raise OptionError(f"--files: found {ranks.count} processes that train together, expected one; use a --store")
    train, validation, test = edges
    clock, size, mixed = Clock(), options.batch_size, options.shuffle != "none"

    def held(split: tuple[float, float]) -> FileSequence:
        return FileSequence(source, size, split=split, shuffle=False, one_hot=one_hot)

    tested = held(test)
    return Parts(
        TimedFiles(clock, source, size, split=train, seed=options.seed, shuffle=mixed, one_hot=one_hot),
        None if options.validation_fraction is None else held(validation),
        tested,
        tested,
        clock,
    )


def _highest(samples: npt.NDArray[Any], scale: int) -> float:
    values = np.abs(samples.astype(np.float64))
    return float(values.max(where=np.isfinite(values), initial=0) / scale)

"""The options of a training."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekless.errors import OptionError

__all__ = ["BACKENDS", "METHODS", "MODEL_NAMES", "SHUFFLES", "Options"]

MODEL_NAMES = ("lenet", "lenet-wide")
METHODS = ("fit", "train-on-batch")
SHUFFLES = ("window", "batch", "full", "none")
BACKENDS = ("tensorflow", "jax", "torch")
FILE_SHUFFLES = (None, "full", "none")

# What says how loose files are decoded, and its values where it is not given.
DECODING: dict[str, Any] = {
    "labels": None,
    "target_columns": (),
    "target_type": None,
    "shape": None,
    "delimiter": None,
    "decimal": ".",
    "skip_rows": 0,
    "columns": None,
    "allow_nan": False,
    "scale": 1,
    "size": None,
    "resize": "stretch",
    "channels": None,
}
TYPED = {"target_columns": "target-column"}  # where an option is typed otherwise than its value is called


@dataclass(frozen=True)
class Options:
    """What to train on, and how.

    Attributes:
        store: The store to train from; None where `files` is given.
        files: A folder of loose files to train from, every batch opening its own; None where `store` is given.
        labels: The labels file of `files`; None to find it. This and the next twelve are the fields of
            `seekless.source.open.SourceOptions` of the same names.
        target_columns: Names of the target columns.
        target_type: "class" or "number"; None to tell from the labels.
        shape: The shape of a sample in `files` of CSV; None for that of its file.
        delimiter: Between columns; None to find it.
        decimal: The decimal point.
        skip_rows: Lines to leave out at the top of each file.
        columns: The columns to keep; None for all.
        allow_nan: Whether NaN and infinity are values.
        scale: What training divides values of CSV by.
        size: (height, width) that images in `files` are resized to; None to leave them.
        resize: "stretch", "fit" or "crop".
        channels: 1, 3 or 4 channels of images in `files`; None for each image's own.
        model: "lenet", "lenet-wide", "package.module:function", or the path of a saved model, which ends in .keras.
        epochs: Passes over the train part.
        batch_size: Samples in a batch.
        optimizer: The name of a Keras optimizer; None for the compiled model's own, else Adam.
        learning_rate: Of the optimizer; None for its own.
        loss: The name of a Keras loss, or "auto": the compiled model's own, else what suits the targets.
        metrics: Names of Keras metrics; () for the compiled model's own, else what suits the targets.
        shuffle: "window", "batch", "full" or "none"; None for "window", for `files` "full".
        window_bytes: Decoded bytes of x that are mixed at one time; None for the loader's own.
        workers: Threads that check and decompress blocks of the store.
        seed: Draws the weights, the order of the samples, and the blocks that are held out of a store that is not
            shuffled.
        test_fraction: The last part of the store, or so many of its blocks, is held out for the test; None for the
            parts that the store records, or a tenth where it records none.
        validation_fraction: This much of the train part, its last, is looked at after each epoch instead of the test
            part; None to look at the test part.
        class_weight: "balanced" weighs a class by 1 over its samples; None weighs all samples alike.
        early_stopping: Stop after so many epochs without a smaller validation loss; None never.
        mixed_precision: Compute in 16 bits, keep weights in 32.
        backend: "tensorflow", "jax" or "torch"; None for what Keras is set to.
        method: "fit" for Keras' own loop, "train-on-batch" for an explicit one.
        out: The folder of all runs.
        name: The run's own folder below it; None for the store's name and the next free number.
        save_every: Seconds after which a checkpoint is saved at the next step.
        rank_timeout: Seconds after which one of several processes that train together is taken for lost.
        tensorboard: Write what TensorBoard shows into the run's folder.
        quiet: Print only the test's result.
    """

    store: str | None = None
    files: str | None = None
    labels: str | None = None
    target_columns: tuple[str, ...] = ()
    target_type: str | None = None
    shape: tuple[int, ...] | None = None
    delimiter: str | None = None
    decimal: str = "."
    skip_rows: int = 0
    columns: tuple[int, ...] | None = None
    allow_nan: bool = False
    scale: int = 1
    size: tuple[int, int] | None = None
    resize: str = "stretch"
    channels: int | None = None
    model: str = "lenet"
    epochs: int = 5
    batch_size: int = 64
    optimizer: str | None = None
    learning_rate: float | None = None
    loss: str = "auto"
    metrics: tuple[str, ...] = ()
    shuffle: str | None = None
    window_bytes: int | None = None
    workers: int = 1
    seed: int = 0
    test_fraction: float | None = None
    validation_fraction: float | None = None
    class_weight: str | None = None
    early_stopping: int | None = None
    mixed_precision: bool = False
    backend: str | None = None
    method: str = "fit"
    out: str = "runs"
    name: str | None = None
    save_every: float = 300.0
    rank_timeout: float = 300.0
    tensorboard: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        self._check_data()
        self._check_words()
        self._check_numbers()

    def _check_data(self) -> None:
        if (self.store is None) == (self.files is None):
            found = "neither" if self.store is None else "both"
            raise OptionError(f"--store, --files: found {found}, expected one: a store, or a folder of loose files")
        if self.store is not None and (given := sorted(self.decoding)):
            option = TYPED.get(given[0], given[0].replace("_", "-"))
            raise OptionError(f"--{option}: found together with --store, expected only with --files")
        if self.files is not None and self.window_bytes is not None:
            raise OptionError("--window-bytes: found together with --files, expected only with --store")
        if self.files is not None and self.workers != 1:
            raise OptionError("--workers: found together with --files, expected only with --store")
        if self.files is not None and self.shuffle not in FILE_SHUFFLES:
            raise OptionError(f"--shuffle: found {self.shuffle!r} with --files, expected full or none")

    def _check_words(self) -> None:
        if self.model not in MODEL_NAMES and not (self.model_function or self.model.endswith(".keras")):
            raise OptionError(
                f"--model: found {self.model!r}, expected one of {', '.join(MODEL_NAMES)}, package.module:function, or "
                "a saved model, whose name ends in .keras"
            )
        for name, choices in (
            ("method", METHODS),
            ("shuffle", (None, *SHUFFLES)),
            ("backend", (None, *BACKENDS)),
            ("class_weight", (None, "balanced")),
        ):
            if (found := getattr(self, name)) not in choices:
                expected = ", ".join(choice for choice in choices if choice is not None)
                raise OptionError(f"--{name.replace('_', '-')}: found {found!r}, expected one of {expected}")
        if self.tensorboard and self.method != "fit":
            raise OptionError(f"--tensorboard: found with --method {self.method}, expected --method fit")
        if self.mixed_precision and self.model.endswith(".keras"):
            raise OptionError(
                f"--mixed-precision: found with {self.model}, whose layers keep the precision they were saved with; "
                "expected a model that is built anew"
            )
        if self.name is not None and (self.name in ("", ".", "..") or re.search(r"[/\\\0]", self.name)):
            raise OptionError(f"--name: found {self.name!r}, expected the name of a folder, without a path")

    def _check_numbers(self) -> None:
        for name in ("epochs", "batch_size", "early_stopping", "window_bytes", "workers"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise OptionError(f"--{name.replace('_', '-')}: found {count}, expected 1 or more")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"--learning-rate: found {self.learning_rate}, expected a number above 0")
        if not self.save_every > 0:
            raise OptionError(f"--save-every: found {self.save_every}, expected seconds above 0")
        if not 0 < self.rank_timeout < float("inf"):
            raise OptionError(f"--rank-timeout: found {self.rank_timeout}, expected seconds above 0")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"--seed: found {self.seed}, expected 0 to {2**32 - 1}")
        for name in ("test_fraction", "validation_fraction"):
            if (fraction := getattr(self, name)) is not None and not 0 < fraction < 1:
                option = name.replace("_", "-")
                raise OptionError(f"--{option}: found {fraction}, expected a number between 0 and 1")

    @property
    def model_function(self) -> tuple[str, str] | None:
        """Module and function where the model is built by one; else None."""
        match = re.fullmatch(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)", self.model)
        return (match[1], match[2]) if match else None

    @property
    def decoding(self) -> dict[str, Any]:
        """The options that say how loose files are decoded, as far as they are given."""
        return {name: getattr(self, name) for name, unset in DECODING.items() if getattr(self, name) != unset}

    def as_dict(self) -> dict[str, Any]:
        """Every option by its name, fit for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Options":
        """Return the options that `as_dict` gave, perhaps through JSON, which makes lists of tuples.

        Raises:
            OptionError: They are options of another version, or have values that cannot be used.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise OptionError(f"options: found {', '.join(unknown)}, which this version of seekless does not know")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**given)

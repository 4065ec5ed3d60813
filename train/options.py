"""The options of a training."""

from dataclasses import dataclass
from typing import Any

from seekless.errors import OptionError

__all__ = ["METHODS", "MODEL_NAMES", "Options"]

MODEL_NAMES = ("lenet", "lenet-wide")
METHODS = ("fit", "train-on-batch")


@dataclass(frozen=True)
class Options:
    """What to train on, and how.

    Attributes:
        store: The store to train from; None where `files` is given.
        files: A folder of loose files to train from, every batch opening its own; None where `store` is given.
        labels: The labels file of `files`; None to find it.
        shape: The shape of a sample in `files` of CSV; None for that of its file.
        size: (height, width) that images in `files` are resized to; None to leave them.
        channels: 1, 3 or 4 channels of images in `files`; None for each image's own.
        model: "lenet" or "lenet-wide".
        epochs: Passes over the train part.
        batch_size: Samples in a batch.
        learning_rate: Of Adam.
        seed: Draws the weights and the order of the samples.
        test_fraction: The last part of the store is held out for the test; None for the parts that the store records,
            or a tenth where it records none.
        method: "fit" for Keras' own loop, "train-on-batch" for an explicit one.
        out: The folder of all runs.
        quiet: Print only the test's result.
    """

    store: str | None = None
    files: str | None = None
    labels: str | None = None
    shape: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    model: str = "lenet"
    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0
    test_fraction: float | None = None
    method: str = "fit"
    out: str = "runs"
    quiet: bool = False

    def __post_init__(self) -> None:
        if (self.store is None) == (self.files is None):
            found = "neither" if self.store is None else "both"
            raise OptionError(f"--store, --files: found {found}, expected one: a store, or a folder of loose files")
        if self.store is not None and (given := sorted(self.decoding)):
            raise OptionError(f"--{given[0]}: found together with --store, expected only with --files")
        if self.model not in MODEL_NAMES:
            raise OptionError(f"--model: found {self.model!r}, expected one of {', '.join(MODEL_NAMES)}")
        if self.method not in METHODS:
            raise OptionError(f"--method: found {self.method!r}, expected one of {', '.join(METHODS)}")
        if self.epochs < 1:
            raise OptionError(f"--epochs: found {self.epochs}, expected 1 or more")
        if self.batch_size < 1:
            raise OptionError(f"--batch-size: found {self.batch_size}, expected 1 or more")
        if not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"--learning-rate: found {self.learning_rate}, expected a number above 0")
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"--seed: found {self.seed}, expected 0 to {2**32 - 1}")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise OptionError(f"--test-fraction: found {self.test_fraction}, expected a number between 0 and 1")

    @property
    def decoding(self) -> dict[str, Any]:
        """The options that say how loose files are decoded, as far as they are given."""
        names = ("labels", "shape", "size", "channels")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

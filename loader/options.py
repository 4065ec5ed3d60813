"""How batches are made: the options that Sequences and plain loops share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seekless.errors import OptionError
from seekless.loader.order import SHUFFLES
from seekless.loader.reading import check_reader
from seekless.store.blocks import VERIFY
from seekless.store.splits import Split

__all__ = ["WINDOW_BYTES", "BatchOptions", "is_float"]

# A constant, not a share of free memory: the order must not depend on the machine.
WINDOW_BYTES = 256 << 20


def is_float(dtype: str) -> bool:
    """Return whether a text names a float dtype."""
    try:
        return np.dtype(dtype).kind == "f"
    except TypeError:
        return False


@dataclass(frozen=True)
class BatchOptions:
    """How batches are made.

    Attributes:
        batch_size: Samples in a batch; the last of an epoch may be shorter.
        split: "train", "test", a pair of fractions, or None for the whole store.
        shuffle: "window", "batch", "full" or False; None for "window", but False where split is "test". "batch" and
            "full" seek: a store larger than a window is read almost once for each window.
        seed: Draws the order.
        window_bytes: Decoded bytes of x that are mixed at one time.
        one_hot: Give class targets as float32 rows with a single 1.
        dtype: The dtype of x, scaled by one division (pictures come as 0 to 1); None for stored values as they are.
        shard: (rank, ranks): make the batches of one of several ranks that train together. Each sample comes once an
            epoch over all ranks; all have equal numbers of batches and, but for the last two steps, full ones.
        drop_remainder: True leaves out the samples that fill no whole batch; "uneven" those, fewer than ranks, by which
            a batch of one rank would be longer than that of another. Another lot each epoch, unless shuffle is False.
        transform: f(x, y, rng) that gives (x, y) again, such as an augmentation. x comes scaled and y as rows where
            `one_hot`; y is None without targets; x of several inputs is a dictionary by name. rng is a
            `numpy.random.Generator` that follows from seed, epoch and step alone. Shapes and dtypes may change, and x
            and y may become dictionaries of arrays; all keep equal lengths.
        reader: By what blocks are read: "pread", through the page cache; "direct", past it; or "auto", which reads past
            it where an epoch is more than twice the memory that is left, and what is reached by URL by ranges.
        verify: When a block of x is compared with its checksum: "first-epoch", when it is first read and after its file
            changed; "always", each time it is read; "never", where a file that changed is an error.
        cache_bytes: Decoded bytes of x that stay in memory over the epochs at most; no batch depends on it. None keeps
            a part that fits two windows, which would be in memory at a time anyhow, and nothing of a larger one.
    """

    batch_size: int = 32
    split: Split = None
    shuffle: str | bool | None = None
    seed: int = 0
    window_bytes: int = WINDOW_BYTES
    one_hot: bool = False
    dtype: str | None = "float32"
    shard: tuple[int, int] = (0, 1)
    drop_remainder: bool | str = False
    transform: Callable[..., Any] | None = None
    reader: str = "auto"
    verify: str = "first-epoch"
    cache_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch_size: found {self.batch_size}, expected 1 or more")
        if self.window_bytes < 1:
            raise OptionError(f"window_bytes: found {self.window_bytes}, expected 1 or more")
        check_reader(self.reader)
        if self.verify not in VERIFY:
            raise OptionError(f"verify: found {self.verify!r}, expected one of {', '.join(VERIFY)}")
        if self.cache_bytes is not None and self.cache_bytes < 0:
            raise OptionError(f"cache_bytes: found {self.cache_bytes}, expected 0 or more, or None")
        if self.shuffle is None:
            object.__setattr__(self, "shuffle", False if self.split == "test" else "window")
        if self.shuffle not in SHUFFLES:
            raise OptionError(f"shuffle: found {self.shuffle!r}, expected 'window', 'batch', 'full' or False")
        if not (self.dtype is None or is_float(self.dtype)):
            raise OptionError(f"dtype: found {self.dtype!r}, expected a float dtype, or None for the stored values")
        _check_drop(self.drop_remainder)
        if not _is_pair(self.shard):
            raise OptionError(f"shard: found {self.shard!r}, expected (rank, ranks), such as (0, 2)")
        if not (self.transform is None or callable(self.transform)):
            raise OptionError(f"transform: found {self.transform!r}, expected a function of (x, y, rng), or None")


def _check_drop(drop: Any) -> None:
    if drop not in (True, False, "uneven"):
        raise OptionError(f"drop_remainder: found {drop!r}, expected True, False or 'uneven'")


def _is_pair(shard: Any) -> bool:
    return isinstance(shard, tuple) and len(shard) == 2 and all(isinstance(number, int) for number in shard)

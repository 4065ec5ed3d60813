"""The small fields that stand beside x: targets and sample weights, kept in memory where they fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.loader.line import Line
from seekless.loader.pick import numbers, read_ranges
from seekless.store.store import Store

__all__ = ["Targets", "class_counts", "class_weights"]

# A field of a part is kept in memory up to this size; larger ones are read window by window.
KEPT_BYTES = 64 << 20
# Targets that are counted are read this many bytes at a time.
COUNTED_BYTES = 16 << 20


class Targets:
    """One small field of a part of a store.

    Args:
        store: The store.
        name: "y" or "sample_weight".
        line: The ranges of the part.
    """

    def __init__(self, store: Store, name: str, line: Line) -> None:
        self.name = name
        self._reader = store.reader(name)
        self._line = line
        self._kept: npt.NDArray[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}  # what was read can be read again

    def read(self, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[Any]:
        """Read ranges of samples, one behind the other.

        Args:
            ranges: Ascending (start, stop) pairs in samples of the store, inside the part.

        Returns:
            The values that the source had, (samples in all ranges, *sample_shape).

        Raises:
            StoreFormatError: A block is damaged, or the file was cut short.
        """
        field = self._reader.table.field
        line = self._line
        if (line.stop - line.start) * field.sample_bytes > KEPT_BYTES:
            return field.encoding.decode(read_ranges(self._reader, ranges))
        if self._kept is None:
            self._kept = field.encoding.decode(read_ranges(self._reader, line.ranges))
        values: npt.NDArray[Any] = self._kept[line.places(numbers(ranges)) - line.start]
        return values


def class_counts(store: Store, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Count the samples of each class, reading targets alone.

    Args:
        store: A store whose targets are classes.
        ranges: The samples that count, (start, stop) pairs.

    Returns:
        int64, (classes,).

    Raises:
        OptionError: Targets are no classes.
        StoreFormatError: A block is damaged, or the file was cut short.
    """
    if store.header.target_kind != "class":
        raise OptionError(f"{store.path}: found targets that are no classes, expected classes to count")
    reader = store.reader("y")
    counts = np.zeros(store.header.class_count, np.int64)
    step = max(1, COUNTED_BYTES // reader.table.field.sample_bytes)
    line = Line(tuple(ranges))
    for first in range(line.start, line.stop, step):
        pairs = line.pairs([(first, min(first + step, line.stop))])
        classes = reader.table.field.encoding.decode(read_ranges(reader, pairs))
        counts += np.bincount(classes.astype(np.int64), minlength=len(counts))
    return counts


def class_weights(store: Store, ranges: Sequence[tuple[int, int]]) -> dict[int, float]:
    """Return weights that make all classes count the same: samples / (classes * samples of the class).

    Args:
        store: A store whose targets are classes.
        ranges: The samples that count, (start, stop) pairs.

    Returns:
        The weight of each class that has samples, for `fit(class_weight=...)`.

    Raises:
        OptionError: Targets are no classes.
        StoreFormatError: A block is damaged, or the file was cut short.
    """
    counts = class_counts(store, ranges)
    present = np.flatnonzero(counts)
    return {int(number): float(counts.sum() / (len(present) * counts[number])) for number in present}

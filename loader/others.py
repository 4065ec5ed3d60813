"""The smaller ones of several inputs: read window by window beside the largest, and scaled by their own numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.loader.gather import Scaling
from seekless.loader.pick import read_ranges
from seekless.store.blocks import BlockReader

__all__ = ["OtherInput"]


class OtherInput:
    """One input.

    Args:
        reader: Of its blocks.
        dtype: A float dtype, or None for stored values.
    """

    def __init__(self, reader: BlockReader, dtype: str | None) -> None:
        self._reader = reader
        self._scaling = None if dtype is None else Scaling(reader.table.field, dtype)

    @property
    def name(self) -> str:
        """Its field."""
        return self._reader.table.field.name

    def read(self, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[Any]:
        """Read ranges of samples, one behind the other.

        Args:
            ranges: Ascending (start, stop) pairs in samples.

        Returns:
            Stored values, (samples in all ranges, *sample_shape).

        Raises:
            StoreFormatError: A block is damaged, or the file was cut short.
            OSError: The file cannot be read.
        """
        return read_ranges(self._reader, ranges)

    def scaled(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return samples as a model takes them.

        Args:
            stored: (n, *sample_shape), as the store has them.
        """
        if self._scaling is None:
            return stored
        out = np.empty(stored.shape, self._scaling.dtype)
        self._scaling.scale(stored, out)
        return out

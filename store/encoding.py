"""How values of one dtype are stored in a smaller one without losing a bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Encoding"]


@dataclass(frozen=True)
class Encoding:
    """One way to store values: stored = value * divisor, value = stored / divisor.

    Attributes:
        dtype: The stored dtype.
        logical_dtype: The dtype of the values.
        divisor: 1, or what stored integers are divided by: 255 or 65535.
    """

    dtype: np.dtype[Any]
    logical_dtype: np.dtype[Any]
    divisor: int = 1

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values as stored; they come back only where `gives_back` holds.

        Args:
            values: Any shape, of the logical dtype.

        Returns:
            The same shape, of the stored dtype.
        """
        with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is found by gives_back
            if self.divisor != 1:
                values = values * self.divisor
            if self.dtype.kind in "iu" and values.dtype.kind == "f":
                values = np.rint(values)
            return values.astype(self.dtype, copy=False)

    def decode(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return stored values as they were, by one IEEE division.

        Multiplying by 1/255 instead would give other bits for 126 of 256 values.

        Args:
            stored: Any shape, of the stored dtype.

        Returns:
            The same shape, of the logical dtype.
        """
        if self.divisor == 1:
            return stored.astype(self.logical_dtype, copy=False)
        values: npt.NDArray[Any] = np.divide(stored, self.divisor, dtype=self.logical_dtype)
        return values

    def gives_back(self, values: npt.NDArray[Any]) -> bool:
        """Return whether every value comes back with the same bits (so that -0.0 is not 0.0).

        Args:
            values: Any shape, of the logical dtype.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            back = self.decode(self.encode(values))
        bits = np.dtype(f"u{self.logical_dtype.itemsize}")
        return bool(np.array_equal(back.view(bits), values.view(bits)))

    def __str__(self) -> str:
        return self.dtype.name if self.divisor == 1 else f"{self.dtype.name} / {self.divisor}"

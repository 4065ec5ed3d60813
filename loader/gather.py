"""Take samples out of memory in the order in which they are used, and scale them by one division."""

from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.loader.scale import scaled
from seekless.store.schema import Field

__all__ = ["DIRECT_BYTES", "Scaling", "take"]

# Samples from this size on are scaled one by one, straight from where they lie.
DIRECT_BYTES = 16 << 10
# What is cast is divided while it is in the processor's own cache.
CACHED_BYTES = 1 << 20


def take(x: npt.NDArray[Any], rows: npt.NDArray[np.int64], out: npt.NDArray[Any]) -> None:
    """Copy rows of an array, one behind the other.

    Args:
        x: (samples, *sample_shape).
        rows: int64, (n,), of x.
        out: (n, *sample_shape), of the same dtype.
    """
    # "clip" copies straight into the output; the default would copy into an array of its own first.
    x.take(rows, axis=0, out=out, mode="clip")


class Scaling:
    """How stored values become those that a model trains on.

    Args:
        field: Of the samples.
        dtype: A float dtype.
    """

    def __init__(self, field: Field, dtype: npt.DTypeLike) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._field = field
        divisor = field.encoding.divisor * field.scale
        self._divisor = self.dtype.type(divisor if self.dtype.itemsize >= 4 else 1)  # float16 cannot hold 65535
        self._together = max(
            1, CACHED_BYTES // max(1, field.sample_bytes // field.dtype.itemsize * self.dtype.itemsize)
        )

    def scale(self, stored: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Scale samples.

        Args:
            stored: (n, *sample_shape), as the store has them.
            out: The same shape, of `dtype`.
        """
        for first in range(0, len(stored), self._together):
            self._scale(stored[first : first + self._together], out[first : first + self._together])

    def take(self, x: npt.NDArray[Any], rows: npt.NDArray[np.int64], out: npt.NDArray[Any]) -> None:
        """Take large samples and scale them, straight from where they lie.

        Args:
            x: (samples, *sample_shape), as the store has them.
            rows: int64, (n,), of x.
            out: (n, *sample_shape), of `dtype`.
        """
        for place, row in enumerate(rows.tolist()):
            self._scale(x[row], out[place])

    def _scale(self, stored: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        if self.dtype.itemsize < 4:  # float16 of a float32 is rounded twice; files give float16 of the value itself
            out[...] = scaled(self._field.encoding.decode(stored), self._field.scale, self.dtype)
            return
        np.copyto(out, stored, casting="unsafe")
        if self._divisor != 1:  # np.divide could cast as well, by small pieces, and takes 1.3 times as long
            np.divide(out, self._divisor, out=out)

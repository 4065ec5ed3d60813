"""Bring samples to the dtype that a model trains on, by one division; the same for a store and for loose files."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["one_hot", "scaled"]


def scaled(samples: npt.NDArray[Any], scale: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Divide samples by their scale.

    Args:
        samples: Any shape, with the values that the source has.
        scale: 255 or 65535 for pictures, so that they come as 0 to 1; else 1.
        dtype: A float dtype.

    Returns:
        The same shape, of that dtype.
    """
    if scale == 1:
        return samples.astype(dtype, copy=False)
    # float16 cannot hold 65535, so nothing smaller than float32 divides.
    values: npt.NDArray[Any] = np.divide(samples, scale, dtype=np.result_type(dtype, np.float32))
    return values.astype(dtype, copy=False)


def one_hot(classes: npt.NDArray[Any], count: int) -> npt.NDArray[np.float32]:
    """Return a row with a single 1 for each class.

    Args:
        classes: int64, (n,), 0 to count - 1.
        count: Number of classes.

    Returns:
        float32, (n, count).
    """
    rows = np.zeros((len(classes), count), np.float32)
    rows[np.arange(len(classes)), classes] = 1
    return rows

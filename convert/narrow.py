"""Lossless narrowing: the smallest stored dtype that gives every value back bit for bit, proved on all values."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.store.encoding import Encoding

__all__ = ["candidates", "proved", "smallest"]

PROBE = 512


# What holds for the first holds for the second, so that it need not be tried. Not so for float16 and float32:
# processors change the bits of a signalling NaN on its way from float64 to float32.
_IMPLIES = {
    ("uint8", 1): {("uint16", 1), ("int16", 1), ("float16", 1), ("float32", 1)},
    ("int8", 1): {("int16", 1), ("float16", 1), ("float32", 1)},
    ("uint8", 255): {("uint16", 65535)},
    ("uint16", 1): {("float32", 1)},
    ("int16", 1): {("float32", 1)},
}


@lru_cache
def candidates(logical_dtype: np.dtype[Any]) -> tuple[Encoding, ...]:
    """Return the encodings to try for a dtype, the smallest first; the last is the dtype itself.

    Args:
        logical_dtype: The dtype of the source's values.
    """
    forms = [("uint8", 1), ("int8", 1), ("uint8", 255), ("uint16", 1), ("int16", 1), ("uint16", 65535)]
    forms += [("float16", 1), ("float32", 1)]
    tried = []
    for name, divisor in forms:
        dtype = np.dtype(name)
        fits = dtype.itemsize < logical_dtype.itemsize
        # Not signed for unsigned: 65535 would come back from -1, bit for bit, but other readers would see -1.
        whole = divisor == 1 and dtype.kind in ("u" if logical_dtype.kind == "u" else "ui")
        if fits and (logical_dtype.kind == "f" or whole):
            tried.append(Encoding(dtype, logical_dtype, divisor))
    return (*tried, Encoding(logical_dtype, logical_dtype))


def proved(values: npt.NDArray[Any]) -> int:
    """Try every encoding on every value.

    Args:
        values: Any shape, of a logical dtype.

    Returns:
        A bit for each of `candidates(values.dtype)` that gives every value back bit for bit: bit 0 for the first. The
        encodings that hold for all of a source are those whose bits stand in every such number.
    """
    encodings = candidates(values.dtype)
    flat = values.reshape(-1)
    probe = np.ascontiguousarray(flat[:: max(1, flat.size // PROBE)])
    held: set[tuple[str, int]] = set()
    mask = 1 << (len(encodings) - 1)
    for bit, encoding in enumerate(encodings[:-1]):
        form = (encoding.dtype.name, encoding.divisor)
        if form in held or (encoding.gives_back(probe) and encoding.gives_back(flat)):
            held |= {form, *_IMPLIES.get(form, set())}
            mask |= 1 << bit
    return mask


def smallest(mask: int) -> int:
    """Return the number of the smallest encoding among the bits that `proved` gives."""
    return (mask & -mask).bit_length() - 1

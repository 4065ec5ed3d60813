"""A stored dtype that the user asks for: whether values come back from it, and which is the first that does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.store.encoding import Encoding

__all__ = ["DTYPES", "Lost", "Tried", "choose", "try_encodings", "wanted_encodings"]

DTYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "float64")
DIVISORS = {"uint8": (1, 255), "uint16": (1, 65535)}


@dataclass(frozen=True)
class Lost:
    """A value that does not come back.

    Attributes:
        index: The number of its sample in the source.
        value: The value.
        back: What would come back.
    """

    index: int
    value: Any
    back: Any


@dataclass(frozen=True)
class Tried:
    """What became of the values of some samples in one encoding.

    Attributes:
        lost: Of the first sample with a value that does not come back bit for bit, the first such value; else None.
        unfit: Of the first sample with a value that lies outside what the dtype can hold, such a value; else None.
    """

    lost: Lost | None = None
    unfit: Lost | None = None

    def __add__(self, other: "Tried") -> "Tried":
        return Tried(_first(self.lost, other.lost), _first(self.unfit, other.unfit))


def wanted_encodings(dtype: str, logical_dtype: np.dtype[Any]) -> tuple[Encoding, ...]:
    """Return the ways to store values in a dtype: as they are, and for float values as k / 255 or k / 65535.

    Args:
        dtype: One of `DTYPES`.
        logical_dtype: The dtype of the source's values.
    """
    divisors = DIVISORS.get(dtype, (1,)) if logical_dtype.kind == "f" else (1,)
    return tuple(Encoding(np.dtype(dtype), logical_dtype, divisor) for divisor in divisors)


def try_encodings(
    values: npt.NDArray[Any], indices: npt.NDArray[np.int64], encodings: Sequence[Encoding]
) -> tuple[Tried, ...]:
    """Try encodings on every value.

    Args:
        values: (samples, *sample_shape), of a logical dtype.
        indices: int64, (samples,): the samples' numbers in the source.
        encodings: What to try.
    """
    return tuple(_try(values, indices, encoding) for encoding in encodings)


def _try(values: npt.NDArray[Any], indices: npt.NDArray[np.int64], encoding: Encoding) -> Tried:
    # 200 comes back from int8, bit for bit, as -56 read as uint8; all other programs would see -56.
    wraps = values.dtype.kind == "u" and encoding.dtype.kind == "i"
    if encoding.gives_back(values) and not (wraps and _outside(values, encoding).any()):
        return Tried()
    with np.errstate(invalid="ignore", over="ignore"):
        back = encoding.decode(encoding.encode(values))
    bits = np.dtype(f"u{values.dtype.itemsize}")
    outside = _outside(values, encoding)
    differ = np.ascontiguousarray(back).view(bits) != np.ascontiguousarray(values).view(bits)
    return Tried(_pick(values, back, differ | outside, indices), _pick(values, back, outside, indices))


def _outside(values: npt.NDArray[Any], encoding: Encoding) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore", over="ignore"):
        if encoding.dtype.kind == "f":
            too_large: npt.NDArray[np.bool_] = np.isfinite(values) & ~np.isfinite(values.astype(encoding.dtype))
            return too_large
        limits = np.iinfo(encoding.dtype)
        scaled = np.rint(values * encoding.divisor) if values.dtype.kind == "f" else values
        inside: npt.NDArray[np.bool_] = (scaled >= limits.min) & (scaled <= limits.max)
        return ~inside  # NaN is not inside


def _pick(
    values: npt.NDArray[Any], back: npt.NDArray[Any], where: npt.NDArray[np.bool_], indices: npt.NDArray[np.int64]
) -> Lost | None:
    samples = np.flatnonzero(where.reshape(len(values), -1).any(axis=1))
    if not len(samples):
        return None
    row = samples[np.argmin(indices[samples])]
    at = np.flatnonzero(where[row].reshape(-1))[0]
    return Lost(int(indices[row]), values[row].reshape(-1)[at], back[row].reshape(-1)[at])


def _first(one: Lost | None, other: Lost | None) -> Lost | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda lost: lost.index)


def choose(encodings: Sequence[Encoding], tried: Sequence[Tried], keys: Sequence[str], *, lossy: bool) -> Encoding:
    """Choose how to store values in the dtype that is asked for.

    Args:
        encodings: The ways.
        tried: What became of all values in each.
        keys: The key of each sample.
        lossy: Take the nearest value where none gives all back; of several ways the finest that holds all.

    Raises:
        OptionError: A value does not come back, and `lossy` is not set; or one lies outside what the dtype can hold.
    """
    for encoding, outcome in zip(encodings, tried, strict=True):
        if outcome.lost is None:
            return encoding
    if not lossy:
        raise _refusal(encodings, tried, keys)
    for encoding, outcome in reversed(list(zip(encodings, tried, strict=True))):
        if outcome.unfit is None:
            return encoding
    unfit = next(outcome.unfit for outcome in tried if outcome.unfit)
    raise OptionError(f"--dtype {encodings[0].dtype.name} --lossy: {_beyond(unfit, encodings[0], keys)}")


def _refusal(encodings: Sequence[Encoding], tried: Sequence[Tried], keys: Sequence[str]) -> OptionError:
    # The way that fails last is the one that the data was made for.
    lost = [(outcome.lost, place) for place, outcome in enumerate(tried) if outcome.lost]
    first, place = max(lost, key=lambda pair: (pair[0].index, -pair[1]))
    encoding, name = encodings[place], encodings[place].dtype.name
    if encoding.divisor == 1 and tried[place].unfit == first:
        return OptionError(f"--dtype {name}: {_beyond(first, encoding, keys)}; take another, or --dtype auto")
    return OptionError(
        f"--dtype {name}: found the value {first.value} in {keys[first.index]}, which comes back from {encoding} as "
        f"{first.back}, expected every value to come back bit for bit; take --dtype auto, or give --lossy to keep the "
        "nearest values"
    )


def _beyond(unfit: Lost, encoding: Encoding, keys: Sequence[str]) -> str:
    limits = np.finfo(encoding.dtype) if encoding.dtype.kind == "f" else np.iinfo(encoding.dtype)
    return (
        f"found the value {unfit.value} in {keys[unfit.index]}, expected values of {limits.min} to {limits.max}, which "
        "this dtype can hold"
    )

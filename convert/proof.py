"""How small the samples of an array can be stored, proved part by part while they are read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.options import Options
from seekless.convert.wanted import Tried, choose, try_encodings, wanted_encodings
from seekless.errors import OptionError
from seekless.store.encoding import Encoding

__all__ = ["Proof"]


class Proof:
    """Proves how small the samples of one input can be stored.

    Attributes:
        shape: The shape of one sample.
        dtype: The dtype they come in.

    Args:
        field: The input's field.
        how: How to convert.
    """

    def __init__(self, field: str, how: Options) -> None:
        self._field = field
        self._how = how
        self._proved = -1
        self._tried: tuple[Tried, ...] = ()
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)

    @property
    def why(self) -> str:
        """Why values are stored in the dtype that they came in, where they are."""
        if self._how.dtype != "auto":
            return "as asked for"
        return "as it came; nothing smaller gives every value back bit for bit"

    def encode(self, values: npt.NDArray[Any], start: int) -> tuple[npt.NDArray[Any], Encoding]:
        """Return samples in the smallest encoding that gives all of them back.

        Args:
            values: (n, *sample_shape).
            start: The number of the first of them.
        """
        self.shape, self.dtype = values.shape[1:], values.dtype
        if self._how.dtype != "auto":
            indices = np.arange(start, start + len(values))
            tried = try_encodings(values, indices, wanted_encodings(self._how.dtype, values.dtype))
            before = self._tried or tried
            self._tried = tuple(one + other for one, other in zip(before, tried, strict=True))
        if values.dtype.kind == "b":
            encoding = _bool_encoding(values.dtype)
        else:
            held = proved(values)
            self._proved &= held
            encoding = candidates(values.dtype)[smallest(held)]
        stored = encoding.encode(values)
        # A program may change its arrays while they wait here.
        return (stored.copy() if np.may_share_memory(stored, values) else stored), encoding

    def encoding(self, keys: Sequence[str]) -> Encoding:
        """Return the encoding of the dtype that is asked for, else the smallest that gives every value back.

        Args:
            keys: The keys of all samples, for the message.

        Raises:
            OptionError: A value does not come back from the dtype that is asked for.
        """
        if self._how.dtype != "auto":
            encodings = wanted_encodings(self._how.dtype, self.dtype)
            try:
                return choose(encodings, self._tried, keys, lossy=self._how.lossy)
            except OptionError as error:
                if self._field == "x":
                    raise
                raise OptionError(f"{self._field}: {error}") from None
        if self.dtype.kind == "b":
            return _bool_encoding(self.dtype)
        return candidates(self.dtype)[smallest(self._proved)]


def _bool_encoding(dtype: np.dtype[Any]) -> Encoding:
    """Return the one encoding of truth values: as 0 and 1, which every HDF5 tool reads as numbers."""
    return Encoding(np.dtype(np.uint8), dtype)

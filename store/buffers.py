"""Memory that is used again: large arrays get fresh pages each time, which cost as much as writing to them."""

import math
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ALIGNED", "Buffers"]

# TensorFlow and JAX take an array without a copy where it begins at such an address.
ALIGNED = 64


_Memory = tuple[npt.NDArray[np.uint8], int]  # and its aligned address


class _Lease:
    """Lends memory to an array and all views of it, and gives it back when the last of them is gone."""

    __slots__ = ("__array_interface__", "_home", "_memory")

    def __init__(self, home: "deque[_Memory]", memory: _Memory, shape: tuple[int, ...], dtype: str) -> None:
        self._home, self._memory = home, memory
        self.__array_interface__ = {"version": 3, "data": (memory[1], False), "shape": shape, "typestr": dtype}

    def __del__(self) -> None:
        self._home.append(self._memory)


class Buffers:
    """Gives arrays whose memory is used again once nobody holds them: no array ever changes in somebody's hands.

    Whoever has such an array, or a view of one, or took its memory without a copy as TensorFlow, JAX and PyTorch do,
    holds a reference to it, as he must with any array. Memory comes back with the last reference.

    Args:
        keep: How many pieces of memory that nobody holds are kept for the next array.
        least: Bytes of a piece at least, so that each fits all arrays up to this size. What is not written to costs
            nothing.
        aligned: What the address of each is a multiple of.
    """

    def __init__(self, keep: int, least: int = 0, aligned: int = ALIGNED) -> None:
        self._least = least
        self._aligned = aligned
        self._free: deque[_Memory] = deque(maxlen=keep)

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array with arbitrary values, contiguous and aligned.

        Args:
            shape: Its shape.
            dtype: Its dtype.
        """
        dtype = np.dtype(dtype)
        memory = self._memory(math.prod(shape) * dtype.itemsize)
        return np.asarray(_Lease(self._free, memory, shape, dtype.str))

    def _memory(self, wanted: int) -> _Memory:
        for _ in range(len(self._free)):
            try:
                memory = self._free.pop()
            except IndexError:  # another thread took it
                break
            # Not for something far smaller, for which new memory is cheap.
            if wanted <= len(memory[0]) - self._aligned <= max(2 * wanted, self._least, 1 << 16):
                return memory
            self._free.appendleft(memory)
        fresh = np.empty(max(wanted, self._least) + self._aligned, np.uint8)
        start: int = fresh.__array_interface__["data"][0]
        return fresh, start + -start % self._aligned

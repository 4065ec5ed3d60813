"""Samples on their way from a worker process to this one, in memory that both see rather than through a pipe."""

import contextlib
import math
import mmap
import os
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import reduction
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.workers import RunResult

__all__ = ["SharedMemory", "can_share"]

# Addresses that each run has for itself; only what is written there takes memory.
REGION = 64 << 20
# Less than this goes through the pipe.
LEAST = 32 << 10
# Less than this is copied when it comes, for each mapping counts against a limit of the system's (65,530 on Linux).
MAPPED = 1 << 20


def can_share() -> bool:
    """Return whether this system has such memory: Linux has."""
    return hasattr(os, "memfd_create") and hasattr(mmap, "MADV_REMOVE")


class SharedMemory:
    """A file without a name, in memory: workers write there, and this process keeps what they wrote without a copy.

    Handed to a worker process as it starts, it is the same memory there.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("seekless-samples", os.MFD_CLOEXEC)
        self._free: list[int] = []
        self._end = 0

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._file)

    def __setstate__(self, handle: Any) -> None:
        self._file, self._free, self._end = handle.detach(), [], 0

    def close(self) -> None:
        """Close the file; what was received stays."""
        os.close(self._file)

    def region(self) -> int:
        """Return where a run may write."""
        if self._free:
            return self._free.pop()
        self._end += REGION
        return self._end - REGION

    def write(self, at: int, parts: Sequence[npt.NDArray[Any]]) -> int | None:
        """Write arrays one behind the other; in a worker.

        Args:
            at: Where in a region to begin.
            parts: Contiguous arrays.

        Returns:
            Where the next ones may be written; None where nothing was written as they are few, or too many.
        """
        size = sum(part.nbytes for part in parts)
        if size < LEAST or at % REGION + size > REGION:
            return None
        for part in parts:
            data = part.reshape(-1).view(np.uint8).data
            while data:
                count = os.pwrite(self._file, data, at)
                data, at = data[count:], at + count
        return -(-at // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY

    def received(self, result: RunResult, region: int) -> RunResult:
        """Return a run with the samples that were written to its region; the region belongs to it from now on."""
        shapes = {group.at: (len(group.indices), *group.form[0]) for group in result.groups if group.at is not None}
        sizes = [math.prod(shapes[g.at]) * g.stored.itemsize for g in result.groups if g.at is not None]
        if not sizes or sum(sizes) < MAPPED:
            take = self._copied
            self._free.append(region)
        else:
            take = self._mapped
        groups = [
            group if group.at is None else replace(group, stored=take(group.at, shapes[group.at], group.stored.dtype))
            for group in result.groups
        ]
        return replace(result, groups=groups)

    def _copied(self, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        values = np.empty(shape, dtype)
        data = values.reshape(-1).view(np.uint8).data
        while data:
            count = os.preadv(self._file, [data], at)
            data, at = data[count:], at + count
        return values

    def _mapped(self, at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        count = math.prod(shape)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        memory = _Mapping(self._file, count * dtype.itemsize, flags=flags, offset=at)
        return np.frombuffer(memory, dtype, count).reshape(shape)


class _Mapping(mmap.mmap):
    """A part of the file; once nothing refers to it, its memory is free."""

    def __del__(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.madvise(mmap.MADV_REMOVE)

"""Samples whose number is not yet known, kept in the order in which they come: in memory, past it in one file."""

import math
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seekless.store.encoding import Encoding

__all__ = ["Spool"]


class Spool:
    """Takes encoded samples, and gives them back in the same order, once.

    The file has no name from the start, so that nothing is left of it however the process ends.

    Args:
        memory: Bytes to keep within. Samples take up to a third before they go to the file.
        folder: A folder on the disk that the file is to lie on.
    """

    def __init__(self, memory: int, folder: Path) -> None:
        self._share = memory // 3
        self._folder = folder
        self._held: deque[npt.NDArray[Any]] = deque()
        self._held_bytes = 0
        self._order: list[tuple[Encoding, tuple[int, ...]]] = []  # of every piece: how it is encoded, and its shape
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, stored: npt.NDArray[Any], encoding: Encoding) -> None:
        """Keep some samples.

        Args:
            stored: (n, *sample_shape), as encoded; it belongs to the spool from now on.
            encoding: How.
        """
        self._order.append((encoding, stored.shape))
        if self._file is not None:
            self._file.write(stored.reshape(-1).view(np.uint8).data)
            return
        self._held.append(stored)
        self._held_bytes += stored.nbytes
        if self._held_bytes > self._share:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed on leaving)
            while self._held:
                self._file.write(self._held.popleft().reshape(-1).view(np.uint8).data)

    def pieces(self) -> Iterator[tuple[npt.NDArray[Any], Encoding]]:
        """Yield what was kept, as it was kept; nothing can be added any more."""
        if self._file is not None:
            self._file.seek(0)
        for encoding, shape in self._order:
            yield self._next(encoding, shape), encoding

    def _next(self, encoding: Encoding, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        if self._file is None:
            return self._held.popleft()
        data = self._file.read(encoding.dtype.itemsize * math.prod(shape))
        return np.frombuffer(data, encoding.dtype).reshape(shape)

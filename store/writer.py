"""What the writers of all kinds of stores share: blocks come field by field, in order, and each gets a checksum."""

import zlib
from abc import ABC, abstractmethod
from types import TracebackType

import numpy as np
import numpy.typing as npt

from seekless.store.schema import Header

__all__ = ["StoreWriter"]


class StoreWriter(ABC):
    """Writes the blocks of a store; the store is complete once the context is left without an error.

    Args:
        header: What the store holds.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self._checks = {name: np.zeros(f.blocks(header.length), "<u4") for name, f in header.fields.items()}
        self._next = dict.fromkeys(header.fields, 0)

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandon()
            return
        for name, checks in self._checks.items():
            if self._next[name] != len(checks):
                self._abandon()
                raise ValueError(f"{name}: found {self._next[name]} blocks appended, expected {len(checks)}")
        self._finish(self._checks)

    def append(self, name: str, stored: memoryview | bytes) -> None:
        """Append the next block of a field.

        Args:
            name: The field.
            stored: The stored bytes of a whole block; the last one is padded with zeros.
        """
        number = self._next[name]
        self._checks[name][number] = zlib.crc32(self._put(name, number, stored))
        self._next[name] += 1

    @abstractmethod
    def _put(self, name: str, number: int, stored: memoryview | bytes) -> memoryview | bytes:
        """Write one block; return the bytes that stand in the file for it."""

    @abstractmethod
    def _finish(self, checks: dict[str, npt.NDArray[np.uint32]]) -> None:
        """Write what is left, and bring all of it to the disk."""

    @abstractmethod
    def _abandon(self) -> None:
        """Close what is open."""

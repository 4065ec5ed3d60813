"""Single samples by number, for those who ask in an order of their own: the last blocks read are held decoded."""

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.store.blocks import BlockReader, BlockTable

__all__ = ["HeldBlocks"]

# Decoded bytes that are held in each process: some blocks of a few MiB.
HELD_BYTES = 64 << 20


class HeldBlocks:
    """Reads one sample at a time. Threads may share it; a copy by pickle or by fork begins without a block.

    Args:
        tables: Each field's table of blocks.
    """

    def __init__(self, tables: Mapping[str, BlockTable]) -> None:
        self._tables = tables
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._readers: dict[str, BlockReader] = {}
        self._blocks: OrderedDict[tuple[str, int], npt.NDArray[Any]] = OrderedDict()
        self._nbytes = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"_tables": self._tables}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def sample(self, name: str, number: int) -> Any:
        """Return one sample of a field, its value as the source had it; an array of its own.

        Args:
            name: The field.
            number: 0 to the length of the store - 1.

        Raises:
            StoreFormatError: The block is damaged, or the file was cut short.
            OSError: The file cannot be read.
        """
        table = self._tables[name]
        block = int(np.searchsorted(table.first, number, "right")) - 1
        row = number - int(table.first[block])
        return table.field.encoding.decode(self._block(name, block)[row : row + 1].copy())[0]

    def _block(self, name: str, block: int) -> npt.NDArray[Any]:
        if self._process != os.getpid():  # the lock may have been taken when the process was forked
            self._begin()
        with self._lock:
            held = self._blocks.get((name, block))
            if held is not None:
                self._blocks.move_to_end((name, block))
                return held
            table = self._tables[name]
            reader = self._readers.setdefault(name, BlockReader(table))
        read = reader.read([(int(table.first[block]), int(table.first[block + 1]))])
        with self._lock:
            if (name, block) not in self._blocks:  # another thread may have read it meanwhile
                self._blocks[name, block] = read
                self._nbytes += read.nbytes
            while self._nbytes > HELD_BYTES and len(self._blocks) > 1:
                self._nbytes -= self._blocks.popitem(last=False)[1].nbytes
        return read

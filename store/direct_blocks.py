"""Runs of blocks of files here, read past the page cache: exactly what is wanted, where nothing would be found again.

The kernel reads on behind each long read. What comes so is used where it stays in the page cache until its blocks are
wanted; of a store far larger than memory it is lost, and so is what it takes the place of.
"""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows)
    fcntl = None  # type: ignore[assignment]

from seekless.store.buffers import Buffers
from seekless.store.local_blocks import LocalBlocks
from seekless.store.runs import Span, extent
from seekless.store.schema import ALIGNMENT

__all__ = ["DirectBlocks", "can_read_directly"]

_DIRECT = getattr(os, "O_DIRECT", 0) if fcntl is not None else 0


def can_read_directly(path: Path) -> bool:
    """Return whether a file can be read past the page cache.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be opened.
    """
    if not _DIRECT:
        return False
    try:
        os.close(os.open(path, os.O_RDONLY | _DIRECT))
    except OSError:
        with open(path, "rb"):  # or it cannot be opened at all
            return False
    return True


class DirectBlocks(LocalBlocks):
    """Reads runs of blocks past the page cache, and as others where the file system refuses that.

    Args:
        table: The field's blocks.
        scratch: Runs whose stored bytes are in memory at a time.
    """

    # The disk writes to whole pages of memory alone.
    in_place = False

    def release(self) -> None:
        """Free the memory for stored bytes; the next call takes it anew."""
        self._scratch = Buffers(self._keep, aligned=ALIGNMENT)

    def _open(self, path: Path) -> BinaryIO:
        try:
            return open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | _DIRECT))
        except OSError:  # refused, or it cannot be opened at all
            return super()._open(path)

    def _read_run(self, file: BinaryIO, run: list[Span]) -> list[memoryview]:
        if not _is_direct(file):
            return super()._read_run(file, run)
        table = self._table
        start, end = extent(table, run)
        begin = start - start % ALIGNMENT
        memory = self._scratch.empty((end - begin + -(end - begin) % ALIGNMENT,), np.uint8).data
        try:
            whole = begin + _fill_pages(file.fileno(), memory, begin) >= end
        except OSError:
            whole = False
        if not whole:
            # Through the page cache it succeeds, or tells at which byte the disk fails or the file ends.
            _set_plain(file)
            return super()._read_run(file, run)
        offsets = [int(table.offset[span.block]) - begin for span in run]
        return [memory[at : at + int(table.nbytes[span.block])] for at, span in zip(offsets, run, strict=True)]


def _is_direct(file: BinaryIO) -> bool:
    return bool(_DIRECT and fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & _DIRECT)


def _set_plain(file: BinaryIO) -> None:
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & ~_DIRECT)


def _fill_pages(descriptor: int, memory: memoryview, offset: int) -> int:
    """Read whole pages; return how many bytes there were: fewer where the file ends, or where no whole page came."""
    got = 0
    while got < len(memory):
        count = os.preadv(descriptor, [memory[got:]], offset + got)
        got += count
        if count % ALIGNMENT or not count:
            break
    return got

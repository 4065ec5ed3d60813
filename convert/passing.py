"""Where a store is written until it is complete, and what stands there of a run that was stopped."""

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seekless.convert.append import Base
from seekless.convert.commit import remove
from seekless.convert.journal import START_OVER, FilePast, Journal, Past
from seekless.errors import ResumeError
from seekless.store.kinds import NPY_SUFFIX
from seekless.store.writer import PutBlock, Stored

__all__ = ["Passing", "blocks_aside", "set_aside"]


@dataclass(frozen=True)
class Passing:
    """Where a store is written until it is complete, and what is known of it from a run that was stopped.

    Attributes:
        path: What the store will be called.
        partial: The file or folder to make; of a store with shards, a folder that holds them and their index.
        older: Where a file is put that a stopped run has begun, to copy its blocks from.
        journal: Where to write what is done.
        past: What a stopped run has done.
        base: The store that this is to be a portion of; None for a store by itself.
    """

    path: Path
    partial: Path
    older: Path
    journal: Journal
    past: Past | None = None
    base: Base | None = None

    def file(self, number: int) -> FilePast:
        """Return how far a file had come."""
        return FilePast() if self.past is None else self.past.files.get(number, FilePast())

    def forget_later(self) -> None:
        """Forget files behind the first one that is not complete: a cluster makes them in any order, here none is."""
        if self.past is not None:
            first = next(number for number in itertools.count() if not self.file(number).complete)
            self.past.files = {number: file for number, file in self.past.files.items() if number <= first}

    @property
    def older_blocks(self) -> Path:
        """The file with the blocks of x that was put aside."""
        return self.older / "x.npy" if self.path.name.endswith(NPY_SUFFIX) else self.older

    def standing(self, number: int) -> list[PutBlock]:
        """Return the blocks that can be copied from a file that was begun, or from the older one aside."""
        file = self.file(number)
        return file.older if file.older and self.older_blocks.exists() else file.blocks


def set_aside(passing: Passing, number: int, file: Path) -> list[PutBlock]:
    """Put a file that a stopped run has begun aside; return the blocks that stand in it.

    Args:
        passing: Where the store is written.
        number: The file's.
        file: Where it is.
    """
    past, blocks = passing.file(number), passing.standing(number)
    renewed = bool(blocks) and blocks is past.blocks
    if renewed and not passing.older_blocks.exists():  # else stopped right after this rename
        remove(passing.older)
        file.rename(passing.older)
    remove(file, *([] if blocks else [passing.older]))
    passing.journal.write("file", [number, renewed])
    return blocks


def blocks_aside(passing: Passing, blocks: list[PutBlock]) -> Iterator[Stored]:
    """Yield the blocks of the file put aside; no HDF5 can open it, as it was never closed.

    Args:
        passing: Where the store is written.
        blocks: The blocks.

    Raises:
        ResumeError: What is there is not what was written.
    """
    if not blocks:
        return
    path = passing.older_blocks
    with open(path, "rb") as file:
        for block in blocks:
            file.seek(block.offset)
            stored = file.read(block.nbytes)
            if zlib.crc32(stored) != block.crc:
                raise ResumeError(
                    f"{path}: found other bytes than were written for block {block.block}, expected what a stopped run "
                    f"wrote; {START_OVER}"
                )
            yield stored, block.crc, block.coded

"""What the writers of all kinds of stores share: blocks come field by field, in order, and each gets a checksum."""

import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.store.codecs import Buffer, codec_named
from seekless.store.schema import Field, Header

__all__ = ["Fill", "PutBlock", "StoreWriter", "Stored", "compressed"]


@dataclass(frozen=True)
class PutBlock:
    """A block that was written.

    Attributes:
        block: Its number in its field.
        offset: Where it stands, bytes from the start of its file.
        nbytes: Stored bytes.
        crc: Their CRC-32.
        coded: Whether they are compressed.
    """

    block: int
    offset: int
    nbytes: int
    crc: int
    coded: bool


# What a block becomes: its stored bytes, their CRC-32, and whether they are compressed.
Stored = tuple[Buffer, int, bool]
# Writes the bytes of one block, all of them, to uint8, (block_bytes,).
Fill = Callable[[npt.NDArray[np.uint8]], None]
Room = npt.NDArray[np.uint8]


def compressed(field: Field, block: Buffer) -> Stored:
    """Compress a block by the codec of its field, unless that does not make it smaller.

    Args:
        field: The field.
        block: The bytes of a whole block.
    """
    if field.codec != "none":
        encoded = codec_named(field.codec).encode(block, field.item_bytes)
        if len(encoded) < len(block):
            return encoded, zlib.crc32(encoded), True
    return block, zlib.crc32(block), False


def _lasting(block: Buffer) -> Buffer:
    return block if memoryview(block).readonly else bytes(block)


def _check(header: Header) -> None:
    if header.length < 1:
        raise OptionError(f"found {header.length} samples, expected one or more; a store without any cannot be read")
    for field in header.fields.values():
        if not field.sample_bytes:
            raise OptionError(
                f"{field.name}: found samples of shape {field.sample_shape}, expected one value or more in each"
            )


class StoreWriter(ABC):
    """Writes the blocks of a store; the store is complete once the context is left without an error.

    Args:
        header: What the store holds.
        threads: Threads that fill and compress blocks while others are written; 0 to do it in the caller's.

    Attributes:
        on_put: Called with the field's name after each block that was written.

    Raises:
        OptionError: There are no samples, or samples without values.
    """

    def __init__(self, header: Header, threads: int = 0) -> None:
        _check(header)
        self.header = header
        self.on_put: Callable[[str, PutBlock], None] | None = None
        self._checks = {name: np.zeros(f.blocks(header.length), "<u4") for name, f in header.fields.items()}
        self._next = dict.fromkeys(header.fields, 0)
        self._given = dict.fromkeys(header.fields, 0)  # blocks appended, of which some may still be with the threads
        self._threads = ThreadPoolExecutor(threads, "seekless-compress") if threads else None
        self._ahead = threads + 1
        self._coming: deque[tuple[str, Future[Stored], Room | None]] = deque()
        self._rooms: dict[int, list[Room]] = {}  # that no block is in, by bytes

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._put_coming(0)
                for name, checks in self._checks.items():
                    if self._next[name] != len(checks):
                        raise ValueError(f"{name}: found {self._next[name]} blocks appended, expected {len(checks)}")
                self._finish(self._checks)
                return
        except BaseException:
            self._abandon()
            raise
        finally:
            if self._threads is not None:
                self._threads.shutdown(cancel_futures=True)
        self._abandon()

    def append(self, name: str, block: Buffer | Fill) -> None:
        """Append the next block of a field, and compress it if the field has a codec.

        Args:
            name: The field.
            block: The bytes of a whole block; the last one is padded with zeros. They may change once this
                returns, unless they are read-only: those are not copied. Or what writes them where it is told to, in
                whichever thread compresses them: such blocks take turns in the same memory, for fresh memory costs
                more time than what is done in it.
        """
        field, number = self.header.fields[name], self._given[name]
        self._given[name] += 1
        room = self._room(field.block_bytes) if callable(block) else None
        if self._threads is None or (field.codec == "none" and room is None):
            self._put_coming(0)
            self._put_next(name, self._stored(field, number, block, room), room)
        else:
            given = block if callable(block) else _lasting(block)
            self._coming.append((name, self._threads.submit(self._stored, field, number, given, room), room))
            self._put_coming(self._ahead)

    def append_stored(self, name: str, block: Stored) -> None:
        """Append the next block of a field as `compressed` returned it.

        Args:
            name: The field.
            block: Its stored bytes, their CRC-32, and whether they are compressed.
        """
        self._given[name] += 1
        self._put_coming(0)
        self._put_next(name, block)

    def _room(self, size: int) -> Room:
        free = self._rooms.get(size)
        return free.pop() if free else np.empty(size, np.uint8)

    def _stored(self, field: Field, number: int, block: Buffer | Fill, room: Room | None) -> Stored:
        if callable(block):
            room = np.empty(field.block_bytes, np.uint8) if room is None else room
            block(room)
            block = room.data
        return compressed(field, self._kept(field.name, number, block))

    def _put_coming(self, left: int) -> None:
        """Write the blocks that were first handed to threads, until so many are left."""
        while len(self._coming) > left:
            name, future, room = self._coming.popleft()
            self._put_next(name, future.result(), room)

    def _put_next(self, name: str, block: Stored, room: Room | None = None) -> None:
        stored, check, coded = block
        number = self._next[name]
        offset = self._put(name, number, stored, coded=coded)
        self._checks[name][number] = check
        self._next[name] += 1
        if room is not None:
            self._rooms.setdefault(room.nbytes, []).append(room)
        if self.on_put is not None:
            self.on_put(name, PutBlock(number, offset, len(stored), check, coded))

    def _kept(self, name: str, number: int, block: Buffer) -> Buffer:
        """Return what is stored of a block of a field; in any thread."""
        del name, number
        return block

    @abstractmethod
    def _put(self, name: str, number: int, stored: Buffer, *, coded: bool) -> int:
        """Write one block, past all buffers of this process; return where it stands in its file."""

    @abstractmethod
    def _finish(self, checks: dict[str, npt.NDArray[np.uint32]]) -> None:
        """Write what is left, and bring all of it to the disk."""

    @abstractmethod
    def _abandon(self) -> None:
        """Close what is open."""

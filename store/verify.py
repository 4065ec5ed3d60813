"""Read a whole store as it lies on the disk, and name every block that is not as it was written."""

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from seekless.progress import Follow, Pass
from seekless.store.blocks import BlockTable
from seekless.store.front import sizes_of
from seekless.store.objects import in_flight, read_range, reason, threads_for
from seekless.store.schema import ALIGNMENT
from seekless.store.store import open as open_store
from seekless.urls import is_remote

__all__ = ["BadBlock", "Verdict", "verify"]

# One read is of neighbouring blocks up to this many bytes; two are in memory at a time.
SPAN_BYTES = 8 << 20


@dataclass(frozen=True)
class BadBlock:
    """A block that is not as it was written, or whose padding is not.

    Attributes:
        path: The file.
        field: The block's field.
        block: Its number in that field.
        start: The first sample in it.
        stop: The last sample in it + 1.
        offset: Where it begins, bytes from the start of the file.
        found: What is there.
        expected: What was written there.
    """

    path: Path
    field: str
    block: int
    start: int
    stop: int
    offset: int
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"block {self.block} of {self.field} (samples {self.start} to {self.stop - 1}, byte {self.offset})"
        return f"{self.path}: {where}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Verdict:
    """What reading a whole store found; as text, what the command prints.

    Attributes:
        path: The store.
        blocks: Blocks of all fields.
        size: Bytes of all its files.
        seconds: From start to end.
        bad: The bad blocks, in the order of the files.
    """

    path: Path
    blocks: int
    size: int
    seconds: float
    bad: tuple[BadBlock, ...]

    def __str__(self) -> str:
        if self.bad:
            lines = [str(block) for block in self.bad]
            return "\n".join([*lines, f"{self.path}: {len(self.bad):,} of {self.blocks:,} blocks are damaged"])
        rate = self.size / 1e6 / max(self.seconds, 1e-9)
        read = f"{self.size / 1e9:.3f} GB in {self.seconds:.1f} s ({rate:,.0f} MB/s)"
        return f"{self.path}: all {self.blocks:,} blocks are as they were written; {read}"


@dataclass(frozen=True)
class _Place:
    """A block in its file, and the end of the zeros behind it."""

    table: BlockTable
    block: int
    start: int
    stop: int
    padded: int


def verify(path: str | PathLike[str], *, progress: Follow = False) -> Verdict:
    """Check every byte of a store: its header and whatever is no block, then each block and the padding behind it.

    Args:
        path: The store.
        progress: Show a progress bar on stderr; or a function, see `seekless.progress.Progress`.

    Returns:
        What was found; `bad` is empty if the store is as it was written.

    Raises:
        StoreNotFoundError: There is nothing at the path.
        StoreFormatError: What is there is no store, or is damaged outside its blocks.
        StoreError: It is reached by URL, and cannot be.
    """
    begin = time.perf_counter()
    store = open_store(path)
    bad: list[BadBlock] = []
    total = sum(int(table.nbytes.sum()) for table in store.tables.values())
    with Pass("verifying", total, progress, unit="bytes") as bar:
        files = _files(store.tables.values())
        for (file, places), size in zip(files.items(), sizes_of(files), strict=True):
            for span, data in _read_ahead(file, _spans(_in_order(places, size))):
                for place in span:
                    bad += _check(place, data, span[0].start)
                    bar.add(place.stop - place.start, bad=len(bad))
    blocks = sum(map(len, store.tables.values()))
    return Verdict(store.path, blocks, store.nbytes, time.perf_counter() - begin, tuple(bad))


def _files(tables: Iterable[BlockTable]) -> dict[Path, list[tuple[BlockTable, int]]]:
    """Return the blocks of each file."""
    files: dict[Path, list[tuple[BlockTable, int]]] = {}
    for table in tables:
        for block, number in enumerate(table.file.tolist()):
            files.setdefault(table.paths[number], []).append((table, block))
    return files


def _in_order(places: Iterable[tuple[BlockTable, int]], size: int) -> Iterator[_Place]:
    """Yield the blocks of one file in the order in which they lie there."""
    found = sorted(places, key=lambda place: int(place[0].offset[place[1]]))
    for number, (table, block) in enumerate(found):
        start = int(table.offset[block])
        stop = start + int(table.nbytes[block])
        behind = size
        if number + 1 < len(found):
            after, its_block = found[number + 1]
            behind = int(after.offset[its_block])
        padded = min(-(-stop // ALIGNMENT) * ALIGNMENT, behind)
        yield _Place(table, block, start, stop, max(stop, padded))


def _spans(places: Iterator[_Place]) -> Iterator[list[_Place]]:
    """Group blocks that lie behind each other, to be read at once."""
    span: list[_Place] = []
    for place in places:
        if span and (place.start != span[-1].padded or place.padded - span[0].start > SPAN_BYTES):
            yield span
            span = []
        span.append(place)
    if span:
        yield span


def _read_ahead(path: Path, spans: Iterator[list[_Place]]) -> Iterator[tuple[list[_Place], memoryview]]:
    """Read each span while the one before it is checked."""
    if is_remote(path):
        with closing(in_flight(partial(_read_remote, path), spans, _length, threads_for(path))) as answers:
            yield from ((span, answer.result()) for span, answer in answers)
        return
    with open(path, "rb", buffering=0) as file, ThreadPoolExecutor(1) as thread:
        span = next(spans, None)
        coming = thread.submit(_read, file, span) if span else None
        while span and coming:
            data = coming.result()
            behind = next(spans, None)
            coming = thread.submit(_read, file, behind) if behind else None
            yield span, data
            span = behind


def _read(file: BinaryIO, span: Sequence[_Place]) -> memoryview:
    """Return the bytes of a span; where the disk fails or the file ends, those before."""
    buffer = memoryview(bytearray(_length(span)))
    done = 0
    file.seek(span[0].start)
    while done < len(buffer):
        try:
            count = file.readinto(buffer[done:])  # type: ignore[attr-defined]  # open(..., buffering=0) has it
        except OSError:
            break  # blocks behind a sector that cannot be read are read one by one by _check
        if not count:
            break
        done += count
    return buffer[:done]


def _length(span: Sequence[_Place]) -> int:
    return span[-1].padded - span[0].start


def _read_remote(path: Path, span: Sequence[_Place]) -> memoryview:
    """Return the bytes of a span of an object; none where it cannot be read, so that its blocks are asked for alone."""
    try:
        return memoryview(read_range(path, span[0].start, span[-1].padded))
    except Exception:  # each protocol has its own
        return memoryview(b"")


def _check(place: _Place, data: memoryview, begin: int) -> Iterator[BadBlock]:
    """Yield what is bad about a block whose bytes are in `data`, which was read from the byte `begin` on."""
    stored = data[place.start - begin : place.stop - begin]
    padding = data[place.stop - begin : place.padded - begin]
    if len(stored) + len(padding) < place.padded - place.start:
        whole, failure = _read_alone(place)
        if failure:
            yield _bad(place, failure, f"{place.stop - place.start} bytes")
            return
        stored, padding = whole[: place.stop - place.start], whole[place.stop - place.start :]
    found, expected = zlib.crc32(stored), int(place.table.crc[place.block])
    if found != expected:
        yield _bad(place, f"checksum {found:08x}", f"{expected:08x}")
    if padding.tobytes().strip(b"\0"):
        yield _bad(place, "something else than zeros in the padding behind it", "zeros")


def _read_alone(place: _Place) -> tuple[memoryview, str]:
    """Read one block and its padding; return the bytes, or what went wrong."""
    size = place.padded - place.start
    path = place.table.path(place.block)
    try:
        if is_remote(path):
            data = read_range(path, place.start, place.padded)
        else:
            with open(path, "rb") as file:
                file.seek(place.start)
                data = file.read(size)
    except Exception as error:  # each protocol has its own
        why = (error.strerror if isinstance(error, OSError) else None) or reason(error)
        return memoryview(b""), f"a block that cannot be read ({why})"
    return memoryview(data), "" if len(data) == size else f"the end of the file at byte {place.start + len(data)}"


def _bad(place: _Place, found: str, expected: str) -> BadBlock:
    table, block = place.table, place.block
    start, stop = int(table.first[block]), int(table.first[block + 1])
    return BadBlock(table.path(block), table.field.name, block, start, stop, place.start, found, expected)

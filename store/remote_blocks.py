"""Runs of blocks of objects that are reached by URL: several requests at a time, each for some MiB."""

from collections.abc import Generator, Iterable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass

from seekless.errors import StoreError, StoreFormatError
from seekless.store.objects import (
    REQUEST_BYTES,
    error_number,
    in_flight,
    look,
    looks,
    read_range,
    reason,
    threads_for,
)
from seekless.store.runs import Changed, Span, block_at, extent, runs_of
from seekless.store.table import BlockTable

__all__ = ["REPLACED", "RemoteBlocks"]

REPLACED = "found another object than the one that was opened, expected the same; it was replaced: open the store again"


@dataclass(frozen=True)
class _Request:
    """A part of a run, or the whole of it; bytes start to stop - 1 of its file."""

    run: list[Span]
    number: int
    start: int
    stop: int
    last: bool


class RemoteBlocks:
    """Reads runs of blocks; keeps no connection.

    Args:
        table: The field's blocks, with the marks of their objects.
        unchecked: Whether no checksum will tell that an object was replaced: then it is looked at after each read.
    """

    in_place = False

    def __init__(self, table: BlockTable, *, unchecked: bool) -> None:
        self._table = table
        self._ask = unchecked
        self._marks: dict[int, int] = {}  # of each object that was read

    def release(self) -> None:
        """Free what is kept over calls: nothing."""

    def read(
        self, spans: Iterable[Span], most: tuple[int, int], changed: Changed, meanwhile: list[int]
    ) -> Generator[tuple[list[Span], list[memoryview]], None, None]:
        """Yield runs of blocks, with the stored bytes of each block.

        Args:
            spans: What to read, in this order.
            most: Bytes of a run at most, where that is less than a request.
            changed: Told of objects that changed since they were opened.
            meanwhile: Left as it is.

        Raises:
            StoreFormatError: An object was replaced, or is shorter than when it was opened.
            OSError: An object cannot be read.
        """
        del meanwhile
        table, pieces = self._table, list[bytes]()
        requests = list(self._requests(spans, min(most[0], REQUEST_BYTES)))
        if not requests:
            return
        for request in requests:
            self._marks.setdefault(request.number, table.marks[request.number])
        threads = threads_for(table.paths[requests[0].number])
        with closing(in_flight(self._fetch, requests, lambda one: one.stop - one.start, threads)) as answers:
            for request, answer in answers:
                pieces.append(self._answered(request, answer))
                if request.last:
                    begin = int(table.offset[request.run[0].block])
                    data = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
                    pieces.clear()
                    yield request.run, [self._stored(span, data, begin) for span in request.run]
        if self._ask:
            self._look(dict.fromkeys(request.number for request in requests), changed)

    def look(self, changed: Changed) -> bool:
        """Return whether an object that was read is not as it was then.

        Args:
            changed: Told of each that is not.

        Raises:
            StoreError: An object is gone, or cannot be reached.
        """
        return self._look(list(self._marks), changed)

    def _look(self, numbers: Iterable[int], changed: Changed) -> bool:
        numbers = list(numbers)
        found = looks(self._table.paths[number] for number in numbers)
        new = [number for number, now in zip(numbers, found, strict=True) if now.mark != self._marks[number]]
        for number in new:
            changed(number)  # may raise: then it is noticed again
        self._marks.update((number, now.mark) for number, now in zip(numbers, found, strict=True))
        return bool(new)

    def replaced(self, number: int) -> bool:
        """Return whether an object is known to be another than the one that was opened."""
        try:
            return look(self._table.paths[number]).mark != self._table.marks[number]
        except StoreError:
            return False

    def _requests(self, spans: Iterable[Span], most: int) -> Iterable[_Request]:
        for run in runs_of(self._table, spans, (most, most)):
            start, stop = extent(self._table, run)
            number = int(self._table.file[run[0].block])
            for begin in range(start, stop, most):  # one block may be longer than a request
                end = min(begin + most, stop)
                yield _Request(run, number, begin, end, end == stop)

    def _fetch(self, request: _Request) -> bytes:
        return read_range(self._table.paths[request.number], request.start, request.stop)

    def _answered(self, request: _Request, answer: "Future[bytes]") -> bytes:
        try:
            data = answer.result()
        except Exception as error:
            name = self._table.named(block_at(self._table, request.run, request.start))
            if self.replaced(request.number):
                raise StoreFormatError(f"{name}: {REPLACED}") from error
            raise OSError(error_number(error), f"{name} cannot be read: {reason(error)}") from error
        if len(data) != request.stop - request.start:
            name = self._table.named(block_at(self._table, request.run, request.start + len(data)))
            raise StoreFormatError(
                f"{name}: found {len(data)} bytes in answer to a request for bytes {request.start} to "
                f"{request.stop - 1}, expected {request.stop - request.start}; the object was cut short after it was "
                "opened, or its server knows no ranges"
            )
        return data

    def _stored(self, span: Span, data: memoryview, begin: int) -> memoryview:
        start = int(self._table.offset[span.block]) - begin
        return data[start : start + int(self._table.nbytes[span.block])]

"""The first half of the shuffle: samples come in the source's order and are kept by their place in the store.

Pieces stay in memory while all of them fit. Past that, and whenever they are saved in case the run is stopped, they go
to partition files, one for each run of consecutive places, always appended, so that a disk writes and later reads in
long sequential runs: an external shuffle in two passes, whatever the size of the data. They go there little by little,
so that workers do not wait for the disk; those that are in memory at the end stay there.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.partitions import PartitionFiles
from seekless.convert.pieces import Kind, Piece, places_in, unstamped
from seekless.convert.sheaves import BUCKETS, Sheaf, kind_of_sheaves, pieces_of
from seekless.convert.workers import Form
from seekless.store.encoding import Encoding

__all__ = ["Partition", "Piece", "Scatter", "unstamped"]

# Bytes that are appended to each partition at a time, about: past it a disk gains nothing by longer runs.
APPENDED = 4 << 20
# How many partitions the share of one could hold, at most.
PARTS = 4


@dataclass(frozen=True)
class Partition:
    """The samples of the places start to stop - 1; read, a piece at a time, when asked for.

    A piece may hold samples of other places too.
    """

    start: int
    stop: int
    read: Callable[[], Iterable[Piece]]


class Scatter:
    """Takes pieces in any order and gives them back partition by partition.

    Attributes:
        sheaves: Files that tasks of a cluster have written to the folder.

    Args:
        length: Places in the store.
        memory: Bytes to keep within. Pieces take a third to three fifths of them before they go to files, as partitions
            leave room.
        folder: Where the files go; made when first needed, removed by the caller.
    """

    def __init__(self, length: int, memory: int, folder: Path) -> None:
        self._length = length
        self._encodings: list[Encoding] = []  # those met, so that a file can name one by its number
        self._memory = memory
        self._share = memory // 3
        self._folder = folder
        self._unsaved: deque[Piece] = deque()
        self._saved: list[Piece] | None = []  # those in files, as long as all pieces fit in memory
        self._held = 0  # bytes of pieces in memory
        self._files = PartitionFiles(folder, length)
        self._sample_shape: tuple[int, ...] = ()
        self._bucket = 0  # places of one bucket of a sheaf
        self.sheaves: list[Sheaf] = []

    def add(self, piece: Piece) -> None:
        """Keep a piece; all pieces have one sample shape and one logical dtype."""
        self._sample_shape = piece.stored.shape[1:]
        if piece.encoding not in self._encodings:
            self._encodings.append(piece.encoding)
        self._unsaved.append(piece)
        self._held += piece.nbytes
        if self._held > self._most_held and self._saved is not None:
            self._held -= sum(one.nbytes for one in self._saved)
            self._saved = None
        if self._saved is None:
            self._relieve()

    def save(self) -> None:
        """Write all pieces that are in memory alone to the partition files."""
        while self._unsaved:
            self._write_some()

    def _relieve(self) -> None:
        """Write pieces while there are too many; what stays in memory to the end need never be written."""
        self._choose_places()
        while self._unsaved and self._held > self._most_held:
            self._write_some()

    def _choose_places(self) -> None:
        if not self._files.sizes:
            self._files.places = max(1, min(self._length, self._partition_bytes // self._widest))
            self._folder.mkdir(exist_ok=True)

    @property
    def _widest(self) -> int:
        """Bytes of a sample at the most: in the source's own dtype, whichever encoding is chosen in the end."""
        return self._encodings[0].logical_dtype.itemsize * math.prod(self._sample_shape) + 12

    @property
    def _partition_bytes(self) -> int:
        """A part of the share, where files stay few enough: what is read back takes fresh memory, which costs time."""
        least = 2 * APPENDED * (self._length * self._widest) // max(1, self._share)
        return min(self._share, max(self._share // PARTS, least))

    @property
    def _most_held(self) -> int:
        """Bytes of pieces that stay in memory: what three partitions leave, one of them read and two being written."""
        return max(self._share, min(self._memory * 3 // 5, self._memory - 3 * self._partition_bytes))

    @property
    def _some(self) -> int:
        """Bytes to write at a time."""
        return min(self._share // 2, APPENDED * -(-self._length // self._files.places))

    def _write_some(self) -> None:
        """Write the pieces that came first to the partition files."""
        self._choose_places()
        pieces, size = [self._unsaved.popleft()], 0
        while self._unsaved and (size := size + pieces[-1].nbytes) < self._some:
            pieces.append(self._unsaved.popleft())
        for number, encoding in enumerate(self._encodings):
            alike = [piece for piece in pieces if piece.encoding == encoding]
            if alike:
                self._files.write(self._kind, number, alike)
        if self._saved is None:
            self._held -= sum(piece.nbytes for piece in pieces)
        else:
            self._saved += pieces

    def partitions(self, sample_bytes: int) -> Iterator[Partition]:
        """Yield all samples, in the order of their places; to be called once, after the last piece.

        Args:
            sample_bytes: Bytes of a sample as it will be stored, so that no partition takes more than its share.
        """
        if self._saved is not None:
            pieces = [*self._saved, *self._unsaved]
            if self._length * sample_bytes <= self._share or not pieces:
                self._saved, self._unsaved = [], deque()
                yield Partition(0, self._length, partial(_emptied, pieces))
                return
        held = list(self._unsaved)
        if held or self.sheaves:
            self._choose_places()
        self._saved, self._unsaved = None, deque()
        self._files.forget()
        for number, start in enumerate(range(0, self._length, self._files.places)):
            stop = min(start + self._files.places, self._length)
            yield Partition(start, stop, partial(self._read, number, held))

    def expect(self, form: Form) -> int:
        """Prepare for sheaves of samples of a form; return how many places a bucket of theirs has.

        Args:
            form: What samples are; those that were added before have it too.
        """
        self._sample_shape, dtype = form[0], np.dtype(form[1])
        if not self._encodings:
            self._encodings.append(Encoding(dtype, dtype))
        self._choose_places()
        self._saved = None
        self._bucket = self._bucket or max(1, self._files.places // BUCKETS)
        return self._bucket

    def between(self, start: int, stop: int, sample_bytes: int) -> Iterator[Partition]:
        """Yield the samples of some places that are in files, as those of a store that begins there.

        Args:
            start: The first place.
            stop: The place after the last.
            sample_bytes: Bytes of a sample as it will be stored, so that no partition takes more than its share.
        """
        grain = self._bucket or self._files.places
        step = max(1, self._share // (sample_bytes + 12) // grain) * grain
        first = start
        while first < stop:
            last = min(stop, first // grain * grain + step)
            yield Partition(first - start, last - start, partial(self._read_between, first, last, start))
            first = last

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on from the files but for the sheaves, fit for JSON; `save` comes before."""
        encodings = [[e.dtype.str, e.logical_dtype.str, e.divisor] for e in self._encodings]
        return {
            "places": self._files.places,
            "bucket": self._bucket,
            "sample_shape": list(self._sample_shape),
            "encodings": encodings,
            "sizes": {str(number): size for number, size in self._files.sizes.items()},
        }

    def go_on(self, state: Mapping[str, Any], sheaves: Sequence[Sheaf]) -> None:
        """Go on from the files of another scatter.

        Args:
            state: What its `state` returned.
            sheaves: Its sheaves.
        """
        self._files.places, self._bucket = state["places"], state.get("bucket", 0)
        self._sample_shape = tuple(state["sample_shape"])
        self._encodings = [Encoding(np.dtype(s), np.dtype(v), divisor) for s, v, divisor in state["encodings"]]
        self._files.sizes = {int(number): size for number, size in state["sizes"].items()}
        self.sheaves = list(sheaves)
        self._saved = None

    def restore(
        self, state: Mapping[str, Any], sheaves: Sequence[Sheaf] = ()
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]]:
        """Go on from the files of a scatter that was stopped, and yield (positions, stamps) of what they hold.

        Args:
            state: What `state` returned; whatever was written after it is cut off.
            sheaves: Its sheaves.

        Raises:
            ResumeError: A file is missing, or what it says of its samples is not what was written.
        """
        self.go_on(state, sheaves)
        yield from self._files.restore(self._kind)
        for sheaf in self.sheaves:
            yield from places_in(self._folder / sheaf.name, kind_of_sheaves(self._form), sheaf.size)

    def _read(self, number: int, held: list[Piece]) -> Iterator[Piece]:
        """Yield the pieces of a partition: those in files, and those held in memory that have samples of it."""
        start = number * self._files.places
        yield from self._files.read(number, self._kind)
        yield from self._read_sheaves(start, min(start + self._files.places, self._length))
        for piece in held:
            if (piece.positions // self._files.places == number).any():
                yield piece

    def _read_between(self, start: int, stop: int, origin: int) -> Iterator[Piece]:
        """Yield the pieces in files that have samples of some places, with places counted from another than 0."""
        for number in range(start // self._files.places, (stop - 1) // self._files.places + 1):
            for piece in self._files.read(number, self._kind):
                yield replace(piece, positions=piece.positions - origin)
        for piece in self._read_sheaves(start, stop):
            yield replace(piece, positions=piece.positions - origin)

    def _read_sheaves(self, start: int, stop: int) -> Iterator[Piece]:
        for sheaf in self.sheaves:
            yield from pieces_of(self._folder, sheaf, self._form, self._bucket, start, stop)

    @property
    def _kind(self) -> Kind:
        return Kind(self._sample_shape, self._encodings)

    @property
    def _form(self) -> Form:
        return self._sample_shape, self._encodings[0].logical_dtype.str


def _emptied(pieces: list[Piece]) -> Iterator[Piece]:
    """Yield pieces, and forget each."""
    while pieces:
        yield pieces.pop()

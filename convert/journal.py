"""What a conversion has done so far, written down beside it, so that a run that was stopped can be gone on with.

A file of JSON lines in the folder of partition files. Nothing is written before there is something worth saving:

    {"begin": ...}     what the run depends on: options, keys, targets
    {"saved": ...}     samples are in the partition files; what was met among them
    {"codec": ...}     all is read; the codec is chosen
    {"file": [n, r]}   a file of the store is begun; r: the blocks of its last attempt are copied from there
    {"block": ...}     a block of x stands in it
    {"complete": n}    that file is complete
    {"refused": true}  the run ended for bad input or options; the next one may start over
    {"done": ...}      the store is complete, and is about to take its place

Each line begins with the CRC-32 of the rest, as 8 hexadecimal digits; what stands behind the first line that is not
whole counts for nothing. Lines are appended and never waited for: a killed process loses nothing that it has written.
What a power cut leaves is found by the checksums of lines, labels, partitions and blocks.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from seekless.errors import ResumeError
from seekless.store.writer import PutBlock

__all__ = ["NAME", "START_OVER", "FilePast", "Journal", "Labels", "Past"]

NAME = "journal"
START_OVER = "start over by --overwrite, without --resume"
KEYS = "keys"
LABELS = "labels"


@dataclass
class FilePast:
    """How far a file of the store had come.

    Attributes:
        blocks: The blocks of x that stand in it.
        older: Those that stand in the one that it was being copied from.
        complete: Whether it is complete.
    """

    blocks: list[PutBlock] = field(default_factory=list)
    older: list[PutBlock] = field(default_factory=list)
    complete: bool = False


class Labels(NamedTuple):
    """The file of labels as far as it counts.

    Attributes:
        size: Bytes.
        crc: Their CRC-32.
    """

    size: int = 0
    crc: int = 0


@dataclass
class Past:
    """What a run had done when it was stopped.

    Attributes:
        begin: What it depended on.
        saved: The states at each save, in order.
        codec: The codec that was chosen and why; None if not all was read.
        files: How far each file of the store had come.
        refused: Whether it ended for bad input or options, not because it was stopped.
        done: What the run has to say of itself, if the store was complete.
    """

    begin: dict[str, Any]
    saved: list[dict[str, Any]] = field(default_factory=list)
    codec: tuple[str, str] | None = None
    files: dict[int, FilePast] = field(default_factory=dict)
    refused: bool = False
    done: dict[str, Any] | None = None

    @property
    def samples(self) -> int:
        """Samples that had been read and saved."""
        return int(self.saved[-1]["samples"]) if self.saved else 0

    @property
    def blocks(self) -> int:
        """Blocks of x that had been written."""
        return sum(len(file.blocks or file.older) for file in self.files.values())


class Journal:
    """Writes the journal of a run, and reads that of one that was stopped.

    Args:
        folder: The folder of partition files; made when there is something to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    @property
    def active(self) -> bool:
        """Whether anything is written down."""
        return self._file is not None

    def read(self) -> Past | None:
        """Return what a run that was stopped has written down; None for nothing that can be gone on with."""
        past: Past | None = None
        try:
            text = (self._folder / NAME).read_bytes()
        except OSError:
            return None
        for line, _ in _whole_lines(text):
            try:
                ((kind, value),) = json.loads(line).items()
                if kind == "begin":
                    past = Past(value)
                elif past is not None:
                    _note(past, kind, value)
            except (ValueError, TypeError, KeyError, AttributeError):  # not a line that this version writes
                break
        return past if past is not None and past.saved else None

    def go_on(self) -> None:
        """Append to the journal that is there; what is behind its last whole line is cut off."""
        path = self._folder / NAME
        ends = [end for _, end in _whole_lines(path.read_bytes())]
        os.truncate(path, ends[-1] if ends else 0)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)

    def begin(self, facts: Mapping[str, Any], keys: Sequence[str]) -> None:
        """Begin a journal.

        Args:
            facts: What the run depends on, fit for JSON.
            keys: The keys of all samples, to say later which are new or missing.
        """
        self._folder.mkdir(exist_ok=True)
        (self._folder / KEYS).write_bytes(zlib.compress("\0".join(keys).encode("utf-8", "surrogateescape"), 1))
        (self._folder / LABELS).unlink(missing_ok=True)
        self._file = open(self._folder / NAME, "wb", buffering=0)  # noqa: SIM115 (closed by close)
        self.write("begin", dict(facts))

    def write(self, kind: str, value: Any) -> None:
        """Append a line, if anything was begun."""
        if self._file is not None:
            text = json.dumps({kind: value}).encode()
            line = b"%08x%s\n" % (zlib.crc32(text), text)
            while line:  # a disk that is almost full takes a part of it
                line = line[self._file.write(line) :]

    def keys(self) -> list[str]:
        """Return the keys that the stopped run had; none if they are damaged: they serve a message alone."""
        try:
            text = zlib.decompress((self._folder / KEYS).read_bytes()).decode("utf-8", "surrogateescape")
        except (OSError, zlib.error):
            return []
        return text.split("\0") if text else []

    def append_labels(self, indices: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], before: Labels) -> Labels:
        """Append which label each of some samples has to their file.

        Args:
            indices: int64, (n,): the samples.
            codes: int64, (n,): which spelling each has.
            before: What the file holds.

        Returns:
            What it holds now.
        """
        data = np.stack([indices, codes], axis=1).tobytes()
        with open(self._folder / LABELS, "ab") as file:
            file.truncate(before.size)
            file.write(data)
        return Labels(before.size + len(data), zlib.crc32(data, before.crc))

    def labels(self, saved: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (indices, codes) of all labels that were saved; what is behind them in their file counts for nothing.

        Raises:
            ResumeError: They are damaged.
        """
        if not saved.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        path = self._folder / LABELS
        data = path.read_bytes()[: saved.size] if path.is_file() else b""
        if (len(data), zlib.crc32(data)) != (saved.size, saved.crc):
            raise ResumeError(
                f"{path}: found other bytes than were written there, expected the labels of the samples that were read "
                f"so far; {START_OVER}"
            )
        table = np.frombuffer(data, np.int64).reshape(-1, 2)
        return table[:, 0].copy(), table[:, 1].copy()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _whole_lines(text: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each line without its checksum, and where it ends; up to the first that is not as it was written."""
    end = 0
    for line in text.split(b"\n")[:-1]:
        end += len(line) + 1
        if line[:8] != b"%08x" % zlib.crc32(line[8:]):
            return
        yield line[8:], end


def _note(past: Past, kind: str, value: Any) -> None:
    past.refused = kind == "refused"  # no longer, once that run has been gone on with
    if kind == "saved":
        past.saved.append(value)
    elif kind == "codec":
        past.codec = (value[0], value[1])
    elif kind == "file":
        number, renewed = value
        file = past.files.setdefault(number, FilePast())
        if renewed:
            file.older = file.blocks
        file.blocks, file.complete = [], False
    elif kind == "block":
        number, *block = value
        past.files[number].blocks.append(PutBlock(*block))
    elif kind == "complete":
        past.files[value].complete = True
    elif kind == "done":
        past.done = value

"""What a conversion has done so far, written down beside it, so that a run that was stopped can be gone on with.

A file of JSON lines in the folder of partition files. Nothing is written before there is something worth saving:

    {"begin": ...}     what the run depends on: options, keys, targets
    {"saved": ...}     samples are in the partition files; what was met among them
    {"codec": ...}     all is read; the codec is chosen
    {"file": [n, r]}   a file of the store is begun; r: the blocks of its last attempt are copied from there
    {"block": ...}     a block of x stands in it
    {"complete": n}    that file is complete
    {"refused": true}  the run ended for bad input; the next one may start over
    {"done": ...}      the store is complete, and is about to take its place

Lines are appended and never waited for: a killed process loses nothing that it has written. What a power cut leaves
is found by the checksums of partitions and blocks.
"""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from seekless.errors import ConvertError
from seekless.store.writer import PutBlock

__all__ = ["NAME", "FilePast", "Journal", "Past"]

NAME = "journal"
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


@dataclass
class Past:
    """What a run had done when it was stopped.

    Attributes:
        begin: What it depended on.
        saved: The states at each save, in order.
        codec: The codec that was chosen and why; None if not all was read.
        files: How far each file of the store had come.
        refused: Whether it ended for bad input, not because it was stopped.
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
        for line in text.split(b"\n")[:-1]:  # what is behind the last line end was cut off
            ((kind, value),) = json.loads(line).items()
            if kind == "begin":
                past = Past(value)
            elif past is not None:
                _note(past, kind, value)
        return past if past is not None and past.saved else None

    def go_on(self) -> None:
        """Append to the journal that is there; half a line at its end is cut off."""
        path = self._folder / NAME
        size = path.read_bytes().rfind(b"\n") + 1
        os.truncate(path, size)
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
            self._file.write(json.dumps({kind: value}).encode() + b"\n")

    def keys(self) -> list[str]:
        """Return the keys that the stopped run had."""
        text = zlib.decompress((self._folder / KEYS).read_bytes()).decode("utf-8", "surrogateescape")
        return text.split("\0") if text else []

    def append_labels(self, indices: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]) -> int:
        """Append which label each of some samples has; return the size of the file."""
        with open(self._folder / LABELS, "ab") as file:
            file.write(np.stack([indices, codes], axis=1).data)
            return file.tell()

    def labels(self, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (indices, codes) of all labels up to a size of their file; what is behind is cut off."""
        path = self._folder / LABELS
        if not size:
            path.unlink(missing_ok=True)
            return np.empty(0, np.int64), np.empty(0, np.int64)
        if path.stat().st_size < size:
            raise ConvertError(f"{path}: found fewer labels than were saved; start over by --overwrite")
        os.truncate(path, size)
        table = np.fromfile(path, np.int64).reshape(-1, 2)
        return table[:, 0].copy(), table[:, 1].copy()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _note(past: Past, kind: str, value: Any) -> None:
    if kind == "saved":
        past.saved.append(value)
    elif kind == "codec":
        past.codec = (value[0], value[1])
    elif kind == "file":
        number, renewed = value
        file = past.files.setdefault(number, FilePast())
        if renewed:
            file.older = file.blocks
        file.blocks = []
    elif kind == "block":
        number, *block = value
        past.files[number].blocks.append(PutBlock(*block))
    elif kind == "complete":
        past.files[value].complete = True
    elif kind == "refused":
        past.refused = True
    elif kind == "done":
        past.done = value

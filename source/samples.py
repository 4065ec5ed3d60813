"""What a source is: samples by number, read in runs of neighbours, decoded from files."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seekless.errors import DecodeError, SourceError
from seekless.source.read import FilesAhead, read_file, stamp_at
from seekless.source.targets import Targets

__all__ = [
    "BadSample",
    "Decoded",
    "Decoder",
    "FileReader",
    "FileRun",
    "FileSource",
    "Source",
]

# A run is what is read and decoded at a time: small files by the hundred, large ones a few MiB together.
RUN_FILES = 256
RUN_BYTES = 4 << 20
# What a worker decodes before it hands samples on.
DECODED_BYTES = 32 << 20


class Decoder(Protocol):
    """Turns the bytes of one small file into one sample; picklable, so that workers can be handed it."""

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return what training divides samples of a dtype by: 255 or 65535 for images, else 1."""
        ...

    def __call__(self, data: bytes) -> npt.NDArray[Any]:
        """Decode one file.

        Args:
            data: The whole file.

        Returns:
            The sample, of the file's own shape and dtype.

        Raises:
            DecodeError: The bytes are not a sample.
        """
        ...


@dataclass(frozen=True)
class BadSample:
    """One sample that cannot be used: its key, what was found and what was expected."""

    key: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}, expected {self.expected}"


@dataclass
class Decoded:
    """What became of a run.

    Attributes:
        indices: The numbers of the samples that were decoded.
        samples: The samples, each of its own shape and dtype.
        labels: Their labels as text, where the source holds them beside the values; else empty.
        bad: The others.
        bad_indices: Their numbers.
        stamps: For each sample what tells its file from a changed one; see `seekless.source.read.stamp`.
        bytes_read: Bytes of everything that was read.
        rest: What of the run is still to be read, where its samples would take too much memory together; else None.
    """

    indices: list[int] = field(default_factory=list)
    samples: list[npt.NDArray[Any]] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    bad: list[BadSample] = field(default_factory=list)
    bad_indices: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    bytes_read: int = 0
    rest: Any = None

    def refuse(self, index: int, key: str, found: str, expected: str) -> None:
        """Note a sample that cannot be used."""
        self.bad.append(BadSample(key, found, expected))
        self.bad_indices.append(index)


class Source(Protocol):
    """Samples before conversion.

    Attributes:
        root: The folder, or the table, that keys are relative to.
        keys: One a sample, sorted; sample i is keys[i].
        targets: The targets; None for a source without, or where they are still to come with the values.
    """

    @property
    def root(self) -> Path: ...  # noqa: D102
    @property
    def keys(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def targets(self) -> Targets | None: ...  # noqa: D102
    def __len__(self) -> int: ...

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return what training divides samples of a dtype by."""
        ...

    def reader(self) -> "Reader":
        """Return what decodes runs; picklable."""
        ...

    def runs(self, done: npt.NDArray[np.bool_] | None = None) -> Iterator[Any]:
        """Yield runs of neighbouring samples, in the order of the disk.

        Args:
            done: bool, (N,): samples that need not be read; a run may hold some of them beside others.
        """
        ...

    def stamps(self, indices: Sequence[int]) -> npt.NDArray[np.uint32]:
        """Return uint32, (n,): the stamps of samples' files as they are now; 0 for a file that is gone."""
        ...


class Reader(Protocol):
    """Decodes runs of one source, in any process.

    Attributes:
        root: The folder, or the table, that the source's keys are relative to.
    """

    @property
    def root(self) -> Path: ...

    def read(self, run: Any) -> Decoded:
        """Read and decode a run; what is bad is collected, not raised."""
        ...


@dataclass(frozen=True)
class FileRun:
    """Some files, in the order in which they are read.

    Attributes:
        indices: Their samples' numbers.
        keys: Their paths, relative to the root.
    """

    indices: list[int]
    keys: list[str]

    def __str__(self) -> str:
        return self.keys[0] if len(self.keys) == 1 else f"{self.keys[0]} to {self.keys[-1]}"


@dataclass(frozen=True)
class FileReader:
    """Decodes runs of files below a folder, each one sample."""

    root: Path
    decoder: Decoder

    def read(self, run: FileRun) -> Decoded:
        """Read and decode a run of files; bad files are collected, not raised."""
        decoded, decoded_bytes = Decoded(), 0
        with FilesAhead([f"{self.root}/{key}" for key in run.keys]) as files:
            for place, (index, key) in enumerate(zip(run.indices, run.keys, strict=True)):
                if decoded_bytes >= DECODED_BYTES:  # small files may hold large pictures
                    decoded.rest = FileRun(run.indices[place:], run.keys[place:])
                    break
                try:
                    data, mark = files.read()
                    sample = self.decoder(data)
                except DecodeError as error:
                    decoded.refuse(index, key, error.found, error.expected)
                except OSError as error:
                    decoded.refuse(index, key, f"a file that cannot be read ({error.strerror})", "a readable file")
                else:
                    decoded.indices.append(index)
                    decoded.samples.append(sample)
                    decoded.stamps.append(mark)
                    decoded.bytes_read += len(data)
                    decoded_bytes += sample.nbytes
        return decoded


@dataclass(frozen=True)
class FileSource:
    """A folder of small files, one sample a file.

    Attributes:
        root: The folder that keys are relative to.
        keys: One path a sample, relative to the root, with "/" between parts, sorted; sample i is keys[i].
        inodes: int64, (N,): the file system's number of each file, close to its place on a disk.
        targets: The targets, or None for a source without.
        decoder: Turns one file into one sample.
    """

    root: Path
    keys: Sequence[str]
    inodes: npt.NDArray[np.int64]
    targets: Targets | None
    decoder: Decoder

    def __len__(self) -> int:
        return len(self.keys)

    def scale_for(self, dtype: np.dtype[Any]) -> int:
        """Return what training divides samples of a dtype by: 255 or 65535 for images, else 1."""
        scale: int = self.decoder.scale_for(dtype)
        return scale

    def reader(self) -> FileReader:
        """Return what decodes runs of these files in any process."""
        return FileReader(self.root, self.decoder)

    def runs(self, done: npt.NDArray[np.bool_] | None = None) -> Iterator[FileRun]:
        """Yield runs of neighbouring files, in inode order, so that a disk's head sweeps one way.

        Args:
            done: bool, (N,): samples to leave out.
        """
        order = np.argsort(self.inodes, kind="stable")
        if done is not None:
            order = order[~done[order]]
        size = self._typical_bytes(order)
        step = max(1, min(RUN_FILES, RUN_BYTES // size))
        for start in range(0, len(order), step):
            indices = order[start : start + step].tolist()
            yield FileRun(indices, [self.keys[index] for index in indices])

    def stamps(self, indices: Sequence[int]) -> npt.NDArray[np.uint32]:
        """Return uint32, (n,): the stamps of samples' files as they are now; 0 for a file that is gone."""
        wanted = np.asarray(indices, np.int64)
        stamps = np.zeros(len(wanted), np.uint32)
        for place in np.argsort(self.inodes[wanted], kind="stable").tolist():  # the order of the disk
            stamps[place] = stamp_at(f"{self.root}/{self.keys[wanted[place]]}")
        return stamps

    def read(self, index: int) -> npt.NDArray[Any]:
        """Read and decode one sample.

        Args:
            index: The sample's number, 0 to N - 1.

        Returns:
            The sample, of its file's own shape and dtype.

        Raises:
            SourceError: The file cannot be read or is no sample; the message names it.
        """
        path = self.root / self.keys[index]
        try:
            return self.decoder(read_file(str(path)))
        except DecodeError as error:
            raise SourceError(f"{path}: {error}") from error
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}; the file was there when the folder was listed") from error

    def read_many(self, indices: Sequence[int]) -> npt.NDArray[Any]:
        """Read and decode some samples.

        Args:
            indices: Their numbers.

        Returns:
            (samples, *sample_shape), in the order asked for.

        Raises:
            SourceError: A file cannot be read, is no sample, or differs in shape or dtype; the message names it.
        """
        return self._together(indices, [self.read(index) for index in indices])

    def _together(self, indices: Sequence[int], samples: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        for index, sample in zip(indices, samples, strict=True):
            if (sample.shape, sample.dtype) != (samples[0].shape, samples[0].dtype):
                raise SourceError(
                    f"{self.root / self.keys[index]}: found shape {sample.shape} {sample.dtype}, expected "
                    f"{samples[0].shape} {samples[0].dtype} as in {self.keys[indices[0]]}"
                )
        return np.stack(samples)

    def _typical_bytes(self, order: npt.NDArray[np.int64]) -> int:
        for index in order[:8].tolist():
            try:
                return max(1, os.stat(f"{self.root}/{self.keys[index]}").st_size)
            except OSError:
                continue  # the reader will say what is wrong with it
        return RUN_BYTES

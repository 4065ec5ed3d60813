"""Files that are reached by URL: many are asked for at a time, as each answer takes long to come."""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.errors import DecodeError, SourceError
from seekless.source.samples import RUN_BYTES, RUN_FILES, Decoded, Decoder, FileRun, FileSource

__all__ = ["RemoteReader", "RemoteRun", "RemoteSource"]


@dataclass(frozen=True)
class RemoteRun(FileRun):
    """Some files, in the order of their keys.

    Attributes:
        sizes: Their bytes, as listed.
        marks: What tells each from a changed one, as listed.
    """

    sizes: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


@dataclass(frozen=True)
class RemoteReader:
    """Decodes runs of files below a URL, each one sample."""

    root: Path
    decoder: Decoder

    def read(self, run: RemoteRun) -> Decoded:
        """Read and decode a run of files; bad files are collected, not raised."""
        decoded = Decoded()
        answers = read_files(self.root, run.keys)
        for index, key, size, mark in zip(run.indices, run.keys, run.sizes, run.marks, strict=True):
            answer = answers.pop(key)
            try:
                if isinstance(answer, Exception):
                    raise answer
                if len(answer) != size:
                    raise OSError(errno.EBUSY, f"it has {len(answer)} bytes, and had {size} when it was listed")
                sample = self.decoder(answer)
            except DecodeError as error:
                decoded.refuse(index, key, error.found, error.expected)
            except Exception as error:  # each protocol has its own
                decoded.refuse(index, key, f"a file that cannot be read ({_reason(error)})", "a readable file")
            else:
                decoded.indices.append(index)
                decoded.samples.append(sample)
                decoded.stamps.append(mark)
                decoded.bytes_read += size
        return decoded


def read_files(root: Any, keys: Sequence[str]) -> dict[str, bytes | Exception]:
    """Read whole files, as many at a time as their file system can.

    Args:
        root: The URL that keys are relative to.
        keys: The files.

    Returns:
        The bytes of each, or why there are none.
    """
    paths = [f"{root.path.rstrip('/')}/{key}" for key in keys]
    try:
        found = root.fs.cat(paths, on_error="return")
    except Exception as error:  # the connection itself
        return dict.fromkeys(keys, error)
    return {
        key: found.get(path, found.get(root.fs._strip_protocol(path), FileNotFoundError(path)))
        for key, path in zip(keys, paths, strict=True)
    }


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class RemoteSource(FileSource):
    """A folder of small files that are reached by URL, one sample a file.

    Attributes:
        sizes: int64, (N,): bytes of each file, as listed.
        marks: uint32, (N,): what tells each from a changed one, as listed.
    """

    sizes: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint32]

    def reader(self) -> RemoteReader:  # type: ignore[override]  # any Reader is one of a Source
        """Return what decodes runs of these files in any process that reaches them."""
        return RemoteReader(self.root, self.decoder)

    def runs(self, done: npt.NDArray[np.bool_] | None = None) -> Iterator[RemoteRun]:
        """Yield runs of neighbouring files, in the order of their keys.

        Args:
            done: bool, (N,): samples to leave out.
        """
        left = np.arange(len(self)) if done is None else np.flatnonzero(~done)
        start = 0
        while start < len(left):
            sizes = np.cumsum(self.sizes[left[start : start + RUN_FILES]])
            stop = start + max(1, int(np.searchsorted(sizes, RUN_BYTES, "right")))
            indices = left[start:stop].tolist()
            yield RemoteRun(
                indices,
                [self.keys[index] for index in indices],
                tuple(self.sizes[indices].tolist()),
                tuple(self.marks[indices].tolist()),
            )
            start = stop

    def stamps(self, indices: Sequence[int]) -> npt.NDArray[np.uint32]:
        """Return uint32, (n,): the stamps of samples' files, as they were listed for this source."""
        return self.marks[np.asarray(indices, np.int64)]

    def read(self, index: int) -> npt.NDArray[Any]:
        """Read and decode one sample; see `FileSource.read`."""
        return self._decoded([index])[0]

    def read_many(self, indices: Sequence[int]) -> npt.NDArray[Any]:
        """Read and decode some samples; see `FileSource.read_many`."""
        return self._together(indices, self._decoded(indices))

    def _decoded(self, indices: Sequence[int]) -> list[npt.NDArray[Any]]:
        keys = [self.keys[index] for index in indices]
        answers = read_files(self.root, keys)
        samples = []
        for key in keys:
            answer = answers[key]
            if isinstance(answer, Exception):
                raise SourceError(
                    f"{self.root / key}: {_reason(answer)}; the file was there when the folder was listed"
                ) from answer
            try:
                samples.append(self.decoder(answer))
            except DecodeError as error:
                raise SourceError(f"{self.root / key}: {error}") from error
        return samples

"""What a worker process does: decode a run of samples, prove how small they can be stored, hand them back."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.wanted import Tried, try_encodings, wanted_encodings
from seekless.source.samples import BadSample, Decoded, Reader
from seekless.store.encoding import Encoding

__all__ = ["Form", "Group", "RunResult", "Shared", "begin", "encode_run", "work"]

# Samples of so many bytes are not laid together before they are handed on.
LARGE = 64 << 10
# Numbers of glibc's malloc.h, and the most that it takes for the first of them.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 32 << 20
# The shape and dtype of a decoded sample; all samples of a store have one form.
Form = tuple[tuple[int, ...], str]


@dataclass(frozen=True)
class Group:
    """The samples of a run that have one form.

    Attributes:
        form: Their form.
        indices: int64, (n,): their numbers in the source.
        stamps: uint32, (n,): what tells each one's file from a changed one.
        stored: (n, *sample_shape), as encoded.
        encoding: The smallest that gives all of them back.
        proved: A bit for every encoding that does.
        tried: What became of them in each encoding of the dtype that is asked for, where one is.
        at: Where in shared memory the samples are, which `stored` lacks then; None where it has them.
    """

    form: Form
    indices: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.uint32]
    stored: npt.NDArray[Any]
    encoding: Encoding
    proved: int
    tried: tuple[Tried, ...] = ()
    at: int | None = None


@dataclass(frozen=True)
class RunResult:
    """What became of a run.

    Attributes:
        groups: The decoded samples by form, the form of most first.
        bad: Samples that cannot be used.
        bad_indices: Their numbers.
        indices: int64, (n,): the numbers of all decoded samples.
        spellings: Each label among them once, as text, a tuple a label; () where labels do not stand beside the values.
        labels: int64, (n,): which spelling each has; (0,) likewise.
        bytes_read: Bytes of everything that was read.
        rest: What of the run is still to be read; None for nothing.
    """

    groups: list[Group]
    bad: list[BadSample]
    bad_indices: list[int]
    indices: npt.NDArray[np.int64]
    spellings: list[tuple[str, ...]]
    labels: npt.NDArray[np.int64]
    bytes_read: int
    rest: Any = None


class Shared(Protocol):
    """Memory that the parent sees too; see `seekless.convert.shared`."""

    def write(self, at: int, parts: Sequence[npt.NDArray[Any]]) -> int | None:
        """Write arrays one behind the other; return where the next ones may go, or None where nothing was written."""
        ...


_reader: Reader
_dtype: str | None
_shared: Shared | None


def begin(reader: Reader, dtype: str | None, shared: Shared | None = None) -> None:
    """Set up a worker process, once.

    Args:
        reader: Decodes runs of the source.
        dtype: The stored dtype that is asked for, if one is.
        shared: Where to put samples for the parent; None to send them through the pipe.
    """
    global _reader, _dtype, _shared
    _reader, _dtype, _shared = reader, dtype, shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    _keep_memory()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="seekless-parent").start()


def _keep_memory() -> None:
    """Have the C library keep what is freed: it would give back the memory of each run, and ask for it again.

    Of photographs of 256 x 256 that took a tenth of a worker's time. Only glibc has this call.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, 2 * KEPT)


def _end_with(parent: Any) -> None:
    """End this process when its parent is gone: a killed one cannot say so."""
    parent.join()
    os._exit(1)


def work(run: Any, region: int = 0) -> RunResult:
    """Do one run in a worker process.

    Args:
        run: The run.
        region: Where in shared memory its samples may go.
    """
    return encode_run(_reader.read(run), _dtype, _shared, region)


def encode_run(decoded: Decoded, dtype: str | None = None, shared: Shared | None = None, region: int = 0) -> RunResult:
    """Prove and encode the samples of a run.

    Args:
        decoded: The run, decoded.
        dtype: The stored dtype that is asked for, if one is.
        shared: Where samples may be put for the parent.
        region: The place there.

    Returns:
        Its samples by form, each form in its smallest encoding.
    """
    members: dict[Form, list[int]] = {}
    for place, sample in enumerate(decoded.samples):
        members.setdefault((sample.shape, sample.dtype.str), []).append(place)
    indices, stamps = np.array(decoded.indices, np.int64), np.array(decoded.stamps, np.uint32)
    groups = []
    for form, places in sorted(members.items(), key=lambda item: -len(item[1])):
        samples = [decoded.samples[place] for place in places]
        held, encoding, tried, parts = _encoded(samples, indices[places], dtype)
        at, after = region, None if shared is None else shared.write(region, parts)
        if after is None:
            own = indices[places], stamps[places], np.concatenate(parts)
            groups.append(Group(form, *own, encoding, held, tried))
        else:
            own = indices[places], stamps[places], np.empty((0, *form[0]), encoding.dtype)
            groups.append(Group(form, *own, encoding, held, tried, at))
            region = after
    number_of: dict[tuple[str, ...], int] = {}
    labels = np.array([number_of.setdefault(label, len(number_of)) for label in decoded.labels], np.int64)
    return RunResult(
        groups, decoded.bad, decoded.bad_indices, indices, list(number_of), labels, decoded.bytes_read, decoded.rest
    )


def _encoded(
    samples: list[npt.NDArray[Any]], indices: npt.NDArray[np.int64], dtype: str | None
) -> tuple[int, Encoding, tuple[Tried, ...], list[npt.NDArray[Any]]]:
    """Return what holds for samples of one form, their encoding, what was tried, and them encoded, in parts."""
    logical = samples[0].dtype
    if dtype is None and len(candidates(logical)) == 1 and samples[0].nbytes >= LARGE:
        # There is nothing to prove, and large samples are copied once less.
        return 1, candidates(logical)[0], (), [np.ascontiguousarray(sample)[np.newaxis] for sample in samples]
    values = np.stack(samples)
    held = proved(values)
    encoding = candidates(logical)[smallest(held)]
    tried = () if dtype is None else try_encodings(values, indices, wanted_encodings(dtype, logical))
    return held, encoding, tried, [encoding.encode(values)]

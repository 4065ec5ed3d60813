"""What a worker process does: decode a run of samples, prove how small they can be stored, hand them back."""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.narrow import candidates, proved, smallest
from seekless.convert.wanted import Tried, try_encodings, wanted_encodings
from seekless.source.samples import BadSample, Decoded, Reader
from seekless.store.encoding import Encoding

__all__ = ["Form", "Group", "RunResult", "begin", "encode_run", "work"]

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
    """

    form: Form
    indices: npt.NDArray[np.int64]
    stamps: npt.NDArray[np.uint32]
    stored: npt.NDArray[Any]
    encoding: Encoding
    proved: int
    tried: tuple[Tried, ...] = ()


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


_reader: Reader
_dtype: str | None


def begin(reader: Reader, dtype: str | None) -> None:
    """Set up a worker process, once.

    Args:
        reader: Decodes runs of the source.
        dtype: The stored dtype that is asked for, if one is.
    """
    global _reader, _dtype
    _reader, _dtype = reader, dtype
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="seekless-parent").start()


def _end_with(parent: Any) -> None:
    """End this process when its parent is gone: a killed one cannot say so."""
    parent.join()
    os._exit(1)


def work(run: Any) -> RunResult:
    """Do one run in a worker process."""
    return encode_run(_reader.read(run), _dtype)


def encode_run(decoded: Decoded, dtype: str | None = None) -> RunResult:
    """Prove and encode the samples of a run.

    Args:
        decoded: The run, decoded.
        dtype: The stored dtype that is asked for, if one is.

    Returns:
        Its samples by form, each form in its smallest encoding.
    """
    members: dict[Form, list[int]] = {}
    for place, sample in enumerate(decoded.samples):
        members.setdefault((sample.shape, sample.dtype.str), []).append(place)
    indices, stamps = np.array(decoded.indices, np.int64), np.array(decoded.stamps, np.uint32)
    groups = []
    for form, places in sorted(members.items(), key=lambda item: -len(item[1])):
        values = np.stack([decoded.samples[place] for place in places])
        held = proved(values)
        encoding = candidates(values.dtype)[smallest(held)]
        tried = () if dtype is None else try_encodings(values, indices[places], wanted_encodings(dtype, values.dtype))
        groups.append(Group(form, indices[places], stamps[places], encoding.encode(values), encoding, held, tried))
    number_of: dict[tuple[str, ...], int] = {}
    labels = np.array([number_of.setdefault(label, len(number_of)) for label in decoded.labels], np.int64)
    return RunResult(
        groups, decoded.bad, decoded.bad_indices, indices, list(number_of), labels, decoded.bytes_read, decoded.rest
    )

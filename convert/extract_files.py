"""One sample as a file: its bytes as PNG or as text, and the name that its key makes."""

import gzip
import io
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seekless.errors import ConvertError
from seekless.source.csv import CSV_SUFFIXES
from seekless.source.image import IMAGE_SUFFIXES
from seekless.source.listing import suffix_of

__all__ = ["LABELS", "check_name", "csv_bytes", "file_names", "natural_shape", "packed", "png_bytes", "row_format"]

LABELS = "target.csv"
# 19 digits, as numpy.savetxt writes them: two more than it takes to tell every float64 from every other.
FLOAT = "%.18e"
INTEGER = "%d"


def png_bytes(sample: npt.NDArray[Any]) -> bytes:
    """Return a PNG file of a picture.

    Args:
        sample: uint8, (height, width), or that and 1, 3 or 4 channels; uint16 with one channel.
    """
    gray = sample.ndim == 3 and sample.shape[2] == 1
    file = io.BytesIO()
    Image.fromarray(sample[..., 0] if gray else sample).save(file, "PNG")
    return file.getvalue()


def row_format(dtype: np.dtype[Any], columns: int, separator: str) -> str:
    """Return the format of a line of numbers, from which every float comes back bit for bit.

    Args:
        dtype: Their dtype.
        columns: How many they are.
        separator: What stands between two.
    """
    return separator.join([FLOAT if dtype.kind == "f" else INTEGER] * columns)


def csv_bytes(sample: npt.NDArray[Any]) -> bytes:
    """Return a sample as `numpy.savetxt` writes it: a line for each entry of its first axis, spaces between numbers.

    Args:
        sample: Any shape and dtype.
    """
    rows = sample.shape[0] if sample.ndim else 1
    line = row_format(sample.dtype, sample.size // rows, " ") + "\n"
    return (line * rows % tuple(sample.reshape(-1).tolist())).encode()


def natural_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that `convert` gives the text of a sample of some shape, unless --shape says another."""
    rows = shape[0] if shape else 1
    return tuple(size for size in (rows, math.prod(shape) // rows) if size != 1)


def packed(name: str, data: bytes) -> bytes:
    """Return the bytes of a file as its name says: compressed for .gz, and by no time stamp different."""
    return gzip.compress(data, mtime=0) if name.lower().endswith(".gz") else data


def file_names(keys: Sequence[str], suffix: str) -> list[str]:
    """Return the name of each sample's file: its key, with the suffix of what is written.

    A suffix of the same sort stays (.txt, .csv.gz), one of another is replaced (cat.jpg becomes cat.png), none is added
    to. Where that would make two names one, the suffix is added instead (cat.jpg.png).

    Args:
        keys: The keys.
        suffix: ".png" or ".csv".

    Raises:
        ConvertError: A key leads out of the folder, or two samples would be one file, or a file a folder.
    """
    for key in keys:
        check_name(key)
    names = [_renamed(key, suffix, replace=True) for key in keys]
    if len(set(names)) < len(names):
        names = [_renamed(key, suffix, replace=False) for key in keys]
    _refuse_shared(keys, names)
    return names


def check_name(key: str) -> None:
    """Hold that a key names a file inside the folder.

    Args:
        key: The key.

    Raises:
        ConvertError: It does not.
    """
    parts = key.split("/")
    odd = {"", ".", ".."} & set(parts) or "\0" in key or (os.name == "nt" and ("\\" in key or ":" in key))
    if odd or parts[0] == LABELS:
        why = "which is the file of the targets" if parts[0] == LABELS else "which is no path inside a folder"
        raise ConvertError(f"found the key {key!r}, {why}, expected one such as cat/7.png; nothing was written")


def _renamed(key: str, suffix: str, *, replace: bool) -> str:
    own = suffix_of(key)
    kept = CSV_SUFFIXES if suffix == ".csv" else {suffix}
    if own in kept:
        return key
    if replace and own in CSV_SUFFIXES | IMAGE_SUFFIXES:
        return key[: -len(own)] + suffix
    return key + suffix


def _refuse_shared(keys: Sequence[str], names: Sequence[str]) -> None:
    key_of: dict[str, str] = {}
    for key, name in zip(keys, names, strict=True):
        if key_of.setdefault(name, key) is not key:
            raise ConvertError(
                f"found the keys {key_of[name]!r} and {key!r}, both for the file {name}, expected one file a sample"
            )
    for name, key in key_of.items():
        above = name.rpartition("/")[0]
        while above:
            if above in key_of:
                raise ConvertError(
                    f"found the keys {key_of[above]!r} and {key!r}, the first a file and the second in a folder of "
                    "that name, expected keys that can be files together"
                )
            above = above.rpartition("/")[0]

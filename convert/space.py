"""Whether the disk has the space, told as early as it can be: from the first samples that are decoded, then exactly."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from seekless.convert.options import Options
from seekless.convert.workers import Group
from seekless.errors import ConvertError
from seekless.store.codecs import codec_named

__all__ = ["check_space", "check_space_early", "told_when_full"]

HDF5_FULL = f"errno = {errno.ENOSPC},"


def check_space(folder: Path, wanted: int, what: str) -> None:
    """Refuse a disk that lacks space.

    Args:
        folder: Where it is needed.
        wanted: Bytes.
        what: What for.

    Raises:
        ConvertError: Less is free.
    """
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise ConvertError(
            f"{folder}: found {free / 1e6:,.0f} MB free, expected {wanted / 1e6:,.0f} MB for {what}; free some, or "
            "write to another disk"
        )


def check_space_early(group: Group, samples: int, left: int, store: Path, temp: Path, options: Options) -> None:
    """Refuse disks without space for the store and for the passing files, as the first samples lead to expect.

    Args:
        group: The first samples.
        samples: How many there are in all.
        left: How many of them are not in passing files yet.
        store: The folder of the store.
        temp: The folder for passing files.
        options: How to convert.

    Raises:
        ConvertError: A disk lacks the space.
    """
    data = group.stored.tobytes()
    passing = round(len(data) * left / len(group.indices))
    if options.compression != "none":
        # Whichever codec is taken in the end, none is expected to need much more than this one.
        codec = codec_named("zstd" if options.compression == "auto" else options.compression)
        data = min(codec.encode(data, group.stored.dtype.itemsize), data, key=len)
    stored = round(len(data) * samples / len(group.indices))
    if passing <= options.memory // 3:
        passing = 0
    if os.stat(store).st_dev == os.stat(temp).st_dev:
        check_space(
            store, stored + passing, "the store" + (" and the files that its samples go through" * bool(passing))
        )
        return
    check_space(store, stored, "the store")
    check_space(temp, passing, "passing files (--temp names another folder)")


@contextlib.contextmanager
def told_when_full(store: Path, temp: Path) -> Iterator[None]:
    """Say which disk it is where one is full; the system's own words often name no file.

    Args:
        store: The folder of the store.
        temp: The folder for passing files.

    Raises:
        ConvertError: A disk is full.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # HDF5 raises a RuntimeError where a file cannot be closed.
        number = error.errno if isinstance(error, OSError) else errno.ENOSPC * (HDF5_FULL in str(error))
        if number not in (errno.ENOSPC, errno.EDQUOT):
            raise
        folder = min((store, temp), key=lambda folder: shutil.disk_usage(folder).free)
        raise ConvertError(
            f"{folder}: found no space left ({os.strerror(number)}), expected room for the store and the files that "
            "its samples go through; free some, or write to another disk (--temp names one for passing files)"
        ) from error

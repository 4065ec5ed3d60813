"""Whether the disk has the space, told as early as it can be: from the first samples that are decoded, then exactly."""

import os
import shutil
from pathlib import Path

from seekless.convert.options import Options
from seekless.convert.workers import Group
from seekless.errors import ConvertError
from seekless.store.codecs import codec_named

__all__ = ["check_space", "check_space_early"]


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


def check_space_early(group: Group, samples: int, store: Path, temp: Path, options: Options) -> None:
    """Refuse disks without space for the store and for the passing files, as the first samples lead to expect.

    Args:
        group: The first samples.
        samples: How many there are in all.
        store: The folder of the store.
        temp: The folder for passing files.
        options: How to convert.

    Raises:
        ConvertError: A disk lacks the space.
    """
    data = group.stored.tobytes()
    share = samples / len(group.indices)
    passing = round(len(data) * share)
    if options.compression != "none":
        # Whichever codec is taken in the end, none is expected to need much more than this one.
        codec = codec_named("zstd" if options.compression == "auto" else options.compression)
        data = min(codec.encode(data, group.stored.dtype.itemsize), data, key=len)
    stored = round(len(data) * share)
    if passing <= options.memory // 3:
        passing = 0
    if os.stat(store).st_dev == os.stat(temp).st_dev:
        check_space(
            store, stored + passing, "the store" + (" and the files that its samples go through" * bool(passing))
        )
        return
    check_space(store, stored, "the store")
    check_space(temp, passing, "passing files (--temp names another folder)")

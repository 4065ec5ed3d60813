"""Where data is: a path here, or a URL that fsspec reaches, such as s3://bucket/data.h5."""

import os
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, cast

from seekless.errors import OptionError

__all__ = ["is_of_one_process", "is_remote", "is_url", "mark_of", "place_of", "written_to"]

FILE = "file://"
HERE = ("file", "local")
# What tells a changed file, by the names that file systems give it; the first that there is.
_VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "generation",
    "mtime",
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "created",
)


def place_of(where: str | PathLike[str] | Path) -> Path:
    """Return a place as a path, or as what behaves like one.

    Args:
        where: A path; a URL of a protocol that fsspec knows; or a `upath.UPath`, which brings options of its own.

    Returns:
        A Path; a `upath.UPath` for a URL.

    Raises:
        OptionError: fsspec is not installed, or what it needs for the protocol is not.
    """
    if isinstance(where, Path):
        return where
    if _is_upath(where):
        here: Any = where
        return Path(here.path) if here.protocol in HERE else cast("Path", where)
    text = os.fspath(where)
    if text.startswith(FILE):
        return Path(text[len(FILE) :])
    if "://" not in text:
        return Path(text)
    try:
        from upath import UPath
    except ImportError:
        raise OptionError(
            f'{text}: found a URL without fsspec, expected it installed: pip install "seekless[remote]"'
        ) from None
    try:
        place = UPath(text)
        place.fs  # noqa: B018 (asked for, as only then the package of the protocol is imported)
    except ImportError as error:
        raise OptionError(f"{text}: found a protocol whose package is not installed: {error}") from None
    except ValueError as error:
        raise OptionError(f"{text}: found a URL that fsspec does not know: {error}") from None
    return cast("Path", place)


def written_to(where: str | PathLike[str]) -> Path:
    """Return the path of what is to be written.

    Args:
        where: A path.

    Raises:
        OptionError: It is a URL.
    """
    if is_url(where):
        raise OptionError(
            f"{where}: found a URL to write to, expected a path: stores are written on file systems and copied up, "
            "such as by `aws s3 cp`, and read by URL then"
        )
    return place_of(where)


def is_url(where: str | PathLike[str]) -> bool:
    """Return whether what a user gave is a URL of something that is not here, or a `upath.UPath` of such a one."""
    if _is_upath(where):
        return is_remote(place_of(where))
    text = os.fspath(where)
    return "://" in text and not text.startswith(FILE)


def _is_upath(where: Any) -> bool:
    return hasattr(where, "storage_options")


def is_remote(place: Any) -> bool:
    """Return whether a place is reached by fsspec."""
    return not isinstance(place, Path)


def is_of_one_process(place: Any) -> bool:
    """Return whether a place is in the memory of this process, where no other one can read it."""
    return is_remote(place) and place.protocol == "memory"


def mark_of(info: dict[str, Any]) -> int:
    """Return what tells a file from a changed one: a CRC-32 of its size and of its version or time.

    Args:
        info: What fsspec says of the file.
    """
    version = next((info[name] for name in _VERSIONS if info.get(name) is not None), "")
    return zlib.crc32(f"{info.get('size')} {version}".encode())

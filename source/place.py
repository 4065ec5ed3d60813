"""Where a source is: a folder here, or a URL that fsspec reaches, such as s3://bucket/data."""

import errno
import os
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, cast

from seekless.errors import OptionError, SourceError, SourceNotFoundError
from seekless.source.read import stamp, stamp_at

__all__ = ["check_reached", "is_of_one_process", "is_remote", "mark_of", "place_of", "read_span", "stamp_of"]

FILE = "file://"
# What tells a changed file, by the names that file systems give it; the first that there is.
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "updated", "created")


def place_of(source: str | PathLike[str] | Path) -> Path:
    """Return a source's place as a path, or as what behaves like one.

    Args:
        source: A path; a URL of a protocol that fsspec knows; or a `upath.UPath`, which brings options of its own.

    Returns:
        A Path; a `upath.UPath` for a URL.

    Raises:
        OptionError: fsspec is not installed, or what it needs for the protocol is not.
    """
    if isinstance(source, Path) or hasattr(source, "storage_options"):
        return cast("Path", source)
    text = os.fspath(source)
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


def is_remote(place: Any) -> bool:
    """Return whether a place is reached by fsspec."""
    return not isinstance(place, Path)


def is_of_one_process(place: Any) -> bool:
    """Return whether a place is in the memory of this process, where no other one can read it."""
    return is_remote(place) and place.protocol == "memory"


def check_reached(root: Any) -> None:
    """Ask for a remote place, as its methods take one that cannot be reached for one that is not there.

    Raises:
        SourceNotFoundError: There is nothing.
        SourceError: It cannot be reached, or may not be read.
    """
    try:
        root.fs.info(root.path)
    except FileNotFoundError:
        raise SourceNotFoundError(f"{root}: found nothing there, expected a folder of samples") from None
    except Exception as error:  # each protocol has its own
        raise SourceError(
            f"{root}: found that it cannot be reached ({type(error).__name__}: {error}), expected one that may be "
            "read; credentials and addresses are those that fsspec finds in the environment"
        ) from error


def mark_of(info: dict[str, Any]) -> int:
    """Return what tells a file from a changed one: a CRC-32 of its size and of its version or time.

    Args:
        info: What fsspec says of the file.
    """
    version = next((info[name] for name in _VERSIONS if info.get(name) is not None), "")
    return zlib.crc32(f"{info.get('size')} {version}".encode())


def stamp_of(path: Any) -> int:
    """Return the stamp of a file as it is now; 0 if it cannot be found."""
    if not is_remote(path):
        return stamp_at(str(path))
    try:
        return mark_of(path.fs.info(path.path))
    except Exception:  # each protocol has its own
        return 0


def read_span(path: Any, start: int, stop: int) -> tuple[bytes, int]:
    """Read a part of a file.

    Args:
        path: The file.
        start: Its first byte.
        stop: The byte after its last.

    Returns:
        The bytes, and the stamp of the file.

    Raises:
        OSError: The file cannot be read.
    """
    if not is_remote(path):
        with open(path, "rb") as file:
            mark = stamp(os.fstat(file.fileno()))
            file.seek(start)
            return file.read(stop - start), mark
    try:
        return path.fs.cat_file(path.path, start=start, end=stop), mark_of(path.fs.info(path.path))
    except OSError:
        raise
    except Exception as error:  # each protocol has its own
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", str(path)) from error

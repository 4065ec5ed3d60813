"""Where a source is, and parts of its files: in a folder here, or below a URL that fsspec reaches."""

import errno
import os
from typing import Any

from seekless.errors import SourceError, SourceNotFoundError
from seekless.source.read import stamp, stamp_at
from seekless.urls import is_of_one_process, is_remote, mark_of, place_of

__all__ = ["check_reached", "is_of_one_process", "is_remote", "mark_of", "place_of", "read_span", "stamp_of"]


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

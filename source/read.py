"""Read one whole small file, and tell whether it changed since."""

import errno
import os
import struct
import zlib

__all__ = ["read_file", "read_stamped", "stamp", "stamp_at"]

READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_STAMP = struct.Struct("<qq")


def read_file(path: str) -> bytes:
    """Read one whole small file by plain system calls, which take two thirds of the time of Python's `open` and `read`.

    Args:
        path: The file.

    Returns:
        Its bytes.

    Raises:
        OSError: The file cannot be opened or read, or changes its size while it is read.
    """
    return read_stamped(path)[0]


def stamp(status: os.stat_result) -> int:
    """Return what tells a file from a changed one: a CRC-32 of its size and of the time it was last written to."""
    return zlib.crc32(_STAMP.pack(status.st_size, status.st_mtime_ns))


def stamp_at(path: str) -> int:
    """Return the stamp of a file as it is now; 0 if it cannot be found."""
    try:
        return stamp(os.stat(path))
    except OSError:
        return 0


def read_stamped(path: str) -> tuple[bytes, int]:
    """Read one whole small file as `read_file` does, and return its bytes and its stamp.

    Raises:
        OSError: As `read_file`.
    """
    descriptor = os.open(path, READ_FLAGS)
    try:
        status = os.fstat(descriptor)
        size = status.st_size
        data = os.read(descriptor, size + 1)
        while 0 < len(data) < size and (more := os.read(descriptor, size + 1 - len(data))):
            data += more  # one read gives 2 GiB at most
    finally:
        os.close(descriptor)
    if len(data) != size:
        raise OSError(errno.EBUSY, "it changed its size while it was read", path)
    return data, stamp(status)

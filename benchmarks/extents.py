"""Where the bytes of a file lie on the disk (FIEMAP); Linux only."""

import struct
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Extent", "extents", "placed"]

FIEMAP = 0xC020660B  # ioctl FS_IOC_FIEMAP
SYNC = 1  # FIEMAP_FLAG_SYNC: what is not yet on the disk has no place there
HEAD = struct.Struct("=QQIIII")  # start, length, flags, extents found, extents asked for, reserved
EXTENT = struct.Struct("=QQQQQIIII")  # logical, physical, length, reserved, reserved, flags, reserved
MOST_EXTENTS = 256

Extent = tuple[int, int, int]  # offset in the file, offset on the disk, bytes


def extents(path: Path) -> list[Extent]:
    """Return the pieces of a file in their order.

    Raises:
        OSError: The file system does not tell.
    """
    if fcntl is None:
        raise OSError("only Linux tells where a file lies")
    found: list[Extent] = []
    with open(path, "rb") as file:
        while True:
            start = found[-1][0] + found[-1][2] if found else 0
            request = bytearray(HEAD.size + MOST_EXTENTS * EXTENT.size)
            HEAD.pack_into(request, 0, start, 2**64 - 1 - start, SYNC, 0, MOST_EXTENTS, 0)
            fcntl.ioctl(file, FIEMAP, request)
            count = HEAD.unpack_from(request)[3]
            for number in range(count):
                logical, physical, length, *_ = EXTENT.unpack_from(request, HEAD.size + number * EXTENT.size)
                found.append((logical, physical, length))
            if count < MOST_EXTENTS:
                return found


def placed(pieces: list[Extent], offset: int, size: int) -> list[tuple[int, int]]:
    """Return (offset on the disk, bytes) of each part of a range of a file."""
    parts = []
    for logical, physical, length in pieces:
        begin, end = max(offset, logical), min(offset + size, logical + length)
        if begin < end:
            parts.append((physical + begin - logical, end - begin))
    return parts

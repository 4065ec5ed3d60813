"""Read bytes of a file to several places by few system calls, on every system."""

import itertools
import os
from collections import deque
from collections.abc import Sequence

__all__ = ["ReadError", "fill"]

# Linux takes up to 1,024 buffers a call.
MAX_BUFFERS = 1000


class ReadError(Exception):
    """The disk cannot read some bytes.

    Attributes:
        got: Bytes that were read before them.
        reason: What the system says.
    """

    def __init__(self, got: int, reason: OSError) -> None:
        super().__init__(got, reason)
        self.got, self.reason = got, reason


def fill(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
    """Fill places one behind the other with the bytes of a file.

    Args:
        descriptor: Of the open file.
        buffers: The places.
        offset: Where the bytes begin in the file.

    Returns:
        Bytes that were read; fewer than there is room for where the file ends.

    Raises:
        ReadError: The disk cannot read some of them.
    """
    begin = offset
    left = deque(buffers)
    while left:
        try:
            count = _read_at(descriptor, list(itertools.islice(left, MAX_BUFFERS)), offset)
        except OSError as error:
            raise ReadError(offset - begin, error) from error
        if not count:
            break
        offset += count
        while left and count >= len(left[0]):
            count -= len(left.popleft())
        if count:
            left[0] = left[0][count:]
    return offset - begin


if hasattr(os, "preadv"):

    def _read_at(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return os.preadv(descriptor, buffers, offset)

else:  # pragma: no cover (Windows)

    def _read_at(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffers[0]))
        buffers[0][: len(data)] = data
        return len(data)

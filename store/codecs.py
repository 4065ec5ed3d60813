"""How blocks of x are compressed: what plain h5py with hdf5plugin reads, made and undone without HDF5.

Every codec works outside Python's lock, in as many threads as call it. A block that a codec does not make smaller is
stored as it is.
"""

import struct
import threading
import zlib
from abc import ABC, abstractmethod
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from seekless.errors import MissingExtraError, OptionError

__all__ = ["CODECS", "Buffer", "Codec", "codec_named"]

Buffer = bytes | memoryview


class Codec(ABC):
    """One way to compress blocks.

    Attributes:
        name: As in `--compression`.
        filter_id: The number that HDF5's registry of filters gives it; 0 for none.
    """

    name: ClassVar[str]
    filter_id: ClassVar[int]

    def filter_values(self, block_bytes: int, item_bytes: int) -> tuple[int, ...]:
        """Return the parameters that HDF5 keeps beside the filter's number.

        Args:
            block_bytes: Bytes of a decoded block.
            item_bytes: Bytes after which like stands beneath like: of one value, or of one pixel's channels.
        """
        del block_bytes, item_bytes
        return ()

    @abstractmethod
    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Compress one block.

        Args:
            block: Its bytes, a multiple of `item_bytes`.
            item_bytes: As for `filter_values`.
        """

    @abstractmethod
    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Decompress one block.

        Args:
            stored: What `encode` returned.
            out: Bytes to fill: as many as the block had.

        Raises:
            ValueError: The stored bytes are not those of such a block.
        """


class Uncompressed(Codec):
    """Blocks as they are."""

    name = "none"
    filter_id = 0

    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Return the block."""
        return bytes(block)

    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Copy the block."""
        out[:] = stored


class Zstd(Codec):
    """Zstandard frames that tell their size: filter 32015."""

    name = "zstd"
    filter_id = 32015
    level = 1

    def __init__(self) -> None:
        self._library = _library("zstandard", "zstandard")
        self._threads = threading.local()  # a compressor is for one thread at a time

    def filter_values(self, block_bytes: int, item_bytes: int) -> tuple[int, ...]:
        """Return the level."""
        return (self.level,)

    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Compress one block."""
        if not hasattr(self._threads, "compressor"):
            self._threads.compressor = self._library.ZstdCompressor(level=self.level)
        encoded: bytes = self._threads.compressor.compress(block)
        return encoded

    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Decompress one block, straight to its place."""
        if not hasattr(self._threads, "decompressor"):
            self._threads.decompressor = self._library.ZstdDecompressor()
        try:
            with self._threads.decompressor.stream_reader(stored) as reader:
                filled = 0
                while filled < len(out) and (count := reader.readinto(out[filled:])):
                    filled += count
                if filled < len(out) or reader.read(1):
                    raise ValueError(f"a frame of other than {len(out)} bytes")
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from error


class LZ4(Codec):
    """LZ4 blocks in the layout of filter 32004: total and block size, then each block's compressed size, big-endian."""

    name = "lz4"
    filter_id = 32004
    _head = struct.Struct(">QII")

    def __init__(self) -> None:
        self._library = _library("lz4.block", "lz4")

    def filter_values(self, block_bytes: int, item_bytes: int) -> tuple[int, ...]:
        """Return the filter's block size: ours, so that there is one."""
        return (block_bytes,)

    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Compress one block."""
        size = len(block)
        packed: bytes = self._library.compress(block, store_size=False)
        if len(packed) >= size:  # the filter takes this for a block that is as it was
            packed = bytes(block)
        return self._head.pack(size, size, len(packed)) + packed

    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Decompress one block."""
        size = len(out)
        if len(stored) < self._head.size:
            raise ValueError(f"{len(stored)} bytes, less than a head")
        total, block, packed = self._head.unpack_from(stored)
        rest = memoryview(stored)[self._head.size :]
        if (total, block, packed) != (size, size, len(rest)):
            raise ValueError(f"a head that tells of {total} bytes in {packed}")
        if packed == size:
            out[:] = rest
            return
        try:
            decoded = self._library.decompress(rest, uncompressed_size=size)
        except self._library.LZ4BlockError as error:
            raise ValueError(str(error)) from error
        _fill(out, decoded)


class Gzip(Codec):
    """HDF5's own deflate filter: read without any plugin."""

    name = "gzip"
    filter_id = 1
    level = 1

    def filter_values(self, block_bytes: int, item_bytes: int) -> tuple[int, ...]:
        """Return the level."""
        return (self.level,)

    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Compress one block."""
        return zlib.compress(block, self.level)

    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Decompress one block."""
        try:
            # Never more than one byte too many, whatever the stored bytes claim.
            _fill(out, zlib.decompressobj().decompress(stored, len(out) + 1))
        except zlib.error as error:
            raise ValueError(str(error)) from error


class Blosc2(Codec):
    """Blosc2 frames of one chunk: filter 32026. For photographs: like bytes are laid together, then their differences.

    Its filters are SHUFFLE and BYTEDELTA, its compressor Zstandard at level 1.
    """

    name = "blosc2"
    filter_id = 32026
    level = 1

    def __init__(self) -> None:
        self._library = _library("blosc2", "blosc2")
        self._library.set_releasegil(True)

    def filter_values(self, block_bytes: int, item_bytes: int) -> tuple[int, ...]:
        """Return revision, block size (0: chosen), item size, chunk size, level, shuffle and Zstandard's number."""
        return (1, 0, item_bytes, block_bytes, self.level, 1, 5)

    def encode(self, block: Buffer, item_bytes: int) -> bytes:
        """Compress one block."""
        blosc2 = self._library
        parameters = {
            "codec": blosc2.Codec.ZSTD,
            "clevel": self.level,
            "typesize": item_bytes,
            "filters": [blosc2.Filter.SHUFFLE, blosc2.Filter.BYTEDELTA],
            "filters_meta": [0, item_bytes],
            "nthreads": 1,  # several write the parts of a chunk in the order in which they end
        }
        chunk = blosc2.SChunk(chunksize=len(block), data=block, contiguous=True, cparams=parameters)
        frame: bytes = chunk.to_cframe()
        return frame

    def decode(self, stored: Buffer, out: memoryview) -> None:
        """Decompress one block, straight to its place."""
        try:
            data = bytes(stored)  # is not copied: must live as long as the frame
            frame = self._library.schunk_from_cframe(data, copy=False)
            if (frame.nbytes, frame.nchunks) != (len(out), 1):
                raise ValueError(f"a frame of {frame.nbytes} bytes in {frame.nchunks} chunks")
            # Of the frame's own ways to decompress, none frees Python's lock.
            self._library.decompress2(frame.get_chunk(0), dst=np.frombuffer(out, np.uint8), nthreads=1)
        except RuntimeError as error:
            raise ValueError(str(error)) from error


CODECS: dict[str, type[Codec]] = {kind.name: kind for kind in (Uncompressed, Zstd, LZ4, Gzip, Blosc2)}


@lru_cache
def codec_named(name: str) -> Codec:
    """Return a codec by the name that `--compression` and a store's attributes give it.

    Raises:
        OptionError: There is no such codec.
        MissingExtraError: Its library is not installed.
    """
    if name not in CODECS:
        raise OptionError(f"found the codec {name!r}, expected one of {', '.join(CODECS)}")
    return CODECS[name]()


def _fill(out: memoryview, decoded: bytes) -> None:
    if len(decoded) != len(out):
        raise ValueError(f"{len(decoded)} bytes, expected {len(out)}")
    out[:] = decoded


def _library(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"found no {package}, expected it for this compression; install it with pip install {package}"
        ) from error

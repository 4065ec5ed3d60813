"""Write the blocks of a store to a folder of `.npy` files."""

import contextlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError
from seekless.store.codecs import Buffer
from seekless.store.npy import DESCRIPTION, array_head, array_name, block_sizes, describe
from seekless.store.schema import Header
from seekless.store.writer import StoreWriter

__all__ = ["NPYWriter"]


class NPYWriter(StoreWriter):
    """Writes a store of one folder: an array a field, and a description.

    Args:
        path: The folder to make.
        header: What the store holds.
        threads: Threads that fill blocks while others are written; 0 to do it in the caller's.

    Raises:
        OptionError: A field is to be compressed.
    """

    def __init__(self, path: Path, header: Header, threads: int = 0) -> None:
        for name, field in header.fields.items():
            if field.codec != "none":
                raise OptionError(
                    f"{path}: found the codec {field.codec} for {name}, expected none: .npy files hold plain arrays; "
                    "write a store that ends in .h5"
                )
        super().__init__(header, threads)
        self._path = path
        path.mkdir()
        with contextlib.ExitStack() as stack:
            names = header.fields
            self._files = {name: stack.enter_context(open(path / array_name(name), "wb")) for name in names}
            for name, field in header.fields.items():
                self._files[name].write(array_head(field, header.length))
            self._open = stack.pop_all()
        self._sizes = {name: block_sizes(field, header.length) for name, field in header.fields.items()}

    def _kept(self, name: str, number: int, block: Buffer) -> Buffer:
        return block[: int(self._sizes[name][number])]  # an array file has no room for padding

    def _put(self, name: str, number: int, stored: Buffer, *, coded: bool) -> int:
        del number, coded
        file = self._files[name]
        offset = file.tell()
        file.write(stored)
        file.flush()
        return offset

    def _finish(self, checks: dict[str, npt.NDArray[np.uint32]]) -> None:
        with self._open:
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
        with open(self._path / DESCRIPTION, "wb") as file:
            file.write(describe(self.header, {name: array.tolist() for name, array in checks.items()}))
            file.flush()
            os.fsync(file.fileno())

    def _abandon(self) -> None:
        self._open.close()

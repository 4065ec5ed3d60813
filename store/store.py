"""An open store: what it holds, its parts, and its samples by number."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seekless.errors import OptionError, StoreNotFoundError
from seekless.store.blocks import BlockReader, BlockTable
from seekless.store.held import HeldBlocks
from seekless.store.kinds import read_store as read
from seekless.store.schema import Header, boundaries, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Split", "Store", "open"]

Split = str | tuple[float, float] | None


class Store:
    """A packed store, open for reading. Holds paths and tables, never an open file: it pickles and survives fork.

    Use `seekless.open(path)`.

    Attributes:
        path: Where the store is.
        header: What it says of itself.
        tables: Each field's table of blocks.
    """

    def __init__(self, path: Path, header: Header, tables: Mapping[str, BlockTable]) -> None:
        self.path = path
        self.header = header
        self.tables = dict(tables)
        self._held = HeldBlocks(self.tables)

    def __len__(self) -> int:
        return self.header.length

    def __repr__(self) -> str:
        header, table = self.header, self.tables["x"]
        x = table.field
        blocks = f"{len(table):,} block{'' if len(table) == 1 else 's'}" + (
            f" in {len(self.shards):,} shards" if self.shards else ""
        )
        facts = [
            f"{len(self):,} samples of shape {x.sample_shape} {x.encoding.logical_dtype.name} stored as {x.encoding}",
            *(["values rounded"] if header.options.get("lossy") else []),
            "not compressed" if x.codec == "none" else f"{x.codec} {table.ratio:.2f} times smaller",
            blocks,
            *([f"{header.class_count:,} classes"] if header.class_count else []),
            f"shuffled with seed {header.seed}" if header.shuffled else "in the source's order",
        ]
        return f"Store({str(self.path)!r}: {', '.join(facts)})"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the store's fields."""
        return tuple(self.header.fields)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of x: (N, *sample_shape)."""
        return (len(self), *self.header.fields["x"].sample_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x as the source had it."""
        return self.header.fields["x"].encoding.logical_dtype

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes 0, 1, ...; None where targets were numbers from the start."""
        return self.header.class_names

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the store: one, a file and its shards, or those of a folder."""
        own = tuple(sorted(self.path.iterdir())) if self.path.is_dir() else (self.path,)
        return tuple(dict.fromkeys([*own, *(path for table in self.tables.values() for path in table.paths)]))

    @property
    def shards(self) -> tuple[Path, ...]:
        """The files that hold the samples of a store that is spread over several; none of one file or folder."""
        return () if self.path.is_dir() else tuple(path for path in self.tables["x"].paths if path != self.path)

    @property
    def nbytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def keys(self) -> list[str]:
        """The key of each sample: the path of the file it came from, relative to the source."""
        return [key.decode() for key in self.read("key", 0, len(self))]

    def split(self, *fractions: float) -> tuple[tuple[float, float], ...]:
        """Cut the store into consecutive parts.

        Args:
            *fractions: The size of each part; their sum is 1.

        Returns:
            For each part its begin and end as fractions, to be given as `split=` wherever batches are made.

        Raises:
            OptionError: A fraction is not between 0 and 1, or their sum is not 1.
        """
        boundaries(len(self), fractions)
        edges = [min(math.fsum(fractions[:i]), 1.0) for i in range(len(fractions))] + [1.0]
        return tuple(itertools.pairwise(edges))

    def part(self, split: Split = None) -> tuple[int, int]:
        """Return the samples of a part as (start, stop); where samples have groups, never a part of a group.

        Args:
            split: "train" or "test" as the conversion recorded them, a pair of fractions such as (0.0, 0.9), or None
                for the whole store.

        Raises:
            OptionError: The store records no parts, or the split is neither.
        """
        length = len(self)
        if split is None:
            return 0, length
        if split in ("train", "test"):
            if not self.header.boundaries:
                raise OptionError(
                    f"split={split!r}: found no recorded parts in {self.path}, expected a store converted with "
                    "--test-fraction; or give fractions, such as split=(0.0, 0.9)"
                )
            edges = (0, *self.header.boundaries)
            return (edges[0], edges[1]) if split == "train" else (edges[-2], edges[-1])
        if isinstance(split, tuple) and len(split) == 2 and 0 <= split[0] <= split[1] <= 1:
            start, stop = (nearest(round(length * edge), self.header.parts) for edge in split)
            return start, stop
        raise OptionError(f"split: found {split!r}, expected 'train', 'test' or two fractions such as (0.0, 0.9)")

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Read stored values of one field.

        Args:
            name: The field.
            start: The first sample.
            stop: The last sample + 1.

        Returns:
            (stop - start, *sample_shape), of the stored dtype.

        Raises:
            OptionError: There is no such field.
            IndexError: The store does not have these samples.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"{self.path}: found samples {start} to {stop}, expected 0 to {len(self)}")
        return self.reader(name).read([(start, stop)])

    def reader(self, name: str) -> BlockReader:
        """Return a new reader of one field's blocks.

        Raises:
            OptionError: There is no such field.
        """
        if name not in self.tables:
            raise OptionError(f"{self.path}: found no field {name!r}, expected one of {', '.join(self.fields)}")
        return BlockReader(self.tables[name])

    def __getitem__(self, which: int | slice | str) -> Any:
        """Return `(x, y)` of one sample or of a slice, values as the source had them; or a whole field by its name.

        A store without targets gives x alone. With `len` this is a random-access source, for Grain or for a map-style
        DataLoader of PyTorch: threads may share it, and it pickles. Blocks of single samples are held decoded, up to
        64 MiB in each process, so that neighbours are read once; an order that jumps about in a larger store reads a
        whole block for each sample, which `batches` and the Sequence do not.
        """
        if isinstance(which, str):
            field = self.reader(which).table.field
            return field.encoding.decode(self.read(which, 0, len(self)))
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step != 1:
                raise OptionError(f"store[{which}]: found step {step}, expected 1; read the slice and thin it out")
            return self._pair(start, max(start, stop))
        index = operator.index(which)
        if not -len(self) <= index < len(self):
            raise IndexError(f"found sample {index}, expected 0 to {len(self) - 1}")
        names = [name for name in ("x", "y") if name in self.tables]
        one = tuple(self._held.sample(name, index % len(self)) for name in names)
        return one if len(one) == 2 else one[0]

    def _pair(self, start: int, stop: int) -> Any:
        arrays = [
            self.header.fields[name].encoding.decode(self.read(name, start, stop))
            for name in ("x", "y")
            if name in self.tables
        ]
        return tuple(arrays) if len(arrays) == 2 else arrays[0]

    def batches(self, batch_size: int = 32, **options: Any) -> Iterator[tuple[npt.NDArray[Any], ...]]:
        """Yield the batches of one epoch as NumPy arrays; see `seekless.batches` for the options.

        Args:
            batch_size: Samples in a batch.
            **options: As for `seekless.batches`.

        Yields:
            (x, y), or (x,) for a store without targets.
        """
        import seekless  # the loader is handed on by the face; this room does not know it

        yield from seekless.batches(self, batch_size, **options)


def open(path: str | PathLike[str]) -> Store:
    """Open a store.

    Args:
        path: An `.h5` file or an `.npy.d` folder that `convert` wrote.

    Returns:
        The open store.

    Raises:
        StoreNotFoundError: There is nothing at the path.
        StoreFormatError: What is there is no store, or is damaged.
    """
    path = Path(path)
    try:
        header, tables = read(path)
    except FileNotFoundError:
        raise StoreNotFoundError(
            f"{path}: found no such file, expected a store; `convert csv-to-h5` makes data.h5 from a folder data"
        ) from None
    return Store(path, header, tables)

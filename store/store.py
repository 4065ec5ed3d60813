"""An open store: what it holds, its parts, and its samples by number."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from seekless.errors import OptionError, StoreNotFoundError
from seekless.store.blocks import BlockReader, BlockTable
from seekless.store.front import sizes_of
from seekless.store.held import HeldBlocks
from seekless.store.inputs import as_x, input_name
from seekless.store.kinds import read_store as read
from seekless.store.npy import DESCRIPTION
from seekless.store.portions import Ranges
from seekless.store.schema import Header, boundaries
from seekless.store.splits import Split, ranges_of
from seekless.urls import is_remote, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Store", "open"]


class Store:
    """A packed store, open for reading. Holds paths and tables, never an open file: it pickles and survives fork.

    Use `seekless.open(path)`.

    Attributes:
        path: Where the store is; a `upath.UPath` where it is reached by URL.
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
        header, tables = self.header, [self.tables[name] for name in self.header.inputs]
        count = sum(map(len, tables))
        blocks = f"{count:,} block{'' if count == 1 else 's'}" + (
            f" in {len(self.shards):,} shards" if self.shards else ""
        )
        several = "x" not in self.tables
        facts = [
            f"{len(self):,} samples of " + (f"{len(tables)} inputs" if several else _form(tables[0])),
            *(f"{input_name(table.field.name)} of {_form(table)} {_packing(table)}" for table in tables if several),
            *(["values rounded"] if header.options.get("lossy") else []),
            *([] if several else [_packing(tables[0])]),
            blocks,
            *(["weights of samples"] if "sample_weight" in self.tables else []),
            *([f"{header.class_count:,} classes"] if header.class_count else []),
            (f"shuffled with seed {header.seed}" if header.shuffled else "in the source's order")
            + (f" within {len(header.portions):,} portions" if header.portions else ""),
        ]
        return f"Store({str(self.path)!r}: {', '.join(facts)})"

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the store's fields."""
        return tuple(self.header.fields)

    @property
    def shape(self) -> Any:
        """The shape of x: (N, *sample_shape); of several inputs a dictionary of them by name."""
        fields = self.header.fields
        return as_x({name: (len(self), *fields[name].sample_shape) for name in self.header.inputs})

    @property
    def dtype(self) -> Any:
        """The dtype of x as the source had it; of several inputs a dictionary of them by name."""
        return as_x({name: self.header.fields[name].encoding.logical_dtype for name in self.header.inputs})

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes 0, 1, ...; None where targets were numbers from the start."""
        return self.header.class_names

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the store: one, a file and its shards, or those of a folder."""
        paths = [path for table in self.tables.values() for path in table.paths]
        return tuple(
            sorted([self.path / DESCRIPTION, *paths]) if self._is_folder else dict.fromkeys([self.path, *paths])
        )

    @property
    def shards(self) -> tuple[Path, ...]:
        """The files that hold the samples of a store that is spread over several; none of one file or folder."""
        paths = self.tables[self.header.inputs[0]].paths
        return () if self._is_folder else tuple(path for path in paths if path != self.path)

    @property
    def _is_folder(self) -> bool:
        return self.tables[self.header.inputs[0]].paths[0].parent == self.path

    @property
    def nbytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(sizes_of(self.files))

    @property
    def keys(self) -> list[str]:
        """The key of each sample: the path of the file it came from, relative to the source."""
        return [key.decode() for key in self.read("key", 0, len(self))]

    def split(self, *fractions: float) -> tuple[tuple[float, float], ...]:
        """Cut the store into consecutive parts; one that has grown, each of its portions.

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
        """Return the samples of a part as (start, stop), where they lie behind each other.

        Args:
            split: As for `ranges`.

        Raises:
            OptionError: The store records no parts, the split is neither, or the part lies in several places, as in a
                store that has grown.
        """
        ranges = self.ranges(split)
        if len(ranges) > 1:
            raise OptionError(
                f"split={split!r}: found {len(ranges)} ranges of samples in {self.path}, which has grown, expected "
                "one; ask for store.ranges(split)"
            )
        return ranges[0]

    def ranges(self, split: Split = None) -> Ranges:
        """Return the samples of a part as ascending (start, stop) pairs; never a part of a group, where there are some.

        Args:
            split: "train" or "test" as the conversion recorded them, a pair of fractions such as (0.0, 0.9), ascending
                (start, stop) pairs such as ((0, 90), (100, 190)) as they are, or None for the whole store. Of a store
                that has grown, fractions are those of each portion: its own n samples are cut at round(n * fraction).

        Returns:
            One pair, or several apart from each other for a store that has grown; one empty pair for an empty part.

        Raises:
            OptionError: The store records no parts, or the split is neither.
        """
        return ranges_of(self.header, split, self.path)

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

        A store without targets gives x alone. x of several inputs is a dictionary of arrays by name.

        With `len` this is a random-access source, for Grain or for a map-style DataLoader of PyTorch: threads may share
        it, and it pickles. Blocks of single samples are held decoded, up to 64 MiB in each process, so that neighbours
        are read once; an order that jumps about in a larger store reads a whole block for each sample, which `batches`
        and the Sequence do not.
        """
        if which == "x":
            return self._x(0, len(self))
        if isinstance(which, str):
            return self._values(which, 0, len(self))
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step != 1:
                raise OptionError(f"store[{which}]: found step {step}, expected 1; read the slice and thin it out")
            return self._pair(start, max(start, stop))
        index = operator.index(which)
        if not -len(self) <= index < len(self):
            raise IndexError(f"found sample {index}, expected 0 to {len(self) - 1}")
        row = index % len(self)
        x = as_x({name: self._held.sample(name, row) for name in self.header.inputs})
        return (x, self._held.sample("y", row)) if "y" in self.tables else x

    def _pair(self, start: int, stop: int) -> Any:
        x = self._x(start, stop)
        return (x, self._values("y", start, stop)) if "y" in self.tables else x

    def _x(self, start: int, stop: int) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
        return as_x({name: self._values(name, start, stop) for name in self.header.inputs})

    def _values(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        return self.reader(name).table.field.encoding.decode(self.read(name, start, stop))

    def batches(self, batch_size: int = 32, **options: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the batches of one epoch as NumPy arrays; see `seekless.batches` for the options.

        Args:
            batch_size: Samples in a batch.
            **options: As for `seekless.batches`.

        Yields:
            (x, y), or (x,) for a store without targets; (x, y, sample_weight) for one that holds weights. x of several
            inputs is a dictionary of arrays by name.
        """
        import seekless  # the loader is handed on by the face; this room does not know it

        yield from seekless.batches(self, batch_size, **options)


def _form(table: BlockTable) -> str:
    field = table.field
    return f"shape {field.sample_shape} {field.encoding.logical_dtype.name} stored as {field.encoding}"


def _packing(table: BlockTable) -> str:
    codec = table.field.codec
    return "not compressed" if codec == "none" else f"{codec} {table.ratio:.2f} times smaller"


def open(path: str | PathLike[str]) -> Store:
    """Open a store.

    Args:
        path: An `.h5` file or an `.npy.d` folder that `convert` wrote; or a URL of it, such as s3://bucket/data.h5, or
            a `upath.UPath`.

    Returns:
        The open store.

    Raises:
        StoreNotFoundError: There is nothing at the path.
        StoreFormatError: What is there is no store, or is damaged.
        StoreError: It is reached by URL, and cannot be.
        OptionError: It is reached by URL, and a package that is needed for that is not installed.
    """
    where = place_of(path)
    where = where if where.name else where.parent  # of a URL that ends in /
    try:
        header, tables = read(where)
    except FileNotFoundError:
        if is_remote(where):
            raise
        raise StoreNotFoundError(
            f"{where}: found no such file, expected a store; `convert csv-to-h5` makes data.h5 from a folder data"
        ) from None
    return Store(where, header, tables)

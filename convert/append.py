"""Add samples to a store: files that are new since the last conversion become a portion of it, in shards of their own.

    data.h5                one file              ->  an index of data-shards/ID-00000.h5, a hard link of that file, and
                                                     of the new shards
    data.h5, data-shards/  an index and shards   ->  an index of the same shards and the new ones

Nothing of what is there is written again: the rename of the new index is the moment.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seekless.convert.census import Fixed
from seekless.convert.fresh import new_bad, new_samples
from seekless.convert.groups import groups_of
from seekless.convert.inherit import inherited
from seekless.convert.layout import label_field
from seekless.convert.options import Options
from seekless.convert.space import check_space
from seekless.errors import OptionError, SourceError, StoreError
from seekless.source.open import SourceOptions
from seekless.source.samples import BadSample, Source
from seekless.source.targets import Targets
from seekless.store.encoding import Encoding
from seekless.store.portions import grown
from seekless.store.schema import Header, Shard, boundaries, nearest, sample_block_length
from seekless.store.shards import listing_of, shard_id, shard_of, shards_folder
from seekless.store.store import open as open_store

__all__ = ["Base", "check_append", "open_base"]

FIELDS = {"x", "y", "key"}


def check_append(path: Path) -> None:
    """Refuse a store that cannot grow, by its name.

    Args:
        path: The store.

    Raises:
        OptionError: It is a folder of `.npy` files.
    """
    if path.suffix != ".h5":
        raise OptionError(
            f"--append: found the store {path.name}, expected one that ends in .h5: arrays in .npy files would have to "
            "be written again; convert the new files to a store of their own and join the two by `convert merge`"
        )


@dataclass(frozen=True)
class Base:
    """A store that is to grow.

    Attributes:
        path: The store.
        header: What it says of itself.
        shards: Its shards as they will be listed, for one of a single file the link to be made of it.
        alone: Whether it is a single file.
        keys: |S, (N,): the keys of its samples.
        checksum: Tells it from every other content.
    """

    path: Path
    header: Header
    shards: tuple[Shard, ...]
    alone: bool
    keys: npt.NDArray[np.bytes_]
    checksum: str

    def __str__(self) -> str:
        return f"a store of {self.header.length:,} samples (checksum {self.checksum})"

    @property
    def fixed(self) -> Fixed:
        """What new samples must be."""
        x = self.header.fields["x"]
        return Fixed((x.sample_shape, x.encoding.logical_dtype.str), x.encoding, self.path.name)

    def options(self, how: Mapping[str, Any], what: Mapping[str, Any]) -> tuple[Options, SourceOptions]:
        """Return the options for new samples; see `seekless.convert.inherit`."""
        return inherited(self.header, self.path, how, what)

    def new_of(self, source: Source, bad: Sequence[BadSample], how: Options) -> tuple[Source, list[BadSample]]:
        """Return those samples of a source that the store does not hold, and what is bad about them.

        Args:
            source: All that there is now.
            bad: Found when it was opened.
            how: How to convert.

        Raises:
            SourceError: Training would divide them by something else, or some are of groups that the store has.
        """
        self._check_scale(source)
        new = new_samples(source, self.keys)
        if how.group_by is not None and len(new):
            self._check_groups(new.keys, how.group_by)
        return new, new_bad(bad, self.keys)

    def _check_scale(self, source: Source) -> None:
        x = self.header.fields["x"]
        found = source.scale_for(x.encoding.logical_dtype)
        if found != x.scale:
            raise SourceError(
                f"--scale: found {found} for {source.root}, expected {x.scale} as of {self.path}; give that, or "
                "convert to a store of its own"
            )

    def _check_groups(self, keys: Sequence[str], pattern: str) -> None:
        """Refuse new samples of groups that the store has samples of: they might lie on both sides of a split."""
        held = [key.decode() for key in self.keys.tolist()]
        both = sorted(set(groups_of(keys, pattern)) & set(groups_of(held, pattern)))
        if both:
            more = f" and {len(both) - 1:,} more" if len(both) > 1 else ""
            raise SourceError(
                f"--group-by {pattern}: found new samples of the group {both[0]}{more}, of which {self.path} has some "
                "already, expected new groups alone, as a split would cut through old ones; convert all files again"
            )

    def lay_out(
        self,
        keys: Sequence[str],
        targets: Targets | None,
        order: npt.NDArray[np.int64],
        groups: tuple[int, ...],
        encoding: Encoding,
        how: Options,
    ) -> tuple[Header, dict[str, npt.NDArray[Any]]]:
        """Lay out the new portion as a store by itself, targets and keys in its order.

        Args:
            keys: The key of each new sample.
            targets: The target of each, by the store's classes and perhaps more.
            order: int64, (n,): which of them is the first, the second, ...
            groups: The ends of its parts of whole groups; () for none.
            encoding: How samples are stored: as those of the store.
            how: How to convert.

        Returns:
            Its header, and the values of y and key.

        Raises:
            SourceError: The store's dtype for y does not hold the targets, or they are of another kind.
        """
        length, base = len(order), self.header
        values: dict[str, npt.NDArray[Any]] = {}
        count, names = base.class_count, base.class_names
        if targets is not None:
            chosen, count, names = _used_classes(replace(targets, values=targets.values[order]), base)
            values["y"] = self._as_stored(chosen, targets.kind)
        encoded = np.array([keys[index].encode() for index in order.tolist()])
        values["key"] = encoded.astype(np.dtype(f"S{max(encoded.itemsize, self.keys.itemsize)}"))
        ends: tuple[int, ...] = ()
        if how.test_fraction is not None:
            ends = boundaries(length, (1 - how.test_fraction, how.test_fraction))
            ends = tuple(nearest(end, groups) for end in ends)
        x = base.fields["x"]
        rule = sample_block_length(x.sample_bytes, base.length + length)
        if how.block_bytes is not None:
            rule = max(1, how.block_bytes // max(1, x.sample_bytes))
        options = {**base.options, **({"on_error": "skip"} if how.on_error == "skip" else {})}
        header = replace(
            base,
            length=length,
            fields={
                "x": replace(x, encoding=encoding, block_length=min(rule, length)),
                **{name: label_field(name, array) for name, array in values.items()},
            },
            boundaries=ends,
            parts=groups,
            portions=(),
            class_count=count,
            class_names=names,
            options=options,
        )
        return header, values

    def _as_stored(self, values: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
        field = self.header.fields["y"]
        stored = values.astype(field.dtype)
        if kind != self.header.target_kind or values.shape[1:] != field.sample_shape:
            raise SourceError(
                f"{self.path.name}: found new targets of kind {kind} and shape {values.shape[1:]}, expected "
                f"{self.header.target_kind} and {field.sample_shape} as in the store; convert the new files to a store "
                "of their own"
            )
        wrong = np.flatnonzero((stored.astype(values.dtype) != values).reshape(len(values), -1).any(axis=1))
        if len(wrong):
            raise SourceError(
                f"{self.path.name}: found the target {values[wrong[0]]}, expected targets that {field.dtype.name} "
                "holds, as which the store has y; convert the new files to a store of their own, and join the two by "
                "`convert merge`"
            )
        return stored

    def link(self, folder: Path) -> None:
        """Make a single file a shard: by a hard link, or by a copy where the file system has none.

        Args:
            folder: Where shards lie until they are moved to their place.

        Raises:
            ConvertError: The disk lacks the space for a copy.
        """
        if not self.alone:
            return
        place = folder / Path(self.shards[0].name).name
        try:
            os.link(self.path, place)
        except OSError:
            check_space(folder, self.shards[0].size, f"a copy of {self.path.name}, of which this disk makes no link")
            shutil.copyfile(self.path, place)
            with open(place, "rb+") as file:
                os.fsync(file.fileno())

    def unlink(self, folder: Path) -> None:
        """Remove what `link` made in a run that was stopped."""
        if self.alone:
            (folder / Path(self.shards[0].name).name).unlink(missing_ok=True)

    def joined(self, header: Header, shards: Sequence[Shard]) -> tuple[Header, list[Shard]]:
        """Return what the store says of itself with a new portion, and all its shards.

        Args:
            header: Of the portion.
            shards: Of the portion.
        """
        return replace(grown(self.header, header), options=header.options), [*self.shards, *shards]


def open_base(path: Path) -> Base:
    """Open a store that is to grow.

    Args:
        path: The store, an `.h5` file.

    Raises:
        StoreFormatError: It is no store, or is damaged.
        StoreError: It has no keys, or other fields than files give.
    """
    store = open_store(path)
    if "key" not in store.header.fields or not set(store.header.fields) <= FIELDS:
        raise StoreError(
            f"{path}: found the fields {', '.join(store.header.fields)}, expected x, key and perhaps y, as a store of "
            "files has them; convert to a store of its own"
        )
    rest, listed = listing_of(path)
    if listed:
        shards = listed
    else:
        alone = shard_of(path, path.name)
        shards = (replace(alone, name=f"{shards_folder(path)}/{shard_id([alone])}-00000.h5"),)
    keys = store.read("key", 0, len(store))
    return Base(path, store.header, shards, not listed, keys, f"{rest:08x}")


def _used_classes(targets: Targets, base: Header) -> tuple[npt.NDArray[Any], int, tuple[str, ...] | None]:
    """Return the targets, how many classes there are and their names, without new classes that no new sample has."""
    if targets.kind != "class":
        return targets.values, targets.class_count, targets.class_names
    values = np.asarray(targets.values, np.int64)
    new = np.unique(values[values >= base.class_count])
    if targets.class_names is None:
        return values, max([base.class_count, *(int(number) + 1 for number in new)]), None
    numbers = np.arange(targets.class_count)
    numbers[new] = base.class_count + np.arange(len(new))
    names = (*(base.class_names or ()), *(targets.class_names[number] for number in new.tolist()))
    return numbers[values], len(names), names

"""The last step of a conversion: blocks in their order, compressed, to one file or to shards and their index."""

import itertools
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from seekless.convert.commit import INDEX, remove
from seekless.convert.gather import Block, Part, blocks_of
from seekless.convert.journal import Journal
from seekless.convert.options import Options
from seekless.convert.passing import Passing, blocks_aside, set_aside
from seekless.convert.trial import check_room, coded, try_codecs
from seekless.errors import ConvertError, OptionError
from seekless.progress import Pass
from seekless.store.kinds import HDF5_SUFFIX, create, suffix_of
from seekless.store.links import leads_out
from seekless.store.schema import Field, Header, Shard
from seekless.store.shards import shard_edges, shard_header, shard_id, shard_of, shards_folder
from seekless.store.shards_writer import write_index
from seekless.store.writer import PutBlock, Stored

__all__ = ["Elsewhere", "Written", "blocks_written", "check_kind", "write"]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        header: What the store holds; its inputs have the codecs that were chosen.
        why: Of each input, why that codec, if it was not asked for by name.
        shards: Files that hold the samples of a store that is spread over several; else 0.
    """

    header: Header
    why: Mapping[str, str]
    shards: int


class Elsewhere(Protocol):
    """Makes blocks of x, or whole shards, in other processes; see `seekless.convert.dask_write`."""

    def blocks(self, field: Field, first: int, bar: Pass) -> Generator[Stored, None, None]:
        """Yield the blocks of a field as they are stored, from one on."""
        ...

    def shards(
        self, passing: Passing, parts: Sequence[Header], values: Mapping[str, npt.NDArray[Any]], bar: Pass
    ) -> None:
        """Make those shards that are not complete."""
        ...


def check_kind(path: Path, how: Options) -> None:
    """Refuse what a store of this name cannot have, before anything is read.

    Args:
        path: What the store will be called.
        how: How to convert.

    Raises:
        OptionError: The kind of store cannot be compressed or spread over shards, or shards cannot be named so.
        ConvertError: The place of the shards is taken, or leads elsewhere.
    """
    if suffix_of(path) != HDF5_SUFFIX:
        if how.compression not in ("auto", "none"):
            raise OptionError(
                f"--compression: found {how.compression} for {path.name}, expected none: .npy files hold plain arrays; "
                "name a store that ends in .h5"
            )
        if how.shard_bytes is not None:
            raise OptionError(f"--shard-bytes: found the store {path.name}, expected one that ends in .h5")
    if how.shard_bytes is None:
        return
    folder = path.with_name(shards_folder(path))
    if leads_out(folder.name) or not folder.name.isprintable():
        raise OptionError(
            f"--shard-bytes: found a store named {path.name!r}, expected a name of letters that every system takes"
        )
    if os.path.lexists(folder) and not (folder.is_dir() and folder.resolve().is_relative_to(path.parent.resolve())):
        what = "a link to another place" if folder.is_dir() else "something that is no folder"
        raise ConvertError(
            f"{folder}: found {what}, expected a folder for the shards of {path.name}, or nothing; rename it"
        )


def blocks_written(passing: Passing, header: Header, how: Options) -> int:
    """Return how many blocks of x need not be made again: those of whole files, and of the one begun last.

    Args:
        passing: What a stopped run has done.
        header: What the store holds.
        how: How to convert.
    """
    count = 0
    for number, own in enumerate(_parts(header, how)):
        if not passing.file(number).complete:
            return count + len(passing.standing(number))
        count += own.fields[own.inputs[0]].blocks(own.length)
    return count


def write(
    passing: Passing,
    header: Header,
    rows: Mapping[str, Iterator[Part]],
    values: Mapping[str, npt.NDArray[Any]],
    how: Options,
    threads: int,
    elsewhere: Elsewhere | None = None,
) -> Written:
    """Write a store under a passing name.

    Args:
        passing: Where, and what is there already.
        header: What the store holds; its inputs may have the codec "auto".
        rows: The samples of each input in order, as `gather` yields them; without those of
            the blocks that `blocks_written` counts. Where blocks are made elsewhere, those of the first ones.
        values: The values of the other fields, (N, ...).
        how: How to convert.
        threads: Threads that compress; 0 to do it in this one.
        elsewhere: What makes blocks of x in other processes; None to make them here.

    Raises:
        ConvertError: The disk lacks the space.
        ResumeError: What a stopped run has written is damaged.
    """
    blocks: dict[str, Iterator[Block]] = {name: blocks_of(header.fields[name], rows[name]) for name in header.inputs}
    if passing.past is not None and passing.past.codec is not None:  # of x alone: no other store is gone on with
        codec, why = passing.past.codec
        whys, header = {"x": why}, coded(header, {"x": replace(header.fields["x"], codec=codec)})
    else:
        trials = try_codecs(passing.path, header, blocks, threads)
        blocks = {name: trial.blocks for name, trial in trials.items()}
        whys = {name: trial.why for name, trial in trials.items()}
        header = coded(header, {name: trial.field for name, trial in trials.items()})
        check_room(passing.partial.parent, header, {name: trial.ratio for name, trial in trials.items()})
        if "x" in trials:
            passing.journal.write("codec", [trials["x"].field.codec, whys["x"]])
    done = blocks_written(passing, header, how)
    kept = min(header.length, done * header.block_length)
    files = _Files(passing, header, values, how)
    with Pass("writing", header.length, how.progress, kept=kept) as bar:
        if elsewhere is not None:
            return Written(header, whys, files.made_elsewhere(elsewhere, done, bar))
        # Samples are counted by the largest input, which takes the most time.
        largest = max(blocks, key=lambda name: header.fields[name].sample_bytes)
        counted = {
            name: _counted(part, header.fields[name], header.length - kept, bar, samples=name == largest)
            for name, part in blocks.items()
        }
        return Written(header, whys, files.made_here(counted, threads))


def _counted(blocks: Iterable[Block], field: Field, length: int, bar: Pass, *, samples: bool) -> Iterator[Block]:
    for number, block in enumerate(blocks):
        count = min(field.block_length, length - number * field.block_length)
        bar.add(count if samples else 0, count * field.sample_bytes)
        yield block


def _parts(header: Header, how: Options) -> list[Header]:
    """Return what each file of the store holds: the whole, or a shard."""
    edges = [0, header.length] if how.shard_bytes is None else shard_edges(header, how.shard_bytes)
    if len(edges) == 2:
        return [header]
    return [shard_header(header, stop - start) for start, stop in itertools.pairwise(edges)]


class _Files:
    """The files of a store that is being written: one, or shards and their index.

    Args:
        passing: Where, and what is there already.
        header: What the store holds.
        values: The values of all fields but the inputs, (N, ...).
        how: How to convert.
    """

    def __init__(self, passing: Passing, header: Header, values: Mapping[str, npt.NDArray[Any]], how: Options) -> None:
        self._passing = passing
        self._header = header
        self._values = values
        self._parts = _parts(header, how)
        self._is_one = len(self._parts) == 1 and passing.base is None

    def made_here(self, blocks: Mapping[str, Iterator[Block]], threads: int) -> int:
        """Write blocks of the inputs, and the other fields; return how many shards there are."""
        passing = self._passing
        if self._is_one:
            self._write(0, passing.partial, self._header, blocks, self._values, threads=threads)
            return 0
        self._begin_shards()
        passing.forget_later()
        start, shards = 0, []
        for number, own in enumerate(self._parts):
            file = self._shard(number)
            if not passing.file(number).complete:
                wanted = own.fields[own.inputs[0]].blocks(own.length) - len(passing.standing(number))
                own_blocks = {name: itertools.islice(part, wanted) for name, part in blocks.items()}
                own_values = {name: array[start : start + own.length] for name, array in self._values.items()}
                self._write(number, file, own, own_blocks, own_values, threads=threads)
            shards.append(shard_of(file, file.name))
            start += own.length
        self._write_index(shards)
        return len(shards)

    def made_elsewhere(self, elsewhere: Elsewhere, done: int, bar: Pass) -> int:
        """Have blocks, or whole shards, made by others; return how many shards there are."""
        passing, header, parts = self._passing, self._header, self._parts
        if self._is_one:
            with closing(elsewhere.blocks(header.fields["x"], done, bar)) as stored:
                self._write(0, passing.partial, header, {}, self._values, stored)
            return 0
        self._begin_shards()
        whole = sum(part.length for number, part in enumerate(parts) if passing.file(number).complete)
        bar.add(whole - min(header.length, done * header.block_length))  # a shard that was begun is made anew
        elsewhere.shards(passing, parts, self._values, bar)
        files = [self._shard(number) for number in range(len(parts))]
        self._write_index([shard_of(file, file.name) for file in files])
        return len(files)

    def _shard(self, number: int) -> Path:
        return self._passing.partial / f"{number:05d}{HDF5_SUFFIX}"

    def _begin_shards(self) -> None:
        passing = self._passing
        passing.partial.mkdir(exist_ok=True)
        if passing.base is not None:
            passing.base.unlink(passing.partial)
        for file in passing.partial.glob(f"*-?????{HDF5_SUFFIX}"):  # stopped while the index was made
            file.rename(file.with_name(file.name.rpartition("-")[2]))

    def _write_index(self, shards: list[Shard]) -> None:
        """Give shards their names, and write the index over them."""
        # Shards of another content have other names, so that those of a store that is replaced stay until it is.
        passing, header, identity = self._passing, self._header, shard_id(shards)
        named = []
        for shard in shards:
            name = f"{identity}-{shard.name}"
            (passing.partial / shard.name).rename(passing.partial / name)
            named.append(replace(shard, name=f"{shards_folder(passing.path)}/{name}"))
        if passing.base is not None:
            passing.base.link(passing.partial)
            header, named = passing.base.joined(header, named)
        write_index(passing.partial / INDEX, header, named)

    def _write(
        self,
        number: int,
        file: Path,
        header: Header,
        blocks: Mapping[str, Iterable[Block]],
        values: Mapping[str, npt.NDArray[Any]],
        stored_blocks: Iterable[Stored] = (),
        threads: int = 0,
    ) -> None:
        passing = self._passing
        older = set_aside(passing, number, file)
        with create(suffix_of(passing.path), file, header, threads) as writer:
            writer.on_put = lambda name, put: _note(passing.journal, number, name, put)
            for stored in blocks_aside(passing, older):
                writer.append_stored("x", stored)
            # In this order: a folder without these blocks counts for nothing.
            remove(passing.older_blocks, passing.older)
            for stored in stored_blocks:
                writer.append_stored("x", stored)
            for name, part in blocks.items():
                for block in part:
                    writer.append(name, block)
            for name, array in values.items():
                for block in blocks_of(header.fields[name], [array]):
                    writer.append(name, block)
        passing.journal.write("complete", number)


def _note(journal: Journal, number: int, name: str, put: PutBlock) -> None:
    if name == "x":
        journal.write("block", [number, put.block, put.offset, put.nbytes, put.crc, put.coded])

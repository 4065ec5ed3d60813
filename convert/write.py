"""The last step of a conversion: blocks in their order, compressed, to one file or to shards and their index."""

import itertools
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from seekless.convert.commit import INDEX, remove
from seekless.convert.gather import Block, Part, blocks_of, filled
from seekless.convert.journal import Journal
from seekless.convert.options import Options
from seekless.convert.passing import Passing, blocks_aside, set_aside
from seekless.convert.space import check_space
from seekless.errors import ConvertError, OptionError
from seekless.progress import Pass
from seekless.store.codec_choice import choose_codec
from seekless.store.codecs import Buffer
from seekless.store.kinds import HDF5_SUFFIX, create, suffix_of
from seekless.store.links import leads_out
from seekless.store.schema import Field, Header, Shard
from seekless.store.shards import shard_edges, shard_header, shard_id, shard_of, shards_folder
from seekless.store.shards_writer import write_index
from seekless.store.writer import PutBlock, Stored, compressed

__all__ = ["Elsewhere", "Written", "blocks_written", "check_kind", "write"]

# Blocks that a codec is tried on, from the first: of a shuffled store as good a choice as any. Fewer if they are large.
TRIED_BLOCKS = 8
TRIED_BYTES = 64 << 20


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
        whys, header = {"x": why}, _coded(header, {"x": replace(header.fields["x"], codec=codec)})
    else:
        plain = suffix_of(passing.path) != HDF5_SUFFIX
        firsts = {name: _first(header.fields[name], blocks[name], len(blocks)) for name in blocks}
        chosen = {n: _with_codec(header.fields[n], first, threads, plain=plain) for n, first in firsts.items()}
        whys, header = (
            {n: why for n, (_, why, _) in chosen.items()},
            _coded(header, {n: c[0] for n, c in chosen.items()}),
        )
        _check_room(passing.partial, header, {name: ratio for name, (_, _, ratio) in chosen.items()})
        if "x" in chosen:
            passing.journal.write("codec", [chosen["x"][0].codec, whys["x"]])
        blocks = {name: itertools.chain(_taken(firsts[name]), blocks[name]) for name in blocks}
    done = blocks_written(passing, header, how)
    kept = min(header.length, done * header.block_length)
    with Pass("writing", header.length, how.progress, kept=kept) as bar:
        if elsewhere is not None:
            return Written(header, whys, _write_elsewhere(elsewhere, passing, header, done, values, how, bar))
        # Samples are counted by the largest input, which takes the most time.
        largest = max(blocks, key=lambda name: header.fields[name].sample_bytes)
        counted = {
            name: _counted(part, header.fields[name], header.length - kept, bar, samples=name == largest)
            for name, part in blocks.items()
        }
        shards = _write_files(passing, header, counted, values, how, threads)
    return Written(header, whys, shards)


def _coded(header: Header, fields: Mapping[str, Field]) -> Header:
    return replace(header, fields={**header.fields, **fields})


def _first(field: Field, blocks: Iterator[Block], inputs: int) -> list[Buffer]:
    """Take the blocks that a codec is tried on; of several inputs they are in memory together."""
    tried = max(1, min(TRIED_BLOCKS, TRIED_BYTES // inputs // max(1, field.block_bytes)))
    return [filled(field, block) for block in itertools.islice(blocks, tried)]


def _with_codec(field: Field, first: list[Buffer], threads: int, *, plain: bool) -> tuple[Field, str, float]:
    """Return an input with the codec that its first blocks speak for, why, and how many times smaller it makes them."""
    if field.codec == "auto" and plain:
        return replace(field, codec="none"), ".npy files hold plain arrays", 1.0
    if field.codec == "auto":
        with ThreadPoolExecutor(threads) if threads else nullcontext() as pool:
            choice = choose_codec(first, field.item_bytes, pool)
        return replace(field, codec=choice.codec), str(choice), choice.ratio
    if field.codec == "none":
        return field, "", 1.0
    stored = sum(len(compressed(field, block)[0]) for block in first)
    return field, "", sum(map(len, first)) / max(1, stored)


def _check_room(partial: Path, header: Header, ratios: Mapping[str, float]) -> None:
    """Refuse a disk without space for the store, as far as its first blocks tell how small it becomes."""
    whole = {name: field.blocks(header.length) * field.block_bytes for name, field in header.fields.items()}
    wanted = sum(round(size / ratios.get(name, 1.0)) for name, size in whole.items())
    check_space(partial.parent, wanted, "the store")


def _taken(blocks: list[Buffer]) -> Iterator[Buffer]:
    """Yield blocks, and keep none of those that were."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()


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


def _write_elsewhere(
    elsewhere: Elsewhere,
    passing: Passing,
    header: Header,
    done: int,
    values: Mapping[str, npt.NDArray[Any]],
    how: Options,
    bar: Pass,
) -> int:
    parts = _parts(header, how)
    if len(parts) == 1 and passing.base is None:
        stored = elsewhere.blocks(header.fields["x"], done, bar)
        with closing(stored):
            _write_file(passing, 0, passing.partial, header, {}, values, 0, stored)
        return 0
    _begin_shards(passing)
    whole = sum(part.length for number, part in enumerate(parts) if passing.file(number).complete)
    bar.add(whole - min(header.length, done * header.block_length))  # a shard that was begun is made anew
    elsewhere.shards(passing, parts, values, bar)
    files = [passing.partial / f"{number:05d}{HDF5_SUFFIX}" for number in range(len(parts))]
    _write_index(passing, header, [shard_of(file, file.name) for file in files])
    return len(files)


def _begin_shards(passing: Passing) -> None:
    passing.partial.mkdir(exist_ok=True)
    if passing.base is not None:
        passing.base.unlink(passing.partial)
    for file in passing.partial.glob(f"*-?????{HDF5_SUFFIX}"):  # stopped while the index was made
        file.rename(file.with_name(file.name.rpartition("-")[2]))


def _write_files(
    passing: Passing,
    header: Header,
    blocks: Mapping[str, Iterator[Block]],
    values: Mapping[str, npt.NDArray[Any]],
    how: Options,
    threads: int,
) -> int:
    parts = _parts(header, how)
    if len(parts) == 1 and passing.base is None:
        _write_file(passing, 0, passing.partial, header, blocks, values, threads)
        return 0
    _begin_shards(passing)
    passing.forget_later()
    start, shards = 0, []
    for number, own in enumerate(parts):
        file = passing.partial / f"{number:05d}{HDF5_SUFFIX}"
        if not passing.file(number).complete:
            wanted = own.fields[own.inputs[0]].blocks(own.length) - len(passing.standing(number))
            own_blocks = {name: itertools.islice(part, wanted) for name, part in blocks.items()}
            own_values = {name: array[start : start + own.length] for name, array in values.items()}
            _write_file(passing, number, file, own, own_blocks, own_values, threads)
        shards.append(shard_of(file, file.name))
        start += own.length
    _write_index(passing, header, shards)
    return len(shards)


def _write_index(passing: Passing, header: Header, shards: list[Shard]) -> None:
    """Give shards their names, and write the index over them."""
    # Shards of another content have other names, so that those of a store that is replaced stay until it is.
    identity = shard_id(shards)
    named = []
    for shard in shards:
        name = f"{identity}-{shard.name}"
        (passing.partial / shard.name).rename(passing.partial / name)
        named.append(replace(shard, name=f"{shards_folder(passing.path)}/{name}"))
    if passing.base is not None:
        passing.base.link(passing.partial)
        header, named = passing.base.joined(header, named)
    write_index(passing.partial / INDEX, header, named)


def _write_file(
    passing: Passing,
    number: int,
    file: Path,
    header: Header,
    blocks: Mapping[str, Iterable[Block]],
    values: Mapping[str, npt.NDArray[Any]],
    threads: int,
    stored_blocks: Iterable[Stored] = (),
) -> None:
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

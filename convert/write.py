"""The last step of a conversion: blocks in their order, compressed, to one file or to shards and their index."""

import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from tqdm import tqdm

from seekless.convert.commit import INDEX
from seekless.convert.gather import blocks_of
from seekless.convert.options import Options
from seekless.errors import ConvertError, OptionError
from seekless.store.codec_choice import choose_codec
from seekless.store.codecs import Buffer
from seekless.store.kinds import HDF5_SUFFIX, create, suffix_of
from seekless.store.schema import Field, Header
from seekless.store.shards import shard_edges, shard_header, shard_id, shard_of, shards_folder
from seekless.store.shards_writer import write_index
from seekless.store.writer import compressed

__all__ = ["Written", "write"]

# Blocks that a codec is tried on, from the first: of a shuffled store as good a choice as any.
TRIED_BLOCKS = 8


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        header: What the store holds; its x has the codec that was chosen.
        why: Why that codec, if it was not asked for by name.
        shards: Files that hold the samples of a store that is spread over several; else 0.
    """

    header: Header
    why: str
    shards: int


def write(
    path: Path,
    partial: Path,
    header: Header,
    rows: Iterator[npt.NDArray[Any]],
    values: Mapping[str, npt.NDArray[Any]],
    how: Options,
    threads: int,
) -> Written:
    """Write a store under a passing name.

    Args:
        path: What it will be called.
        partial: The file or folder to make; of a store with shards, a folder that holds them and their index.
        header: What the store holds; x may have the codec "auto".
        rows: The samples of x in order, (n, *sample_shape) at a time, of the stored dtype.
        values: The values of the other fields, (N, ...).
        how: How to convert.
        threads: Threads that compress; 0 to do it in this one.

    Raises:
        OptionError: The kind of store cannot be compressed or spread over shards.
        ConvertError: The disk lacks the space.
    """
    if how.shard_bytes is not None and suffix_of(path) != HDF5_SUFFIX:
        raise OptionError(f"--shard-bytes: found the store {path.name}, expected one that ends in .h5")
    blocks = blocks_of(header.fields["x"], rows)
    first = [bytes(block) for block in itertools.islice(blocks, TRIED_BLOCKS)]
    field, why = _with_codec(header.fields["x"], first, plain=suffix_of(path) != HDF5_SUFFIX)
    header = replace(header, fields={**header.fields, "x": field})
    _check_room(partial, header, first)
    with tqdm(total=field.blocks(header.length), desc="writing", unit="block", disable=not how.progress) as bar:
        shards = _write_files(
            path, partial, header, _counted(itertools.chain(first, blocks), bar), values, how, threads
        )
    return Written(header, why, shards)


def _with_codec(field: Field, first: list[bytes], *, plain: bool) -> tuple[Field, str]:
    """Return x with the codec that its first blocks speak for, and why."""
    if field.codec != "auto":
        return field, ""
    if plain:
        return replace(field, codec="none"), ".npy files hold plain arrays"
    choice = choose_codec(first, field.item_bytes)
    return replace(field, codec=choice.codec), str(choice)


def _check_room(partial: Path, header: Header, first: list[bytes]) -> None:
    """Refuse a disk without space for the store, as far as its first blocks tell how small it becomes."""
    x = header.fields["x"]
    stored = sum(len(compressed(x, block)[0]) for block in first) if x.codec != "none" else sum(map(len, first))
    wanted = round(stored / len(first) * x.blocks(header.length))
    wanted += sum(field.blocks(header.length) * field.block_bytes for field in header.fields.values() if field != x)
    free = shutil.disk_usage(partial.parent).free
    if free < wanted:
        raise ConvertError(
            f"{partial.parent}: found {free / 1e6:,.0f} MB free, expected {wanted / 1e6:,.0f} MB for the store; free "
            "some, or write to another disk"
        )


def _counted(blocks: Iterable[Buffer], bar: Any) -> Iterator[Buffer]:
    for block in blocks:
        bar.update()
        yield block


def _write_files(
    path: Path,
    partial: Path,
    header: Header,
    blocks: Iterator[Buffer],
    values: Mapping[str, npt.NDArray[Any]],
    how: Options,
    threads: int,
) -> int:
    edges = [0, header.length] if how.shard_bytes is None else shard_edges(header, how.shard_bytes)
    if len(edges) == 2:
        _write_file(suffix_of(path), partial, header, blocks, values, threads)
        return 0
    partial.mkdir()
    shards = []
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        own = shard_header(header, stop - start)
        own_blocks = itertools.islice(blocks, own.fields["x"].blocks(own.length))
        file = partial / f"{number:05d}{HDF5_SUFFIX}"
        own_values = {name: array[start:stop] for name, array in values.items()}
        _write_file(HDF5_SUFFIX, file, own, own_blocks, own_values, threads)
        shards.append(shard_of(file, file.name))
    # Shards of another content have other names, so that those of a store that is replaced stay until it is.
    identity = shard_id(shards)
    for number, shard in enumerate(shards):
        name = f"{identity}-{shard.name}"
        (partial / shard.name).rename(partial / name)
        shards[number] = replace(shard, name=f"{shards_folder(path)}/{name}")
    write_index(partial / INDEX, header, shards)
    return len(shards)


def _write_file(
    suffix: str,
    path: Path,
    header: Header,
    blocks: Iterable[Buffer],
    values: Mapping[str, npt.NDArray[Any]],
    threads: int,
) -> None:
    with create(suffix, path, header, threads) as writer:
        for block in blocks:
            writer.append("x", block)
        for name, array in values.items():
            for block in blocks_of(header.fields[name], [array]):
                writer.append(name, block)

"""Which codec a store's inputs get, by their first blocks; and whether the disk has room for all of them."""

import itertools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from seekless.convert.gather import Block, filled
from seekless.convert.space import check_space
from seekless.store.codec_choice import choose_codec
from seekless.store.codecs import Buffer
from seekless.store.kinds import HDF5_SUFFIX, suffix_of
from seekless.store.schema import Field, Header
from seekless.store.writer import compressed

__all__ = ["Trial", "blocks_tried", "check_room", "coded", "try_codecs"]

# Blocks that a codec is tried on, from the first: of a shuffled store as good a choice as any. Fewer if they are large.
TRIED_BLOCKS = 8
TRIED_BYTES = 64 << 20


@dataclass(frozen=True)
class Trial:
    """What the first blocks of an input said.

    Attributes:
        field: The input, with its codec.
        why: Why that codec, if it was not asked for by name.
        ratio: How many times smaller it makes them.
        blocks: All of the input's blocks.
    """

    field: Field
    why: str
    ratio: float
    blocks: Iterator[Block]


def try_codecs(path: Path, header: Header, blocks: Mapping[str, Iterator[Block]], threads: int) -> dict[str, Trial]:
    """Choose the codecs of inputs.

    Args:
        path: What the store will be called.
        header: What it holds; inputs whose codec is "auto" get another.
        blocks: The blocks of each input; the first are taken.
        threads: Threads that compress; 0 to do it in this one.
    """
    plain = suffix_of(path) != HDF5_SUFFIX
    firsts = {n: _first(header.fields[n], own, len(blocks)) for n, own in blocks.items()}
    trials = {}
    for name, first in firsts.items():
        field, why, ratio = _with_codec(header.fields[name], first, threads, plain=plain)
        trials[name] = Trial(field, why, ratio, itertools.chain(_taken(first), blocks[name]))
    return trials


def coded(header: Header, fields: Mapping[str, Field]) -> Header:
    """Return what a store holds, with the codecs of some fields."""
    return replace(header, fields={**header.fields, **fields})


def blocks_tried(field: Field, inputs: int = 1) -> int:
    """Return how many blocks a codec is tried on; of several inputs they are in memory together."""
    return max(1, min(TRIED_BLOCKS, TRIED_BYTES // inputs // max(1, field.block_bytes)))


def check_room(folder: Path, header: Header, ratios: Mapping[str, float]) -> None:
    """Refuse a disk without space for a store, as far as its first blocks tell how small it becomes.

    Args:
        folder: Where it goes.
        header: What it holds.
        ratios: How many times smaller the codecs make some fields.

    Raises:
        ConvertError: The disk lacks the space.
    """
    whole = {name: field.blocks(header.length) * field.block_bytes for name, field in header.fields.items()}
    wanted = sum(round(size / ratios.get(name, 1.0)) for name, size in whole.items())
    check_space(folder, wanted, "the store")


def _first(field: Field, blocks: Iterator[Block], inputs: int) -> list[Buffer]:
    return [filled(field, block) for block in itertools.islice(blocks, blocks_tried(field, inputs))]


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


def _taken(blocks: list[Buffer]) -> Iterator[Buffer]:
    """Yield blocks, and keep none of those that were."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()

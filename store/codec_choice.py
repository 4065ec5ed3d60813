"""Which codec `--compression auto` takes: by sizes that are measured, and rates that are not."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from seekless.store.codecs import CODECS, Buffer, codec_named

__all__ = ["Choice", "choose_codec"]

# What an epoch is reckoned on: a spinning disk, and two cores that decode while it reads.
DISK_RATE = 150e6
CORES = 2
# Decoded bytes a second of one core, measured once: MNIST's digits in blocks of 4 MiB; for blosc2, which is meant for
# them, photographs. Constants, so that the same data chooses the same codec on every machine.
DECODE_RATES = {"none": float("inf"), "zstd": 1.25e9, "lz4": 2.0e9, "gzip": 0.35e9, "blosc2": 0.5e9}
# gzip takes longer to encode than all others together, and seldom wins: it is tried on all blocks only if it wins on
# this much of the first.
SLOW = "gzip"
PROBE_BYTES = 1 << 20


@dataclass(frozen=True)
class Choice:
    """A codec, and why.

    Attributes:
        codec: Its name.
        ratio: Decoded bytes for one stored byte, in the blocks tried.
        gain: How many times as fast an epoch is reckoned to be as without compression.
    """

    codec: str
    ratio: float
    gain: float

    def __str__(self) -> str:
        if self.codec == "none":
            return "no codec shortens an epoch on a 150 MB/s disk"
        return f"{self.ratio:.2f} times smaller: epochs {self.gain:.2f} times as fast on a 150 MB/s disk"


def choose_codec(blocks: Sequence[Buffer], item_bytes: int, pool: Executor | None = None) -> Choice:
    """Choose the codec with the shortest epoch: the longer of reading the stored bytes and decoding them.

    Args:
        blocks: The first blocks of the store, decoded.
        item_bytes: Bytes after which like stands beneath like: of one value, or of one pixel's channels.
        pool: Threads to compress in; None to do it in this one.

    Returns:
        The choice; of equals the first in the order none, zstd, lz4, gzip, blosc2.
    """
    if not blocks:
        return Choice("none", 1.0, 1.0)
    names = list(CODECS)
    probe = [memoryview(blocks[0])[: max(1, PROBE_BYTES // item_bytes) * item_bytes]]
    if _shortest(_sizes(names, probe, item_bytes, pool), len(probe[0]))[0] != SLOW:
        names.remove(SLOW)
    sizes, decoded = _sizes(names, blocks, item_bytes, pool), sum(map(len, blocks))
    best, gain = _shortest(sizes, decoded)
    return Choice(best, decoded / max(1, sizes[best]), gain)


def _sizes(names: Sequence[str], blocks: Sequence[Buffer], item_bytes: int, pool: Executor | None) -> dict[str, int]:
    """Return the stored bytes of blocks by each codec."""
    tries = [(name, block) for name in names for block in blocks]

    def size_of(one: tuple[str, Buffer]) -> int:
        name, block = one
        return min(len(codec_named(name).encode(block, item_bytes)), len(block))

    stored = dict.fromkeys(names, 0)
    for (name, _), size in zip(tries, map(size_of, tries) if pool is None else pool.map(size_of, tries), strict=True):
        stored[name] += size
    return stored


def _shortest(stored: Mapping[str, int], decoded: int) -> tuple[str, float]:
    """Return the codec with the shortest epoch, and how many times as fast that is as without one."""
    seconds = {name: max(size / DISK_RATE, decoded / (CORES * DECODE_RATES[name])) for name, size in stored.items()}
    best = min(seconds, key=lambda name: seconds[name])
    return best, seconds["none"] / seconds[best] if decoded else 1.0

"""The random order of a source: a uniform permutation drawn from the seed and the keys alone."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

__all__ = ["random_positions"]


def random_positions(keys: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """Give each sample its place in the store.

    Samples are sorted by a keyed 64-bit BLAKE2b hash of their keys (RFC 7693), so the place of a sample depends on the
    seed and on the set of keys, not on the order in which a file system lists them; two equal hashes keep the order of
    their keys.

    Args:
        keys: The samples' keys, sorted.
        seed: Any integer of 64 bits.

    Returns:
        int64, (N,): the place of each key, a permutation of 0 to N - 1.
    """
    secret = seed.to_bytes(8, "little", signed=True)
    digests = (blake2b(key.encode(), digest_size=8, key=secret).digest() for key in keys)
    words = np.fromiter((int.from_bytes(digest, "little") for digest in digests), np.uint64, len(keys))
    order = np.argsort(words, kind="stable")
    positions = np.empty(len(keys), np.int64)
    positions[order] = np.arange(len(keys))
    return positions

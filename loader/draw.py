"""Draw random orders that stay the same over versions and processes: from raw Philox words, by name and not in turn.

Philox is the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): the words
of (seed, epoch, rank, stream) are found without drawing those before. NumPy promises to keep raw words, but not the
values of `permutation`.
"""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["KeyedPermutation", "generator", "permutation", "words"]

# Orders up to this length are drawn and sorted, which is exactly uniform; longer ones are computed number by number.
SORTED_LENGTH = 1 << 16
ROUNDS = 8


def _philox(seed: int, epoch: int, counter: list[int]) -> np.random.Philox:
    return np.random.Philox(key=np.array([seed % 2**64, epoch], np.uint64), counter=np.array(counter, np.uint64))


def words(count: int, seed: int, epoch: int, stream: int, rank: int = 0) -> npt.NDArray[np.uint64]:
    """Return random words of 64 bits.

    Args:
        count: How many.
        seed: Any integer; 64 bits of it are used.
        epoch: The epoch.
        stream: What they are for.
        rank: Whom they are for.
    """
    return _philox(seed, epoch, [0, 0, rank, stream]).random_raw(count)


def permutation(length: int, seed: int, epoch: int, stream: int, rank: int = 0) -> npt.NDArray[np.int64]:
    """Draw a uniform permutation.

    Args:
        length: Numbers to permute: 0 to length - 1.
        seed: Any integer; 64 bits of it are used.
        epoch: The epoch.
        stream: What it is for.
        rank: Whom it is for.

    Returns:
        int64, (length,).
    """
    return _argsort(words(length, seed, epoch, stream, rank))


def _argsort(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Do what `argsort(kind="stable")` does, by 16 bits at a time, the lowest first: NumPy sorts these by radix.

    60,000 words took 2.2 ms in place of 3.5, 340,000 words 19 in place of 26.
    """
    digits = values.astype("<u8").view("<u2").reshape(len(values), 4)
    order = np.argsort(digits[:, 0], kind="stable")
    for place in range(1, 4):
        order = order[np.argsort(digits[order, place], kind="stable")]
    return order


def generator(seed: int, epoch: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the random generator of one batch, found without those before; it shares no word with an order.

    Args:
        seed: Any integer; 64 bits of it are used.
        epoch: The epoch.
        step: The batch.
        rank: Whose batch it is.
    """
    return np.random.Generator(_philox(seed, epoch, [0, 1 + step, rank, 0]))


class KeyedPermutation:
    """A permutation of 0 to length - 1 that is computed where it is asked for, so that it takes no memory.

    It is a Feistel network over numbers in a mixed radix, walked until it falls inside the length (Black and Rogaway,
    "Ciphers with arbitrary finite domains", 2002). Short ones are drawn and sorted instead.

    Args:
        length: Numbers to permute.
        seed: Any integer; 64 bits of it are used.
        epoch: The epoch.
        stream: What it is for.
        rank: Whom it is for.
    """

    def __init__(self, length: int, seed: int, epoch: int, stream: int, rank: int = 0) -> None:
        self.length = length
        self._sorted: npt.NDArray[np.int64] | None = None
        if length <= SORTED_LENGTH:
            self._sorted = permutation(length, seed, epoch, stream, rank)
        else:
            self._keys = words(ROUNDS, seed, epoch, stream, rank)
            self._high = math.isqrt(length - 1) + 1
            self._low = -(-length // self._high)

    def __call__(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return which number stands at each position.

        Args:
            positions: int64, (n,), 0 to length - 1.

        Returns:
            int64, (n,).
        """
        if self._sorted is not None:
            return self._sorted[positions]
        numbers = self._round_trip(positions.astype(np.uint64))
        outside = np.flatnonzero(numbers >= self.length)
        while len(outside):
            numbers[outside] = self._round_trip(numbers[outside])
            outside = outside[numbers[outside] >= self.length]
        return numbers.astype(np.int64)

    def _round_trip(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        sizes = np.uint64(self._high), np.uint64(self._low)
        halves = [*np.divmod(numbers, sizes[1])]
        for turn, key in enumerate(self._keys):
            one, other = turn % 2, 1 - turn % 2
            halves[one] = (halves[one] + _mixed(halves[other] + key) % sizes[one]) % sizes[one]
        joined: npt.NDArray[np.uint64] = halves[0] * sizes[1] + halves[1]
        return joined


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scatter the bits of values: the last step of SplitMix64 (Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

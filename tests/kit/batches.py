"""Batches that must be the same bit for bit, and the options by which a Sequence makes them."""

import numpy as np


def bits(item):
    """An array, or a batch, or batches, in a form that is equal where all of them are the same bit for bit."""
    if isinstance(item, dict):
        return {name: bits(value) for name, value in item.items()}
    if hasattr(item, "dtype"):
        array = np.asarray(item)
        return array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()
    return [bits(value) for value in item]


# Worker processes import this module for the transforms: from one that imports Keras they would start TensorFlow.
def mirrored(x, y, rng):
    return (x[:, ::-1] if rng.random() < 0.5 else x) + rng.integers(3, dtype=x.dtype), y


def shifted(x, y, rng):
    return np.broadcast_to(rng.random(dtype=np.float32), (len(x), 2)), y[::-1] + rng.integers(9)


OPTIONS = {
    "stored values": {},
    "float32": {"dtype": "float32"},
    "float64": {"dtype": "float64"},
    "float16": {"dtype": "float16"},
    "batch": {"shuffle": "batch"},
    "full": {"shuffle": "full"},
    "in order": {"shuffle": False},
    "a part": {"split": (0.2, 0.7)},
    "dropped": {"drop_remainder": True},
    "a rank": {"shard": (1, 3)},
    "a rank, dropped": {"shard": (2, 3), "drop_remainder": True},
    "transformed": {"transform": shifted, "dtype": "float32"},
    "a rank, transformed": {"shard": (1, 3), "transform": shifted},
    "dropped and transformed": {"drop_remainder": True, "transform": shifted, "batch_size": 200},
    "one batch": {"batch_size": 1000},
    "one each": {"batch_size": 1},
}

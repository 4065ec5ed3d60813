"""The shape of one sample: one for all, or one by name for each of several inputs."""

from typing import Any

from seekless.store.store import Store

__all__ = ["SampleShape", "of_store", "samples_in"]

SampleShape = tuple[int, ...] | dict[str, tuple[int, ...]]


def of_store(store: Store) -> SampleShape:
    """Return the shape of one sample of a store; of several inputs a dictionary of them by name."""
    shape = store.shape
    return {name: own[1:] for name, own in shape.items()} if isinstance(shape, dict) else shape[1:]


def samples_in(x: Any) -> int:
    """Return how many samples a batch holds, an array or a dictionary of several inputs."""
    return len(next(iter(x.values())) if isinstance(x, dict) else x)

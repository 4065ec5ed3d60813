"""The DataLoader of PyTorch around datasets that are made for it, in the process itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from rivals.way import Batch, Iterated, as_floats

__all__ = ["Loaded", "stacked"]


def stacked(samples: list[dict[str, Any]]) -> Batch:
    """Return a batch of samples {"x": array or picture, "y": class}."""
    x = np.stack([np.asarray(sample["x"]) for sample in samples])
    return as_floats(x), np.array([int(sample["y"]) for sample in samples])


class Loaded(Iterated):
    """A way whose `open` leaves a DataLoader in `_loader`."""

    _loader: Any

    def batches(self, epoch: int) -> Iterator[Batch]:
        yield from self._loader

"""The orders of the epochs of one training; that of the next is made before it is asked for."""

from typing import Any

from seekless.loader.order import Order, Sizes, Steps, epoch_order
from seekless.loader.windows import Plan

__all__ = ["Orders"]

# Samples of a window that is planned before its epoch begins: its plan takes 8 bytes for each.
FORESEEN = 1 << 20


class Orders:
    """The order of each epoch.

    Args:
        sizes: Of what is read.
        shuffle: "window", "batch", "full" or False.
        seed: The seed.
        dealt: How many samples the batches have.
    """

    def __init__(self, sizes: Sizes, shuffle: bool | str, seed: int, dealt: Steps) -> None:
        self._sizes = sizes
        self._shuffle = shuffle
        self._seed = seed
        self._dealt = dealt
        self._foreseen: tuple[int, Order, Plan] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_foreseen": None}

    def of(self, epoch: int) -> Order:
        """Return the order of an epoch."""
        foreseen = self._foreseen
        if foreseen is not None and foreseen[0] == epoch:
            return foreseen[1]
        return epoch_order(self._sizes, self._shuffle, self._seed, epoch, self._dealt)

    def foresee(self, epoch: int) -> None:
        """Plan the first window of an epoch; else sorting its random numbers would delay its first batch."""
        if self._sizes.window <= FORESEEN:
            order = self.of(epoch)
            self._foreseen = epoch, order, order.plan(0)

    def plan(self, order: Order, epoch: int, window: int) -> Plan:
        """Return what to read for a window of the order of an epoch; what was planned before is given once."""
        foreseen = self._foreseen
        if window == 0 and foreseen is not None and foreseen[0] == epoch:
            self._foreseen = None
            return foreseen[2]
        return order.plan(window)

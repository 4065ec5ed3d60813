"""Which pass over the data it is: a number that processes agree on who read one pass together."""

import multiprocessing
from multiprocessing.context import get_spawning_popen
from typing import Any

__all__ = ["AgreedPasses"]

# Passes that are remembered, so that a slow process still finds the number of one that it belongs to.
KEPT = 64
# Of each: two numbers that name it, and how many processes have yet to ask.
COLUMNS = 3

Name = tuple[int, int]


class AgreedPasses:
    """Numbers passes 0, 1, ...: who asks first for a pass takes the next number, the others of that pass get the same.

    Processes that are forked or spawned with it share its numbers. A copy by plain pickle counts on by itself.
    """

    def __init__(self) -> None:
        self._begin(0)

    def _begin(self, begun: int) -> None:
        context = multiprocessing.get_context("spawn")  # whose locks serve processes of every kind
        self._lock = context.Lock()
        self._table = context.RawArray("q", 1 + COLUMNS * KEPT)
        self._table[0] = begun

    @property
    def begun(self) -> int:
        """Passes that were begun: the number of the next."""
        return int(self._table[0])

    def number(self, name: Name = (0, 0), together: int = 1) -> int:
        """Return the number of a pass.

        Args:
            name: Two numbers of 64 bits, the same in all processes of the pass.
            together: Processes that read this pass; each asks once. Once all have, the same name is another pass, such
                as where a loader is seeded alike each time.
        """
        with self._lock:
            begun = self.begun
            for number in range(begun - 1, max(begun - 1 - KEPT, -1), -1):
                at = _row(number)
                if tuple(self._table[at : at + 2]) == name and self._table[at + 2]:
                    self._table[at + 2] -= 1
                    return number
            at = _row(begun)
            self._table[at : at + COLUMNS] = [*name, together - 1]
            self._table[0] = begun + 1
            return begun

    def __getstate__(self) -> dict[str, Any]:
        # Locks and shared memory can be handed to a process that begins, and nowhere else.
        return self.__dict__ if get_spawning_popen() is not None else {"begun": self.begun}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "begun" in state:
            self._begin(state["begun"])
        else:
            self.__dict__.update(state)


def _row(number: int) -> int:
    return 1 + COLUMNS * (number % KEPT)

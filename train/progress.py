"""How far a run has come: the metrics of its epochs, and which was the best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seekless.train.history import ordered

__all__ = ["Progress"]


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        history: For each epoch its metrics by name; `val_` marks those of the part that is looked at.
        best: The epoch with the least loss on that part, 1 and up; 0 before there is one.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: int = 0

    @property
    def epochs(self) -> int:
        """Epochs that have ended."""
        return len(self.history)

    def note(self, logs: Mapping[str, Any]) -> bool:
        """Note an epoch; return whether it is the best so far."""
        self.history.append(ordered(logs))
        loss = self.history[-1]["val_loss"]
        better = loss < (self.history[self.best - 1]["val_loss"] if self.best else float("inf"))
        if better:
            self.best = self.epochs
        return better

    def is_over(self, epochs: int, patience: int | None) -> bool:
        """Return whether there is nothing left to train.

        Args:
            epochs: How many there are to be.
            patience: Stop after so many epochs without a better one; None never.
        """
        return self.epochs >= epochs or self.stopped(patience)

    def stopped(self, patience: int | None) -> bool:
        """Return whether the last epochs were no better than one before them.

        Args:
            patience: How many of them; None for never.
        """
        return patience is not None and self.epochs - self.best >= patience

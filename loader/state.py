"""Where a training stands in its data: three numbers, to be kept as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from seekless.errors import OptionError

__all__ = ["State"]


@dataclass(frozen=True)
class State:
    """A place in the data: (seed, epoch, steps) name the next batch.

    Attributes:
        seed: Of the order.
        epoch: The epoch, from 0.
        steps: Batches of it that were used.
        order: The options that the batches of an epoch follow from, in words; amid an epoch they must be the same to go
            on. "" checks nothing.
    """

    seed: int
    epoch: int
    steps: int
    order: str = ""

    def check(self, order: str, steps: int) -> None:
        """Refuse to go on from here with other batches.

        Args:
            order: The options that the batches follow from, in words.
            steps: Batches in an epoch.

        Raises:
            OptionError: The state stands amid an epoch of other batches, or at no place of an epoch.
        """
        if self.steps and self.order and self.order != order:
            raise OptionError(
                f"state: found step {self.steps} of an epoch of batches by {self.order}, expected by {order}; give the "
                "options that the state was made with, or one between two epochs"
            )
        if not (self.epoch >= 0 and 0 <= self.steps <= steps):
            raise OptionError(
                f"state: found epoch {self.epoch}, step {self.steps}, expected an epoch from 0 and a step from 0 to "
                f"{steps}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return it as a dict of plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> "State":
        """Return the state that `to_json` gave.

        Args:
            values: What `to_json` gave, perhaps through a file.

        Raises:
            OptionError: It is something else.
        """
        kinds = {"seed": int, "epoch": int, "steps": int, "order": str}
        if (
            not isinstance(values, dict)
            or set(values) != set(kinds)
            or not all(isinstance(values[name], kind) for name, kind in kinds.items())
        ):
            raise OptionError(f"state: found {values!r}, expected seed, epoch and steps, and the order in words")
        return cls(**values)

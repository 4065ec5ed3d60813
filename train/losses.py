"""The loss after each step, read off the device now and then: each reading waits for the device.

A loss that is no number any more makes all that follows worthless, so the training ends there. What is not read yet is
kept, so that the very step is found though several have been done since.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from seekless.train.bar import DRAW_EVERY

__all__ = ["Diverged", "Losses"]

# Steps whose metrics stay on the device at most; a few scalars each.
MOST = 512


class Diverged(Exception):  # noqa: N818 (caught by the run, which says it to the user in words of its own)
    """The loss is no number any more.

    Attributes:
        steps: The step after which it was none for the first time, from 0; several where Keras does several at once.
        loss: What it was.
    """

    def __init__(self, steps: range, loss: float) -> None:
        super().__init__(f"loss {loss} after step {steps.stop}")
        self.steps, self.loss = steps, loss


class Losses:
    """The metrics after each step of an epoch."""

    def __init__(self) -> None:
        self._unread: list[tuple[range, Mapping[str, Any]]] = []
        self._read_at = -math.inf

    def note(self, steps: range, logs: Mapping[str, Any]) -> bool:
        """Note the metrics after a step; return whether it is time to read them.

        Args:
            steps: The step, from 0, or several that were done at once.
            logs: The metrics by name, perhaps still being computed.
        """
        self._unread.append((steps, logs))
        return len(self._unread) >= MOST or time.monotonic() - self._read_at >= DRAW_EVERY

    def read(self) -> dict[str, float]:
        """Wait for the last metrics that were noted, and return them.

        Raises:
            Diverged: The loss was no number after one of the steps since the last reading.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return {}
        logs = {name: float(value) for name, value in unread[-1][1].items()}
        self._read_at = time.monotonic()
        if math.isfinite(logs.get("loss", 0.0)):
            return logs
        steps, loss = next((steps, loss) for steps, logs in unread if not math.isfinite(loss := float(logs["loss"])))
        raise Diverged(steps, loss)

"""How far an epoch is: a bar on a terminal, a line now and then elsewhere."""

import os
import sys
import time
from typing import Any

from tqdm import tqdm

__all__ = ["DRAW_EVERY", "Bar"]

DRAW_EVERY = 0.1  # seconds
WRITE_EVERY = 30.0  # seconds, where stderr is no terminal: a log should not grow with every batch
ROWS = 20  # tqdm draws nothing on a terminal that does not tell its height
SPARE_COLUMNS = 3  # behind a bar: a terminal writes ^C there, and must not break the line


class Bar:
    """Shows on stderr how many steps of an epoch are done.

    Args:
        title: What is shown before it, such as "epoch 1/5".
        steps: Steps of the epoch.
        first: Steps that were done before.
        quiet: Show nothing.
    """

    def __init__(self, title: str, steps: int, first: int = 0, *, quiet: bool = False) -> None:
        self._title, self._steps = title, steps
        self._bar: Any = None
        self._lines = not quiet
        self._written = time.monotonic()
        if not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._lines = False
            columns = max((os.get_terminal_size(sys.stderr.fileno()).columns or 80) - SPARE_COLUMNS, 10)
            look = {"desc": title, "unit": "batch", "leave": False, "ncols": columns, "nrows": ROWS, "file": sys.stderr}
            self._bar = tqdm(total=steps, initial=first, **look)

    def show(self, done: int, text: str) -> None:
        """Show what is done.

        Args:
            done: Steps so far.
            text: What stands behind it.
        """
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._lines and time.monotonic() - self._written >= WRITE_EVERY:
            self._written = time.monotonic()
            print(f"{self._title}: {done:,} of {self._steps:,} batches, {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away, and the ^C behind it."""
        if self._bar is not None:
            self._bar.close()
            sys.stderr.write(f"\r{' ' * (self._bar.ncols + SPARE_COLUMNS - 1)}\r")
            sys.stderr.flush()
            self._bar = None

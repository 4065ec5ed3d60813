"""How far a pass over data has come: a bar on a terminal, plain lines elsewhere, or calls of a function."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from seekless.errors import OptionError

__all__ = ["Follow", "Pass", "Progress", "checked"]

DRAW_EVERY = 0.1  # seconds, for bars and functions
WRITE_EVERY = 5.0  # seconds, for lines
# The rate that is shown, and the time left by it, are of the last so many seconds: a cold disk may follow a warm cache.
RATE_OVER = 10.0
NESTED_BARS = 20  # as tqdm has it where a terminal does not tell its height; those below are not drawn
SPARE_COLUMNS = 3  # behind a bar: a terminal writes ^C there, and must not break the line


@dataclass(frozen=True)
class Progress:
    """What a function given as `progress=` is called with.

    Attributes:
        name: The pass, such as "reading" or "writing".
        done: Samples so far, of a pass over samples; bytes of one over a store's bytes.
        total: Of as many; fewer may come. None where nobody knows.
        bytes: Bytes so far.
        bad: Samples, or blocks, found bad so far.
        seconds: Since the pass began.
    """

    name: str
    done: int
    total: int | None
    bytes: int
    bad: int
    seconds: float


# What `progress=` takes: True, False, or a function.
Follow = bool | Callable[[Progress], object]


class _View(Protocol):
    """Shows progress in one way, at most every so many seconds."""

    every: float

    def show(self, progress: Progress, speed: "_Speed", *, last: bool) -> None: ...

    def give_up(self) -> None: ...


def checked(progress: Any) -> Follow:
    """Return what is given as `progress=`.

    Raises:
        OptionError: It is no bool, and cannot be called.
    """
    if isinstance(progress, bool) or callable(progress):
        given: Follow = progress
        return given
    raise OptionError(f"progress: found {progress!r}, expected True, False or a function of one argument")


class Pass(AbstractContextManager["Pass"]):
    """One pass over data, shown while it goes on.

    On a terminal it is a bar on stderr. Where stderr is none it is a line every few seconds, and one at the end. A
    function is called ten times a second at most and at the end of the pass; what it raises ends the pass. After an
    error or Ctrl-C nothing of a bar is left.

    Args:
        name: What is being done, such as "reading".
        total: How many there are to do; None where nobody knows.
        progress: True to show it on stderr, False for nothing, or a function to call.
        unit: What is counted: "samples", or "bytes".
        kept: How many were done before, by a run that this one goes on with; they do not count for the rate.

    Raises:
        OptionError: `progress` is none of these.
    """

    def __init__(self, name: str, total: int | None, progress: Follow, *, unit: str = "samples", kept: int = 0) -> None:
        self._name, self._total = name, total
        self._done, self._bytes, self._bad = kept, 0, 0
        self._unit = unit
        self._view = _view_of(checked(progress), unit)
        self._start = self._shown = time.monotonic()
        self._speed = _Speed(self._start, kept)

    def add(self, done: int, nbytes: int = 0, *, bad: int | None = None) -> None:
        """Count what was done.

        Args:
            done: How many more.
            nbytes: How many more bytes; of a pass over bytes they are `done`.
            bad: How many are bad by now, all together; None for as many as before.
        """
        self._done += done
        self._bytes += done if self._unit == "bytes" else nbytes
        if bad is not None:
            self._bad = bad
        if self._view is None:
            return
        now = time.monotonic()
        whole = self._done == self._total  # which is shown at the end
        if now - self._shown >= self._view.every and not whole:
            self._shown = now
            self._show(now, last=False)

    def _show(self, now: float, *, last: bool) -> None:
        if self._view is None:
            return
        self._speed.note(now, self._done, self._bytes)
        progress = Progress(self._name, self._done, self._total, self._bytes, self._bad, now - self._start)
        self._view.show(progress, self._speed, last=last)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._show(time.monotonic(), last=True)
            except BaseException:
                self._give_up()
                raise
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._view is not None:
            self._view.give_up()


class _Speed:
    """What was done a second: lately, and over the whole pass."""

    def __init__(self, start: float, done: int) -> None:
        self._noted = deque([(start, done, 0)])
        self._first = self._noted[0]

    def note(self, now: float, done: int, nbytes: int) -> None:
        self._noted.append((now, done, nbytes))
        while len(self._noted) > 2 and self._noted[1][0] <= now - RATE_OVER:
            self._noted.popleft()

    def rates(self, *, whole: bool) -> tuple[float, float]:
        """Return how many, and how many bytes, a second."""
        start, done, nbytes = self._first if whole else self._noted[0]
        now, done_now, nbytes_now = self._noted[-1]
        seconds = max(now - start, 1e-9)
        return (done_now - done) / seconds, (nbytes_now - nbytes) / seconds


def _view_of(progress: Follow, unit: str) -> _View | None:
    if progress is False or (progress is True and sys.stderr is None):
        return None
    if progress is not True:
        return _Calls(progress)
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _Bar(unit) if terminal else _Lines(unit)


class _Calls:
    every = DRAW_EVERY

    def __init__(self, function: Callable[[Progress], object]) -> None:
        self._function = function

    def show(self, progress: Progress, speed: _Speed, *, last: bool) -> None:
        self._function(progress)

    def give_up(self) -> None:
        pass


class _Lines:
    every = WRITE_EVERY

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def show(self, progress: Progress, speed: _Speed, *, last: bool) -> None:
        counted = " of ".join(_counts(progress, self._unit)) + (f" {self._unit}" if self._unit != "bytes" else "")
        # One write of the whole line: nothing else that writes to stderr gets between.
        sys.stderr.write(f"{progress.name}: {counted}, {_rest(progress, speed, self._unit, last)}\n")
        sys.stderr.flush()

    def give_up(self) -> None:
        pass


class _Bar:
    every = DRAW_EVERY

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._begun = False
        self._bar: Any = None

    def show(self, progress: Progress, speed: _Speed, *, last: bool) -> None:
        text = f"{'/'.join(_counts(progress, self._unit))}, {_rest(progress, speed, self._unit, last)}"
        bar = "" if progress.total is None else "{percentage:3.0f}%|{bar}| "
        look = {
            "bar_format": f"{progress.name}: {bar}{text}",
            "ncols": max(_columns() - SPARE_COLUMNS, 10),
            "n": progress.done if progress.total is None else min(progress.done, progress.total),
        }
        if self._bar is None:
            from tqdm import tqdm

            self._begun = True
            first = {"total": progress.total, "initial": look.pop("n"), "nrows": NESTED_BARS, "file": sys.stderr}
            self._bar = tqdm(**first, **look)  # which draws it
            if not last:
                return
        vars(self._bar).update(look)
        if last:
            self._bar.close()
        else:
            self._bar.refresh()

    def give_up(self) -> None:
        below = 0
        if self._bar is not None:
            below = self._bar.pos  # bars of the caller's own
            self._bar.leave = False
            self._bar.close()
        if self._begun and not below:
            sys.stderr.write(f"\r{' ' * (_columns() - 1)}\r")  # also the ^C behind the bar
            sys.stderr.flush()


def _columns() -> int:
    """Return how wide the terminal is, now."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):  # no terminal behind it after all
        return 80


def _counts(progress: Progress, unit: str) -> list[str]:
    """Return how many are done, and of how many if that is known."""
    numbers = [progress.done] if progress.total is None else [progress.done, progress.total]
    return [_size(number) if unit == "bytes" else f"{number:,}" for number in numbers]


def _rest(progress: Progress, speed: _Speed, unit: str, last: bool) -> str:
    """Return what follows the count: how fast, how long still, how many bad."""
    rate, byte_rate = speed.rates(whole=last)
    parts = []
    if unit != "bytes":
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if progress.bytes:
        parts.append(f"{_size(byte_rate)}/s")
    if last:
        parts.append(f"in {_duration(progress.seconds)}")
    elif rate > 0 and progress.total is not None:
        parts.append(f"{_duration((progress.total - progress.done) / rate)} left")
    if progress.bad:
        parts.append(f"{progress.bad:,} bad")
    return ", ".join(parts)


def _size(count: float) -> str:
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:,.0f} {name}" if count >= 100 * size else f"{count / size:.1f} {name}"
    return f"{count:.0f} B"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"

"""A pass is shown as a bar on a terminal, as lines elsewhere, or by calls of a function; and nothing stays behind."""

import dataclasses
import os
import re
import struct
import subprocess
import sys

import pytest

from seekless import progress as progress_module
from seekless.errors import OptionError
from seekless.progress import Pass, Progress

COLUMNS = 80


class Clock:
    """Stands for `time.monotonic`; moves only when told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def test_where_stderr_is_no_terminal_a_line_every_few_seconds_and_at_the_end(clock, capsys):
    with Pass("reading", 42_000, True) as bar:
        for _ in range(42):
            clock.now += 0.5
            bar.add(1000, 20_000_000, bad=2 if clock.now > 111 else None)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "reading: 10,000 of 42,000 samples, 2,000/s, 40.0 MB/s, 16 s left",
        "reading: 20,000 of 42,000 samples, 2,000/s, 40.0 MB/s, 11 s left",
        "reading: 30,000 of 42,000 samples, 2,000/s, 40.0 MB/s, 6.0 s left, 2 bad",
        "reading: 40,000 of 42,000 samples, 2,000/s, 40.0 MB/s, 1.0 s left, 2 bad",
        "reading: 42,000 of 42,000 samples, 2,000/s, 40.0 MB/s, in 21 s, 2 bad",
    ]


def test_the_time_left_follows_the_last_seconds_and_the_last_line_all_of_them(clock, capsys):
    with Pass("reading", 1000, True) as bar:
        for count in (500, 10, 10, 10):  # a cache, then a slow disk
            clock.now += 6
            bar.add(count)
        clock.now += 96
        bar.add(470)
    err = capsys.readouterr().err
    assert "reading: 530 of 1,000 samples, 1.7/s, 4 min 42 s left\n" in err
    assert err.endswith("reading: 1,000 of 1,000 samples, 8.3/s, in 2 min 0 s\n")


def test_what_an_earlier_run_did_counts_as_done_and_not_as_fast(clock, capsys):
    with Pass("reading", 1000, True, kept=900) as bar:
        clock.now += 10
        bar.add(50)
        clock.now += 7200
        bar.add(50)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 950 of 1,000 samples, 5.0/s, 10 s left",
        "reading: 1,000 of 1,000 samples, 0.0/s, in 2 h 0 min",
    ]


def test_a_pass_over_bytes(clock, capsys):
    with Pass("verifying", 2_400_000_000, True, unit="bytes") as bar:
        clock.now += 8
        bar.add(1_200_000_000, bad=1)
        clock.now += 8
        bar.add(1_200_000_000)
    assert capsys.readouterr().err.splitlines() == [
        "verifying: 1.2 GB of 2.4 GB, 150 MB/s, 8.0 s left, 1 bad",
        "verifying: 2.4 GB of 2.4 GB, 150 MB/s, in 16 s, 1 bad",
    ]


def test_a_pass_over_nothing(capsys):
    with Pass("reading", 0, True):
        pass
    assert capsys.readouterr().err.startswith("reading: 0 of 0 samples, 0.0/s, in 0.")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_no_line_says_it_ended(clock, capsys, error):
    def broken():
        with Pass("reading", 10, True) as bar:
            bar.add(3)
            raise error

    with pytest.raises(error):
        broken()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stderr", ["shown", "none"])
def test_nothing_is_shown_unless_asked_for(capsys, monkeypatch, stderr):
    if stderr == "none":  # as in a program without a console
        monkeypatch.setattr(sys, "stderr", None)
    with Pass("reading", 10, stderr == "none") as bar:
        bar.add(10)
    assert capsys.readouterr() == ("", "")


def test_a_function_is_called_ten_times_a_second_and_at_the_end(clock, capsys):
    told = []
    with Pass("reading", 1000, told.append) as bar:
        for _ in range(1000):
            clock.now += 0.01
            bar.add(1, 20, bad=3)
    assert 90 <= len(told) <= 101
    assert told[-1] == Progress("reading", 1000, 1000, 20_000, 3, pytest.approx(10))
    assert [one.done for one in told] == sorted({one.done for one in told})
    assert capsys.readouterr() == ("", "")
    with pytest.raises(dataclasses.FrozenInstanceError, match="done"):
        told[0].done = 0


def test_what_the_function_raises_ends_the_pass(clock):
    def enough(progress):
        raise RuntimeError(f"enough at {progress.done}")

    def read(step):
        with Pass("reading", 10, enough) as bar:
            for _ in range(0, 10, step):
                clock.now += 1
                bar.add(step)

    with pytest.raises(RuntimeError, match="enough at 5"):
        read(5)
    with pytest.raises(RuntimeError, match="enough at 10"):
        read(10)


@pytest.mark.parametrize("given", [None, 1, "yes"])
def test_something_else_is_refused(given):
    with pytest.raises(OptionError, match=r"progress: found .*, expected True, False or a function of one argument"):
        Pass("reading", 10, given)


@pytest.fixture
def terminal():
    """Return a function that runs Python code on a terminal of 80 columns, and gives (exit code, what was written)."""
    pytest.importorskip("pty")
    import fcntl
    import pty
    import termios

    def run(code, *, interrupt_at=None, **environment):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        # The process makes the terminal its own, so that ^C reaches it, also where these tests were started without it.
        own = "fcntl.ioctl(2, termios.TIOCSCTTY, 0)\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
        code = f"import fcntl, signal, termios\n{own}\n{code}"
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment},
        )
        os.close(slave)
        written = b""
        try:
            while part := _read(master):
                written += part
                if interrupt_at is not None and interrupt_at in written:
                    os.write(master, b"\x03")
                    interrupt_at = None
        finally:
            os.close(master)
            code = process.wait()
        return code, written.decode()

    return run


def _read(master):
    try:
        return os.read(master, 4096)
    except OSError:  # on Linux that is how a terminal says that nobody writes to it any more
        return b""


def screen(written):
    """Return the lines that a terminal shows in the end."""
    lines, column = [[]], 0
    for sign in written:
        if sign == "\n":
            lines.append([])
        elif sign == "\r":
            column = 0
        else:
            if column == COLUMNS:
                lines.append([])
                column = 0
            lines[-1][column : column + 1] = [sign]
            column += 1
    return ["".join(line).rstrip() for line in lines]


PASS = """
import time
from seekless.progress import Pass
with Pass("reading", 1000, True) as bar:
    for number in range(10):
        time.sleep(0.03)
        bar.add(100, 2_000_000, bad=number // 4)
"""


def test_a_bar_on_a_terminal(terminal):
    code, written = terminal(PASS)
    assert code == 0
    drawn = written.split("\r")
    assert len(drawn) > 3
    assert any("left" in one for one in drawn)
    last, *rest = screen(written)
    assert rest == [""]
    assert last.startswith("reading: 100%|██")
    assert "| 1,000/1,000, " in last
    assert last.endswith(" s, 2 bad")
    assert len(last) <= COLUMNS - 2


@pytest.mark.parametrize("count", [10**6, 10**12])
def test_a_bar_never_breaks_its_line(terminal, count):
    code, written = terminal(PASS.replace("100", str(count)).replace("range(10)", "range(9)"))
    assert code == 0
    assert len(screen(written)) == 2


def test_after_an_error_nothing_of_the_bar_is_left(terminal):
    code, written = terminal(f"{PASS}        if number == 7: raise SystemExit('no more')\n")
    assert code == 1
    assert "reading:" in written
    assert screen(written) == ["no more", ""]


def test_ctrl_c_leaves_nothing_of_the_bar(terminal):
    code, written = terminal(
        """
import click
from seekless.command import run
@click.command()
def forever():
    import time
    from seekless.progress import Pass
    with Pass("reading", 10**9, True) as bar:
        while True:
            time.sleep(0.02)
            bar.add(1)
run(forever, [])
""",
        interrupt_at=b"left",
    )
    assert code == 130
    assert "^C" in written
    assert screen(written) == ["", "stopped by Ctrl-C", ""]  # click ends the line that ^C stands on


def test_a_terminal_that_cannot_go_back_gets_lines(terminal):
    code, written = terminal(PASS, TERM="dumb")
    assert code == 0
    line, last = screen(written)
    assert line.startswith("reading: 1,000 of 1,000 samples, ")
    assert last == ""
    assert written.count("\r") == 1


def test_a_pass_of_unknown_length_counts_without_an_end(capsys):
    with Pass("reading", None, True) as bar:
        bar.add(7, 700)
    assert re.fullmatch(r"reading: 7 samples, \S+/s, .*/s, in .*\n", capsys.readouterr().err)
    calls = []
    with Pass("reading", None, calls.append) as bar:
        bar.add(3)
    assert (calls[-1].done, calls[-1].total) == (3, None)

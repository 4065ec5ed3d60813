"""How commands end: exit codes, one line on stderr."""

import errno

import click
import pytest

from seekless.command import run
from seekless.errors import OptionError, StoreFormatError

DISK_FULL = OSError(errno.ENOSPC, "No space left on device", "data.h5.partial")


def ends(error, arguments=(), capsys=None):
    @click.command()
    @click.option("--debug", is_flag=True)
    def command(debug):
        raise error

    with pytest.raises(SystemExit) as stop:
        run(command, arguments, name="convert")
    return stop.value.code


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StoreFormatError("a.h5: found text"), 1, "error: a.h5: found text\n"),
        (OptionError("--seed: found x"), 2, "error: --seed: found x\n"),
        (PermissionError(13, "Permission denied", "b.csv"), 1, "error: b.csv: Permission denied\n"),
        (DISK_FULL, 1, "error: data.h5.partial: no space left; free some or write to another disk\n"),
        (OSError("odd"), 1, "error: odd\n"),
        (MemoryError(), 1, "error: out of memory\n"),
        (MemoryError("7 TB"), 1, "error: out of memory: 7 TB\n"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C\n"),
        (click.UsageError("odd use"), 2, "error: odd use; see convert --help\n"),
        (click.exceptions.Exit(1), 1, ""),
    ],
    ids=[
        "ours",
        "option",
        "os",
        "disk full",
        "os without errno",
        "memory",
        "memory with size",
        "ctrl-c",
        "usage",
        "exit",
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, line, capsys):
    assert ends(error) == code
    assert capsys.readouterr().err.endswith(line)


def test_no_traceback_without_debug(capsys):
    ends(StoreFormatError("a.h5: found text"))
    assert "Traceback" not in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys):
    ends(StoreFormatError("a.h5: found text"), ["--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run(click.Command("fault", callback=lambda: 1 / 0), [])


def test_success_is_zero(capsys):
    with pytest.raises(SystemExit) as stop:
        run(click.Command("fine", callback=lambda: click.echo("done")), [])
    assert stop.value.code == 0
    assert capsys.readouterr().out == "done\n"


def test_help_is_zero(capsys):
    with pytest.raises(SystemExit) as stop:
        run(click.Command("fine"), ["--help"])
    assert stop.value.code == 0
    assert "Usage" in capsys.readouterr().out

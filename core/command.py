"""How every command of seekless ends: its exit code and the one line an error prints."""

import errno
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from seekless.errors import SeeklessError

__all__ = ["run"]

INTERRUPTED = 128 + signal.SIGINT


def run(command: click.Command, arguments: Sequence[str] | None = None, name: str | None = None) -> NoReturn:
    """Run a command and leave the process with its exit code.

    0: done; 1: the work failed; 2: used wrongly; 130: stopped by Ctrl-C. Errors are one line on stderr (a list where
    many files are bad); the traceback is shown with `--debug`.

    Args:
        command: The click command.
        arguments: What follows the command's name; by default `sys.argv[1:]`.
        name: The command as the user typed it.

    Raises:
        SystemExit: Always.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = command.main(args=arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("stopped by Ctrl-C", err=True)
        sys.exit(INTERRUPTED)
    except (SeeklessError, OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of our stdout has gone, as in `... | head`
            sys.stderr.close()
            sys.exit(1)
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo(f"error: {_one_line(error)}", err=True)
        sys.exit(error.exit_code if isinstance(error, SeeklessError) else 1)
    sys.exit(code if isinstance(code, int) else 0)  # an int is that of a click.exceptions.Exit


def _one_line(error: Exception) -> str:
    if isinstance(error, SeeklessError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error.filename or 'the disk'}: no space left; free some or write to another disk"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)

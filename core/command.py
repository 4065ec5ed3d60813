"""How every command of seekless ends: its exit code and the one line an error prints."""

import errno
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from seekless.errors import SeeklessError

__all__ = ["run"]

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class _Terminated(BaseException):
    """The process was asked to end; raised where it stands, so that it leaves as clean as after Ctrl-C."""


def run(command: click.Command, arguments: Sequence[str] | None = None, name: str | None = None) -> NoReturn:
    """Run a command and leave the process with its exit code.

    0: done; 1: the work failed; 2: used wrongly; 130: stopped by Ctrl-C; 143: by SIGTERM. Errors are one line on stderr
    (a list where many files are bad); the traceback is shown with `--debug`.

    Args:
        command: The click command.
        arguments: What follows the command's name; by default `sys.argv[1:]`.
        name: The command as the user typed it.

    Raises:
        SystemExit: Always.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code = command.main(args=arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command shows its help; new in click 8.2
            error.show()
            sys.exit(error.exit_code)
        hint = f"; see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        click.echo(f"error: {error.format_message().rstrip('.')}{hint}", err=True)
        sys.exit(error.exit_code)
    except _Terminated:
        click.echo("stopped by SIGTERM", err=True)
        sys.exit(TERMINATED)
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


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


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

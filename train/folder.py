"""A run's folder: its name, files that are there whole or not at all, and what was printed."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seekless.errors import OptionError

__all__ = ["BEST", "CONFIG", "LAST", "Log", "new_run_folder", "read_config", "replacing", "write_config"]

# Files of a run.
LAST = "model.keras"
BEST = "model-best.keras"
CONFIG = "config.json"
LOG = "log.txt"


def new_run_folder(out: Path, name: str, *, exact: bool = False) -> Path:
    """Make the folder of a run: the next free one of NAME-1, NAME-2, ..., or exactly NAME.

    Args:
        out: The folder of all runs; made if it is not there.
        name: What the run is called, before its number.
        exact: Take the name as it is.

    Returns:
        The new, empty folder.

    Raises:
        OptionError: The folder of all runs is a file, or there is a run of exactly this name.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OptionError(f"--out: found the file {out}, expected a folder for runs; name another") from None
    if exact:
        try:
            (out / name).mkdir()
        except FileExistsError:
            raise OptionError(f"--name: found a run {out / name}, expected a new name; no run is replaced") from None
        return out / name
    number = 1
    while True:
        try:
            folder = out / f"{name}-{number}"
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name to write to beside a file, and put it in the file's place at the end: whole or not at all.

    Args:
        path: The file to make or to replace.

    Yields:
        Where to write; it ends as the file's own name does, by which Keras and others tell the format.
    """
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `config.json`.

    Args:
        folder: The run's folder.
        config: What to write; every value fit for JSON.
    """
    with replacing(folder / CONFIG) as partial:
        partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`; an empty dict where the folder has none.

    Raises:
        OptionError: It is no JSON object.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise OptionError(f"{path}: found no JSON object, expected what train wrote; remove it or train again")
    return config


class Log:
    """Says what happens, and keeps it in `log.txt`, also what is not printed because the user wants it quiet.

    Args:
        folder: The run's folder; None for a log that neither prints nor keeps.
        quiet: Print nothing.
    """

    def __init__(self, folder: Path | None, *, quiet: bool) -> None:
        self.path = None if folder is None else folder / LOG
        self.quiet = quiet or folder is None

    def say(self, text: str) -> None:
        """Print a line, and keep it."""
        self.keep(text)
        if not self.quiet:
            print(text, flush=True)

    def warn(self, text: str) -> None:
        """Print a line on stderr, and keep it."""
        self.keep(text)
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def keep(self, text: str) -> None:
        """Keep a line, and print nothing."""
        if self.path is None:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{text}\n")

"""Writing small files by name, and running the `convert` command; seekless.testing has the tiny sources and stores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seekless.command import run
from seekless.convert.cli import convert as convert_command


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Return a function that writes files by name below tmp_path/data, and gives that folder."""

    def make(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "data"

    return make


@pytest.fixture
def convert(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the `convert` command, and gives (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            run(convert_command, [str(argument) for argument in arguments], name="convert")
        return stop.value.code, *capsys.readouterr()

    return call

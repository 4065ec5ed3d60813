"""`python -m seekless`: both commands by another door."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from seekless.__main__ import USAGE, main


@pytest.fixture
def ends(monkeypatch, capsys):
    """Return a function that runs `python -m seekless` with arguments, and gives (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["__main__.py", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("command", "words"),
    [("convert", ["csv-to-h5", "png-to-npy"]), ("train", ["--store", "--epochs"])],
)
def test_each_command_is_the_console_one(ends, command, words):
    code, out, err = ends(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: python -m seekless {command} ")
    assert all(word in out for word in words)


@pytest.mark.parametrize("command", ["convert", "train"])
def test_arguments_and_exit_codes_are_handed_on(ends, command):
    code, out, err = ends(command, "--no-such-option")
    assert (code, out) == (2, "")
    assert f"python -m seekless {command}" in err
    assert "--no-such-option" in err


def test_a_conversion(ends, tiny_csv):
    code, out, err = ends("convert", "csv-to-h5", str(tiny_csv.root), str(tiny_csv.root.parent / "a.h5"), "--quiet")
    assert (code, out, err) == (0, "", "")
    assert (tiny_csv.root.parent / "a.h5").exists()


def test_an_error_of_a_command(ends, tmp_path):
    code, out, err = ends("convert", "csv-to-h5", str(tmp_path / "none"), str(tmp_path / "a.h5"), "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {tmp_path / 'none'}: found no such folder")
    assert err.count("\n") == 1


def test_the_version(ends):
    assert ends("--version") == (0, f"seekless {version('seekless')}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)], ids=["nothing", "--help", "-h"])
def test_help(ends, arguments):
    assert ends(*arguments) == (0, f"{USAGE}\n", "")


@pytest.mark.parametrize("command", ["pack", "", "CONVERT", "--store"])
def test_an_unknown_command(ends, command):
    code, out, err = ends(command, "--help")
    assert (code, out) == (2, "")
    assert err == f"error: found command {command!r}, expected convert or train; {USAGE}\n"


def test_in_a_process_of_its_own(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "seekless", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"seekless {version('seekless')}\n", "")
    done = run("sing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "found command 'sing'" in done.stderr

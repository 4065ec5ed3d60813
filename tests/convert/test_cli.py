"""The `convert` command: what it prints, where, and how it ends."""

import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import seekless
from seekless.command import run
from seekless.convert import run as run_module
from seekless.convert.cli import convert, main


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Return a function that runs `convert` in the test's folder, and gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            run(convert, arguments, name="convert")
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return call


@pytest.fixture
def asked(monkeypatch):
    """Take the options of a conversion instead of converting."""
    calls = []

    def pack(source, store, **options):
        calls.append((source, store, options))
        return "the summary"

    monkeypatch.setattr(run_module, "pack", pack)
    return calls


def test_the_users_first_line(command, tiny_csv):
    code, out, err = command("csv-to-h5")
    assert code == 0
    lines = out.splitlines()
    assert lines[:4] == [
        "data.h5",
        "  samples  130 of 10 classes",
        "  shape    6 x 6",
        "  dtype    uint8 / 255 (gives all 4,680 float64 values back bit for bit)",
    ]
    bytes_in = sum(file.stat().st_size for file in (tiny_csv.root / "train").iterdir())
    bytes_out = (tiny_csv.root.parent / "data.h5").stat().st_size
    assert lines[4] == "  codec    none (no codec shortens an epoch on a 150 MB/s disk)"
    assert lines[5] == f"  bytes    {bytes_in / 1e6:.1f} MB -> {bytes_out / 1e6:.1f} MB"
    assert lines[6].startswith("  time     ")
    assert lines[6].endswith(" samples/s")
    assert len(lines) == 7
    assert "reading: 130 of 130 samples, " in err
    assert len(seekless.open("data.h5")) == 130


def test_quiet_prints_nothing(command, tiny_csv):
    assert command("csv-to-h5", "--quiet") == (0, "", "")
    assert len(seekless.open("data.h5")) == 130


def test_a_folder_of_npy(command, tiny_csv):
    code, out, _ = command("csv-to-npy", "data", "other.npy.d")
    assert code == 0
    assert out.startswith("other.npy.d\n")
    assert np.load("other.npy.d/x.npy").shape == (130, 6, 6)


def test_png(command, tiny_png):
    code, out, _ = command("png-to-h5", "png", "--labels", "none")
    assert code == 0
    assert "  shape    6 x 6 x 1\n" in out
    assert seekless.open("data.h5").fields == ("x", "key")


def no_samples(root):
    for file in (root / "train").iterdir():
        file.unlink()


def no_target_file(root):
    (root / "target.csv").unlink()


def no_target(root):
    lines = (root / "target.csv").read_text().splitlines(keepends=True)
    (root / "target.csv").write_text("".join(line for line in lines if not line.startswith("00042")))


def no_file(root):
    (root / "train" / "00042.csv").unlink()


def another_shape(root):
    (root / "train" / "00042.csv").write_text("1 2 3\n4 5 6\n")


def no_number(root):
    (root / "train" / "00042.csv").write_text("1 2 three\n")


def a_store(root):
    seekless.pack(root, root.parent / "data.h5", progress=False)


def a_text(root):
    (root.parent / "data.h5").write_text("my diary")


ERRORS = {
    "missing folder": (lambda root: root.rename(root.parent / "gone"), (), ["data: found no such folder, expected"]),
    "no CSV in it": (no_samples, (), ["data/train: found no sample files, expected some (", ".csv"]),
    "missing target file": (no_target_file, (), ["data/target.csv: found no such file", "--labels"]),
    "a missing labels file": (lambda root: None, ("--labels", "mine.csv"), ["mine.csv: found no such file, expected"]),
    "a file without a target": (
        no_target,
        (),
        ["data: found 1 bad of 130 samples", "train/00042.csv: found no target in target.csv, expected one line"],
    ),
    "a target without a file": (
        no_file,
        (),
        ["data: found 1 bad of 130 samples", "00042: found a target in target.csv without a file"],
    ),
    "another shape": (
        another_shape,
        (),
        ["data: found 1 bad of 130 samples; no store was written", "train/00042.csv: found shape 2 x 3, expected"],
    ),
    "no number": (no_number, (), ["data: found 1 bad of 130 samples", "train/00042.csv: found", "data.h5.errors.csv"]),
    "an existing store": (a_store, (), ["data.h5: found something there; name another store", "--overwrite"]),
    "no store to replace": (a_text, ("--overwrite",), ["data.h5: found something there that is no store"]),
    "no folder to write to": (lambda root: None, ("data", "none/a.h5"), ["none/a.h5: found no folder none, expected"]),
    "classes from no store": (lambda root: None, ("--classes-from", "a.h5"), ["a.h5: found no such file, expected"]),
}


@pytest.mark.parametrize(("spoil", "arguments", "words"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_one_line_and_exit_code_1(command, tiny_csv, spoil, arguments, words):
    spoil(tiny_csv.root)
    before = {file.name: file.read_bytes() for file in tiny_csv.root.parent.glob("data.h5*")}
    code, out, err = command("csv-to-h5", *arguments, "--quiet")
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    for word in words:
        assert word in err
    listed = "errors.csv" in err
    assert len(err.splitlines()) == (3 if listed else 1)  # where many may be bad they are a list
    after = {file.name: file.read_bytes() for file in tiny_csv.root.parent.glob("data.h5*")}
    assert after.pop("data.h5.errors.csv", None) is None or listed
    assert after == before


def test_an_error_comes_below_the_bar(command, tiny_csv):
    another_shape(tiny_csv.root)
    code, out, err = command("csv-to-h5")
    assert (code, out) == (1, "")
    bar, line = err[: err.index("error: ")], err[err.index("error: ") :]
    assert "reading: 130 of 130 samples" in bar
    assert bar.endswith("\n")
    assert len(line.splitlines()) == 3
    assert "Traceback" not in err


def test_debug_shows_the_traceback(command, tiny_csv):
    no_number(tiny_csv.root)
    code, _, err = command("csv-to-h5", "--debug")
    assert code == 1
    assert "Traceback (most recent call last)" in err


def test_overwrite(command, tiny_csv):
    assert command("csv-to-h5", "--quiet")[0] == 0
    assert command("csv-to-h5", "--quiet", "--seed", "3")[0] == 1
    assert command("csv-to-h5", "--quiet", "--seed", "3", "--overwrite") == (0, "", "")
    assert seekless.open("data.h5").header.seed == 3


def test_append(command, tiny_csv):
    folder = tiny_csv.root.parent
    kept = [file.name for file in sorted((tiny_csv.root / "train").iterdir())[:30]]
    for name in kept:
        (tiny_csv.root / "train" / name).rename(folder / name)
    made = ("--seed", "3", "--test-fraction", "0.1", "--compression", "zstd", "--on-error", "skip", "--quiet")
    assert command("csv-to-h5", "data", "data.h5", *made) == (0, "", "")
    (folder / "data.h5.skipped.csv").unlink()
    for name in kept:
        (folder / name).rename(tiny_csv.root / "train" / name)
    code, out, err = command("csv-to-h5", "data", "data.h5", "--append")
    assert code == 0, err
    assert "  samples  130 of 10 classes\n  added    30, as a part of their own; `convert shuffle` draws" in out
    header = seekless.open(folder / "data.h5").header
    assert (header.seed, header.boundaries, header.fields["x"].codec) == (3, (90, 100, 127, 130), "zstd")
    before = (folder / "data.h5").read_bytes()
    code, out, err = command("csv-to-h5", "data", "data.h5", "--append", "--seed", "3")
    assert (code, (folder / "data.h5").read_bytes()) == (0, before), err
    assert "  added    nothing: no sample is new, the store is as it was" in out
    assert command("csv-to-h5", "data", "data.h5", "--append", "--seed", "0")[::2] == (
        2,
        "error: --seed: found 0, expected 3 as data.h5 was made with; leave it out, or convert to a store of its own "
        "and join the two by `convert merge`\n",
    )
    code, _, err = command("csv-to-h5", "data", "data.h5", "--append", "--overwrite")
    assert code == 2
    assert err.startswith("error: --append: found together with --overwrite, expected one of them")
    code, _, err = command("csv-to-npy", "data", "data.npy.d", "--append")
    assert code == 2
    assert err.startswith("error: --append: found the store data.npy.d, expected one that ends in .h5")
    code, _, err = command("png-to-h5", "data", "data.h5", "--append")
    assert code == 2
    assert err.startswith("error: --append: found pictures (png-to-h5) for data.h5, expected numbers from text")
    code, out, _ = command("info", "data.h5")
    assert "130, shuffled: within parts, seed 3; 2 portions that were converted one after the other (100 + 30)" in out
    assert command("verify", "data.h5", "--against", "data", "--quiet")[:2] == (0, "")


def test_skip(command, tiny_csv):
    no_number(tiny_csv.root)
    code, out, _ = command("csv-to-h5", "--on-error", "skip")
    assert code == 0
    assert "  samples  129 of 10 classes\n  skipped  1, listed in data.h5.skipped.csv\n" in out
    assert "train/00042.csv" in (tiny_csv.root.parent / "data.h5.skipped.csv").read_text()


USES = {
    "suffix": (["data", "data.txt"], "found a STORE named data.txt, expected a name that ends in .h5"),
    "seed": (["--seed", "x"], "'x' is not a valid integer"),
    "large seed": (["--seed", str(2**63)], "--seed: found 9223372036854775808, expected an integer of 64 bits"),
    "fraction": (["--test-fraction", "1.5"], "--test-fraction: found 1.5, expected a number between 0 and 1"),
    "workers": (["--workers", "-2"], "--workers: found -2, expected 0 or more"),
    "little memory": (["--memory", "1000"], "--memory: found 1000 bytes, expected 1 MiB or more"),
    "unit": (["--memory", "12parsec"], "found '12parsec', expected a size such as 512MiB or 1GiB"),
    "no size": (["--memory", "much"], "found 'much', expected a size such as 512MiB or 1GiB"),
    "empty size": (["--memory", ""], "found '', expected a size such as 512MiB or 1GiB"),
    "unit alone": (["--memory", "GiB"], "found 'GiB', expected a size such as 512MiB or 1GiB"),
    "endless": (["--memory", "1e999"], "found '1e999', expected a size such as 512MiB or 1GiB"),
    "on error": (["--on-error", "ignore"], "'ignore' is not one of 'raise', 'skip'"),
    "unknown option": (["--fast"], "No such option"),
    "too many": (["a", "b.h5", "c"], "unexpected extra argument"),
}


@pytest.mark.parametrize(("arguments", "words"), USES.values(), ids=USES)
def test_wrong_use_is_exit_code_2(command, tmp_path, arguments, words):
    code, out, err = command("csv-to-h5", *arguments)
    assert code == 2
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 << 20),
        ("1GiB", 1 << 30),
        ("1.5GB", 1_500_000_000),
        ("1.5 gb", 1_500_000_000),
        ("2000000", 2_000_000),
        ("2000000b", 2_000_000),
        ("3e6", 3_000_000),
        ("2048KiB", 2 << 20),
        ("5000kb", 5_000_000),
        ("7MB", 7_000_000),
        ("1TB", 10**12),
        (" 2TiB ", 2 << 40),
    ],
)
def test_a_size_in_bytes(command, asked, text, size):
    assert command("csv-to-h5", "--memory", text)[0] == 0
    assert asked[0][2]["memory"] == size


def test_what_is_asked_for_by_default(command, asked):
    code, out, err = command("csv-to-h5")
    assert (code, out, err) == (0, "the summary\n", "")
    ((source, store, options),) = asked
    assert (source, store) == ("data", "data.h5")
    assert options["kind"] == "csv"
    given = {"seed": 0, "test_fraction": None, "memory": 1 << 30, "workers": None, "overwrite": False, "progress": True}
    assert {name: options[name] for name in given} == given
    assert options["labels"] is None


@pytest.mark.parametrize(
    ("name", "kind", "store"),
    [
        ("csv-to-h5", "csv", "data.h5"),
        ("csv-to-npy", "csv", "data.npy.d"),
        ("png-to-h5", "image", "data.h5"),
        ("png-to-npy", "image", "data.npy.d"),
    ],
)
def test_each_command_has_its_kind_and_its_store(command, asked, name, kind, store):
    assert command(name)[0] == 0
    assert (asked[0][0], asked[0][1], asked[0][2]["kind"]) == ("data", store, kind)


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["--seed", "-5"], "seed", -5),
        (["--test-fraction", "0.2"], "test_fraction", 0.2),
        (["--workers", "0"], "workers", 0),
        (["--dask", "local"], "dask", "local"),
        (["--overwrite"], "overwrite", True),
        (["--quiet"], "progress", False),
        (["--labels", "x.csv"], "labels", "x.csv"),
        (["--on-error", "skip"], "on_error", "skip"),
        (["--target-column", "a", "--target-column", "b"], "target_columns", ("a", "b")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_option_is_handed_on(command, asked, arguments, option, value):
    assert command("csv-to-h5", "from", "to.h5", *arguments)[0] == 0
    assert asked[0][:2] == ("from", "to.h5")
    assert asked[0][2][option] == value


def test_every_option_of_every_command_is_one_of_pack():
    """A misspelled name would be told to the user as an unknown option of seekless.pack."""
    for command in (found for name, found in convert.commands.items() if "-to-" in name):
        names = {parameter.name for parameter in command.params} - {"source", "store", "quiet", "debug"}
        run_module._sorted({name: default for name, default in defaults(command).items() if name in names})


def defaults(command) -> dict:
    context = command.make_context(command.name, [])
    return dict(context.params)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["csv-to-h5", "--help"], ["png-to-npy", "-h"]], ids=str)
def test_help(command, arguments):
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: convert ")


def test_help_names_every_default():
    text = CliRunner().invoke(convert, ["csv-to-h5", "--help"]).output
    for words in (
        "(default: data)",
        "data.h5",
        "--seed",
        "--test-fraction",
        "--memory",
        "1GiB",
        "--overwrite",
        "--labels",
    ):
        assert words in text


def test_version(command):
    code, out, _ = command("--version")
    assert code == 0
    assert out.split()[-1] == seekless.__version__


def test_the_console_command(tiny_csv, monkeypatch, capsys):
    monkeypatch.chdir(tiny_csv.root.parent)
    monkeypatch.setattr(sys, "argv", ["convert", "csv-to-h5", "--quiet"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert len(seekless.open("data.h5")) == 130


def test_python_m_seekless_convert(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "seekless", "convert", "csv-to-h5", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: none: found no such folder, expected")
    assert len(done.stderr.splitlines()) == 1


OLD_CLICK = """
import click
def refused(kind):
    raise TypeError("type 'ParamType' is not subscriptable")
click.ParamType.__class_getitem__ = classmethod(lambda kind, item: refused(kind))
import seekless.convert.cli
"""


def test_a_click_whose_parameter_types_take_no_type(tmp_path):
    """As before click 8.4."""
    subprocess.run([sys.executable, "-c", OLD_CLICK], cwd=tmp_path, check=True, timeout=60)

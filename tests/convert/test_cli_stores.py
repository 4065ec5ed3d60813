"""The commands that make something new of stores: what they print, where, and how they end."""

import numpy as np
import pytest

import seekless
from seekless.convert import extract as extract_module
from seekless.convert import rewrite


@pytest.fixture
def two(tmp_path):
    """Two stores of 20 numbered samples each."""
    for place, name in enumerate(("a.h5", "b.h5")):
        numbers = np.arange(20) + 20 * place
        seekless.write(
            tmp_path / name, np.ones((20, 3)) * numbers[:, None], numbers % 2, key=numbers, test_fraction=0.2
        )
    return tmp_path / "a.h5", tmp_path / "b.h5"


def test_shuffle_prints_what_was_done(tmp_path, two, convert):
    code, out, err = convert("shuffle", two[0], tmp_path / "out.h5", "--seed", 7)
    assert code == 0
    assert out.splitlines()[:4] == [
        f"{tmp_path / 'out.h5'}",
        "  samples  20 of 2 classes",
        "  shape    3",
        "  dtype    uint8 (as in the store)",
    ]
    assert "reading: 20 of 20 samples" in err
    assert "writing: 20 of 20 samples" in err
    assert seekless.open(tmp_path / "out.h5").header.seed == 7


def test_merge_prints_what_was_done(tmp_path, two, convert):
    code, out, err = convert("merge", *two, tmp_path / "out.h5", "--seed", 3, "--compression", "lz4")
    assert code == 0
    assert out.splitlines()[1:5] == [
        "  samples  40 of 2 classes",
        "  shape    3",
        "  dtype    uint8 (holds the values of all stores bit for bit)",
        "  codec    lz4",
    ]
    assert "reading: 40 of 40 samples" in err
    assert seekless.open(tmp_path / "out.h5").header.boundaries == (32, 40)


def test_extract_prints_what_was_done(tmp_path, two, convert):
    code, out, err = convert("extract", two[0], tmp_path / "out")
    assert code == 0
    lines = out.splitlines()
    assert lines[:3] == [str(tmp_path / "out"), "  samples  20 as CSV files", "  targets  target.csv"]
    assert lines[-1] == f"  again    convert csv-to-h5 {tmp_path / 'out'} NEW.h5"
    assert "extracting: 20 of 20 samples" in err


@pytest.mark.parametrize("command", ["shuffle", "merge", "extract"])
def test_quiet_prints_nothing(tmp_path, two, convert, command):
    stores = two if command == "merge" else two[:1]
    assert convert(command, *stores, tmp_path / "out.h5", "--quiet") == (0, "", "")
    assert (tmp_path / "out.h5").exists()


@pytest.mark.parametrize("command", ["shuffle", "merge"])
def test_an_existing_store_is_replaced_only_when_asked(tmp_path, two, convert, command):
    stores = two if command == "merge" else two[:1]
    code, out, err = convert(command, *stores, two[1], "--quiet")
    assert (code, out) == (1, "")
    assert err == f"error: {two[1]}: found something there; name another store, or replace it by --overwrite\n"
    assert convert(command, *stores, two[1], "--quiet", "--overwrite")[0] == 0
    assert len(seekless.open(two[1])) == (40 if command == "merge" else 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["shuffle", "a.h5"], 2, "Missing argument 'OUT'"),
        (["shuffle", "a.h5", "out"], 2, "found a store named 'out', expected a name that ends in .h5 or .npy.d"),
        (["shuffle", "c.h5", "out.h5"], 1, "c.h5: found no such file, expected a store"),
        (["shuffle", "a.h5", "out.h5", "--memory", "1KiB"], 2, "--memory: found 1024 bytes, expected 1 MiB or more"),
        (["merge", "a.h5", "out.h5"], 2, "merge: found 1 stores to join, expected two or more"),
        (["merge", "a.h5", "a.h5", "out.h5"], 1, "in a.h5 twice, expected every key once; --prefix puts"),
        (["extract", "a.h5", "b.h5"], 1, "b.h5: found something there, expected nothing"),
        (["extract", "a.h5", "out", "--memory", "5"], 2, "--memory: found 5 bytes"),
    ],
)
def test_errors_are_one_line(two, monkeypatch, convert, arguments, code, message):
    monkeypatch.chdir(two[0].parent)
    found, out, err = convert(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in two[0].parent.iterdir()) == ["a.h5", "b.h5"]


def test_debug_shows_the_traceback(two, convert):
    assert "Traceback" in convert("merge", *two, two[0], "--debug")[2]


@pytest.mark.parametrize(("command", "module"), [("shuffle", rewrite), ("merge", rewrite), ("extract", extract_module)])
def test_ctrl_c_leaves_nothing(tmp_path, two, monkeypatch, convert, command, module):
    def interrupted(table):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(module, "pieces", interrupted)
    stores = two if command == "merge" else two[:1]
    code, out, err = convert(command, *stores, tmp_path / "out.h5", "--quiet")
    assert (code, out) == (130, "")
    assert [line for line in err.splitlines() if line] == [  # click begins a new line
        f"{tmp_path / 'out.h5'}: nothing was written; the same command starts again",
        "stopped by Ctrl-C",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5"]

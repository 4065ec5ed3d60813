"""The commands that look at a store: what they print, where, and how they end."""

import json

import pytest

import seekless


def damage(path, field="x", block=0):
    table = seekless.open(path).tables[field]
    with open(table.path(block), "r+b") as file:
        file.seek(int(table.offset[block]))
        file.write(b"!")


def test_verify_says_that_all_is_well(convert, tiny_store):
    code, out, err = convert("verify", tiny_store)
    assert code == 0
    assert out.startswith(f"{tiny_store}: all ")
    assert out.count("\n") == 1
    assert "verifying: 7.7 kB of 7.7 kB, " in err


def test_verify_quiet_says_nothing_where_all_is_well(convert, tiny_store):
    assert convert("verify", tiny_store, "--quiet") == (0, "", "")


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_verify_names_each_bad_block_and_exits_with_1(convert, tiny_store, quiet):
    damage(tiny_store, "x", 2)
    damage(tiny_store, "y")
    code, out, err = convert("verify", tiny_store, *quiet)
    lines = out.splitlines()
    assert code == 1
    assert lines[0].startswith(f"{tiny_store}: block 2 of x (samples 6 to 8, byte ")
    assert lines[1].startswith(f"{tiny_store}: block 0 of y (samples 0 to 129, byte ")
    assert lines[2] == f"{tiny_store}: 2 of 46 blocks are damaged"
    assert len(lines) == 3
    assert bool(err) is not bool(quiet)


def test_verify_of_a_damaged_header_is_one_line_on_stderr(convert, tiny_store):
    with open(tiny_store, "r+b") as file:
        file.seek(500)
        file.write(b"!")
    code, out, err = convert("verify", tiny_store)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {tiny_store}: found ")
    assert err.count("\n") == 1


def test_info_prints_the_facts(convert, tiny_store):
    code, out, err = convert("info", tiny_store)
    assert (code, err) == (0, "")  # no bar where stderr is no terminal
    lines = out.splitlines()
    assert lines[:3] == [str(tiny_store), "  samples  130, in random order, seed 0", "  shape    6 x 6"]


def test_info_json_is_one_object_with_the_same_facts(convert, tiny_store):
    code, out, err = convert("info", tiny_store, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert (facts["samples"], facts["shape"], facts["values"]["high"]) == (130, [6, 6], 1.0)
    assert sum(found["samples"] for found in facts["classes"]) == 130


@pytest.mark.parametrize(("option", "read"), [("--scan", True), ("--no-scan", False)])
def test_info_reads_values_or_not(convert, tiny_store, option, read):
    assert ("--scan reads them" in convert("info", tiny_store, option)[1]) is not read


def test_info_of_no_store_is_one_line(convert, tmp_path):
    code, out, err = convert("info", tmp_path / "none.h5")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {tmp_path / 'none.h5'}: found no such file, expected a store")


def test_preview_draws_a_picture(convert, tiny_store, tmp_path):
    out = tmp_path / "sheet.png"
    code, text, err = convert("preview", tiny_store, out, "--class", "3", "--count", 4)
    assert (code, err) == (0, "")
    assert text.startswith(f"{out}: 4 samples, ")
    assert out.read_bytes().startswith(b"\x89PNG")
    code, text, err = convert("preview", tiny_store, out)
    assert (code, text) == (2, "")
    assert err.startswith(f"error: {out}: found an existing file")
    assert convert("preview", tiny_store, out, "--overwrite", "--quiet", "--seed", 1) == (0, "", "")


def test_verify_against_the_source(convert, tiny_store, tiny_csv):
    code, out, err = convert("verify", tiny_store, "--against", tiny_csv.root)
    assert code == 0
    assert out.splitlines()[1] == f"{tiny_store}: all 130 samples are those of {tiny_csv.root}, bit for bit"
    assert "comparing: 130 of 130 samples, " in err
    assert convert("verify", tiny_store, "--against", tiny_csv.root, "--quiet") == (0, "", "")


def test_verify_against_another_source_lists_what_differs_and_exits_with_1(convert, tiny_store, tiny_csv):
    (tiny_csv.root / "train" / "00001.csv").write_text("1 2\n")
    code, out, err = convert("verify", tiny_store, "--against", tiny_csv.root, "--quiet", "--workers", 0)
    assert (code, err) == (1, "")
    assert out.splitlines()[1:] == [
        "  different: 1 of 130 in both",
        "    train/00001.csv: found shape (6, 6) float64, expected (2,) float64",
    ]


def test_verify_against_takes_the_options_that_were_given_alone(convert, tiny_png, tmp_path):
    """A default of the command does not overrule what the store recorded."""
    convert("png-to-h5", tiny_png.root, tmp_path / "p.h5", "--resize", "fit", "--size", "4x5", "--channels", "3")
    code, out, _ = convert("verify", tmp_path / "p.h5", "--against", tiny_png.root, "--quiet")
    assert (code, out) == (0, "")
    code, out, _ = convert("verify", tmp_path / "p.h5", "--against", tiny_png.root, "--channels", "1")
    assert code == 1
    assert "found shape (4, 5, 3) uint8, expected (4, 5, 1) uint8" in out


def test_a_damaged_store_is_not_compared(convert, tiny_store, tiny_csv):
    damage(tiny_store)
    code, out, _ = convert("verify", tiny_store, "--against", tiny_csv.root)
    assert code == 1
    assert out.splitlines()[-1] == f"{tiny_store}: 1 of 46 blocks are damaged"


@pytest.mark.parametrize("option", [("--rows",), ("--workers", "2")], ids=str)
def test_options_of_a_source_need_one(convert, tiny_store, option):
    code, out, err = convert("verify", tiny_store, *option)
    assert (code, out) == (2, "")
    assert "found options of a source without --against SOURCE, expected it with them" in err

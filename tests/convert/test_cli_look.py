"""The commands that look at a store: what they print, where, and how they end."""

import json

import pytest

import seekless


def damage(path, field="x", block=0):
    table = seekless.open(path).tables[field]
    with open(table.path, "r+b") as file:
        file.seek(int(table.offset[block]))
        file.write(b"!")


def test_verify_says_that_all_is_well(convert, tiny_store):
    code, out, err = convert("verify", tiny_store)
    assert code == 0
    assert out.startswith(f"{tiny_store}: all ")
    assert out.count("\n") == 1
    assert "verifying: 100%" in err


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

"""The page is made of figures between markers, and of nothing else."""

import json
import re
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = "before\n<!-- bench:{} -->\nold\n<!-- /bench -->\nafter\n"
ABOUT = {
    "title": "An epoch",
    "state": "page cache hot",
    "machine": {"processor": "P", "cores": 2, "system": "S"},
    "versions": {"python": "3"},
}


def line(way, seconds, ratio, failed=None):
    figures = {"pack s": 1.5, "packed MB": 20.0, "first s": seconds, "next s": seconds, "cold s": None}
    figures |= {"disk s": 2 * seconds, "reads": 1234, "read MB": 5.0, "memory MB": 7.0, "parts": 40.0, "apart": 0.1}
    ratios = {"first/store": ratio, "next/store": ratio, "disk/store": ratio}
    return {"way": way, **figures, **ratios, "once": True, "failed": failed}


def race(rows):
    return {**ABOUT, "rows": rows, "asked": {"count": 3000}}


@pytest.fixture
def records():
    own, rival = line("the store, in a loop", 0.0123, 1.0), line("h5py, fancy indices", 0.123, 10.0)
    broken = line("Z", 1.0, None, "no luck") | {"disk s": None}
    csv = race([own, rival, broken])
    grown = [
        {"way": way, "GB": size, "seconds": size, "memory MB": 99.0, "ended": ended}
        for way, size, ended in (("a", 1.0, "whole"), ("a", 2.0, "whole"), ("b", 1.0, "out of memory"))
    ]
    sought = [
        {
            "order": "the store",
            "jumps": 1,
            "GB jumped over": 0.1,
            "MB read": 3.0,
            "seconds": 0.5,
            "times the store": 1.0,
        },
        {"order": "files", "jumps": 9, "GB jumped over": 9.1, "MB read": 3.0, "seconds": 5.0, "times the store": 10.0},
    ]
    return {
        "race-csv": csv,
        "race-photo": csv,
        "peers-csv": {**csv, "peers": {"grain": "0.2"}, "not installed": {"ffcv": "no compiler"}},
        "growth": {**ABOUT, "rows": grown, "limit": 100},
        "many-files": {**ABOUT, "rows": [{"files": 10, "seconds": 1.0, "files/s": 10.0}]},
        "seeks-csv": {**ABOUT, "rows": sought, "count": 70},
        "large": {**ABOUT, "rows": [{"way": "none", "reason": "needs root"}]},
        "help": {**ABOUT, "title": "Helping", "rows": [{"command": "x", "seconds": 0.25, "never": None}]},
    }


def block(scripts, name, records):
    from report import filled

    text = filled(PAGE.format(name), records)
    found = re.fullmatch(rf"before\n<!-- bench:{name} -->\n(.*)<!-- /bench -->\nafter\n", text, re.DOTALL)
    assert filled(text, records) == text  # once more changes nothing
    return found.group(1)


def test_a_race_is_a_table_with_ratios_and_failures_below(scripts, records):
    text = block(scripts, "race-csv", records)
    assert "| h5py, fancy indices | 1.50 | 20.0 | 0.123 (10x) |" in text
    assert "| cold, s |" not in text  # nothing was measured cold
    assert "1,234" in text
    assert "- Z: no luck" in text


def test_peers_are_named_with_versions_and_with_what_did_not_install(scripts, records):
    text = block(scripts, "peers-csv", records)
    assert "grain 0.2" in text
    assert "ffcv could not be installed: `no compiler`" in text


def test_growth_has_a_column_a_way_and_says_where_it_stops(scripts, records):
    text = block(scripts, "growth", records)
    assert "| GB of pixels | a | b |" in text
    assert "out of memory" in text
    assert text.rstrip().endswith("| 2.00 | 2.00 s, 99.0 MB | - |")


def test_readme_has_ways_of_both_races(scripts, records):
    text = block(scripts, "readme", records)
    assert "| h5py, fancy indices | 0.123 (10x) | 0.246 (10x) | 0.123 (10x) | 0.246 (10x) |" in text


def test_figures_without_a_place_of_their_own_are_shown_last(scripts, records):
    text = block(scripts, "other", records)
    assert text.startswith("**Helping**")
    assert "never" not in text
    assert "An epoch" not in text


def test_what_is_not_measured_says_which_command_does(scripts, records):
    assert "`make bench-peers`" in block(scripts, "peers-png", records)
    assert "needs root" not in block(scripts, "seeks-csv", records)


def test_a_marker_that_names_nothing_is_refused(scripts, records):
    with pytest.raises(click.ClickException, match="bench:nonsense: found no such block, expected one of machine"):
        block(scripts, "nonsense", records)


def test_plots_are_drawn_of_what_there_is(scripts, records, tmp_path):
    pytest.importorskip("matplotlib")
    from plots import draw_all

    drawn = list(draw_all(records, tmp_path.joinpath))
    assert [path.name for path in drawn] == [
        "benchmarks-disk.png",
        "benchmarks-growth.png",
        "benchmarks-files.png",
        "benchmarks-seeks.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_the_page_has_only_markers_that_have_a_meaning(scripts):
    from report import BLOCK, BLOCKS

    names = [found[1] for found in BLOCK.findall((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"))]
    assert set(names) == {*BLOCKS, "other"} - {"readme"}


def test_all_figures_that_are_kept_can_be_read(scripts):
    from report import read

    for name, record in read(ROOT / "benchmarks" / "results").items():
        assert record["rows"], name
        assert json.dumps(record["machine"])


def test_every_script_has_a_line_in_the_table_of_programs(scripts):
    from bench import PROGRAMS

    known = {program.script for program in PROGRAMS.values()} | {"bench.py", "peers.py"}
    found = {path.name for path in scripts.glob("*.py") if '"--json"' in path.read_text()}
    assert found - known == set()


@pytest.mark.parametrize("size", ["quick", "full"])
def test_programs_are_given_only_options_that_they_have(scripts, size):
    from bench import HERE, PROGRAMS, arguments

    for name, program in PROGRAMS.items():
        script = HERE / program.script
        if not script.exists():
            continue
        text = script.read_text()
        for option in (part for part in arguments(name, size, Path("work")) if part.startswith("--")):
            assert f'"{option}"' in text, f"{name}: {option}"

"""All benchmarks are run by one table; rivals are installed beside, and what does not install is named."""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner


def test_a_program_leaves_its_figures_in_the_folder_of_results(scripts, tmp_path, monkeypatch, capfd):
    import bench

    monkeypatch.setattr(bench, "PROGRAMS", {"tiny": bench.Program("many_files.py", "--counts 20 --work {work}")})
    done = CliRunner().invoke(bench.main, ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "results" / "tiny.json").read_text())["rows"][0]["files"] == 20
    assert (tmp_path / "work" / "tiny-20").is_dir()
    assert "Conversions of more and more files" in capfd.readouterr().out


def test_one_that_is_not_there_yet_is_left_out_with_a_word(scripts, tmp_path, monkeypatch):
    import bench

    monkeypatch.setattr(bench, "PROGRAMS", {"later": bench.Program("not_written.py", "")})
    done = CliRunner().invoke(bench.main, ["--results", str(tmp_path)])
    assert done.exit_code == 0
    assert "later: not there yet" in done.output


def test_one_that_fails_makes_the_whole_fail_after_the_others_ran(scripts, tmp_path, monkeypatch):
    import bench

    programs = {
        "bad": bench.Program("many_files.py", "--counts none"),
        "good": bench.Program("many_files.py", "--counts 10"),
    }
    monkeypatch.setattr(bench, "PROGRAMS", programs)
    done = CliRunner().invoke(bench.main, ["--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "bad: exit code 1" in done.output
    assert (tmp_path / "good.json").exists()


def test_a_name_that_is_none_is_refused(scripts, tmp_path):
    import bench

    done = CliRunner().invoke(bench.main, ["--only", "nonsense", "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert "found nonsense, expected some of race-csv" in done.output


def test_every_peer_has_packages_and_a_way(scripts):
    from peers import PACKAGES
    from rivals.table import PEERS, TITLES

    assert list(PACKAGES) == list(PEERS)
    assert set(PEERS) < set(TITLES)
    assert all((scripts / "rivals" / f"{name}.py").exists() for name in PEERS)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "error: subprocess-exited-with-error\n  RuntimeError: Could not find required package: opencv.\nnote: no\n",
            "RuntimeError: Could not find required package: opencv.",
        ),
        ("WARNING: x\nERROR: No matching distribution found for y\n", "ERROR: No matching distribution found for y"),
        ("", "pip failed and gave no reason"),
    ],
)
def test_the_reason_why_one_cannot_be_installed_is_found(scripts, said, reason):
    from peers import why

    assert why(said) == reason


def test_an_interval_of_differences_is_that_of_student(scripts):
    from articles import half_width

    assert math.isnan(half_width([0.5]))
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / math.sqrt(3))
    assert half_width([1.0, 3.0] * 20) == pytest.approx(2.12 * math.sqrt(40 / 39) / math.sqrt(40))


def test_ways_that_read_the_same_file_share_it(scripts, tmp_path):
    from rivals.table import OWN, made

    folders = {name: type(made(name)).packed_as() for name in OWN}
    assert folders["store"] == folders["store-fit"] == folders["store-batches"]
    assert folders["pass"] == folders["dd"]
    assert folders["h5py-slices"] == folders["h5py-fancy"] != folders["memmap-fancy"]


def test_mixing_finds_a_sample_that_came_twice_and_a_wrong_label(scripts, tiny_csv):
    import numpy as np
    from measure import Measurer
    from rivals.way import Source

    source = Source(tiny_csv.root)
    x = source.stacked(source.files)
    y = source.labels
    for wrong, rows, labels in (
        (False, np.arange(130), y),
        (True, np.r_[0, 0, 2:130], y[np.r_[0, 0, 2:130]]),
        (True, np.arange(129), y[:129]),
        (True, np.arange(130), (y + 1) % 10),
    ):
        measurer = Measurer("pass", 64)
        for start in range(0, len(rows), 64):
            measurer._see(x[rows[start : start + 64]], labels[start : start + 64])
        assert measurer.mixing(str(Path(tiny_csv.root)))["once"] is not wrong

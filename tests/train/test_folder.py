"""A run's folder: its name, what is written to it whole or not at all, and what was said."""

import json

import pytest

from seekless.errors import OptionError
from seekless.train.folder import Log, new_run_folder, read_config, replacing, write_config


def test_runs_are_numbered(tmp_path):
    out = tmp_path / "deep" / "runs"
    made = [new_run_folder(out, "data").name for _ in range(3)] + [new_run_folder(out, "other").name]
    assert made == ["data-1", "data-2", "data-3", "other-1"]
    assert sorted(path.name for path in out.iterdir()) == sorted(made)


def test_no_run_takes_the_place_of_another(tmp_path):
    (tmp_path / "data-1").write_text("a file of the user's")
    (tmp_path / "data-3").mkdir()
    (tmp_path / "data-3" / "model.keras").write_text("trained for days")
    assert [new_run_folder(tmp_path, "data").name for _ in range(2)] == ["data-2", "data-4"]
    assert (tmp_path / "data-3" / "model.keras").read_text() == "trained for days"


def test_a_name_is_taken_as_it_is_and_only_once(tmp_path):
    assert new_run_folder(tmp_path, "best try", exact=True) == tmp_path / "best try"
    with pytest.raises(OptionError, match=r"--name: found a run .*best try, expected a new name; no run is replaced"):
        new_run_folder(tmp_path, "best try", exact=True)


def test_a_file_is_no_folder_for_runs(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(OptionError, match=r"--out: found the file .*runs, expected a folder for runs"):
        new_run_folder(tmp_path / "runs", "data")


def test_the_configuration_is_json_that_reads_back(tmp_path):
    config = {"options": {"seed": 3, "model": "lenet", "test_fraction": None}, "data": {"store": "d\u00e4ta.h5"}}
    write_config(tmp_path, config)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) == read_config(tmp_path) == config


def test_a_configuration_that_is_none_is_told(tmp_path):
    assert read_config(tmp_path) == {}
    for text in ("{", "[1]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(OptionError, match=r"config\.json: found no JSON object, expected what train wrote"):
            read_config(tmp_path)


def test_a_file_takes_the_place_of_another_only_when_it_is_whole(tmp_path):
    path = tmp_path / "model.keras"
    with replacing(path) as partial:
        partial.write_text("first")

    def half():
        with replacing(path) as partial:
            partial.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        half()
    assert path.read_text() == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_said_is_kept_also_where_it_is_not_printed(tmp_path, capsys, quiet):
    log = Log(tmp_path, quiet=quiet)
    log.say("one")
    log.warn("two")
    log.keep("three")
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\nthree\n"
    assert capsys.readouterr() == (("", "") if quiet else ("one\n", "two\n"))

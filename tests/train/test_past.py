"""What is refused of a run that is to go on, and in which words."""

import json
import re

import pytest

from seekless.errors import OptionError, TrainError
from seekless.train.folder import write_config
from seekless.train.options import Options
from seekless.train.past import Past, read_past


@pytest.fixture
def run(tmp_path):
    """The folder of a run on data.h5, as its config.json says."""
    (tmp_path / "data.h5").write_text("")
    folder = tmp_path / "run"
    folder.mkdir()
    options = Options(store=str(tmp_path / "data.h5"), epochs=3, metrics=("mae",), quiet=True)
    data = {"samples": 9, "checksum": "00ff", "folder": "/begun/here"}
    versions = {"backend": "jax", "keras": "1.0", "python": "3.9"}
    write_config(folder, {"options": options.as_dict(), "data": data, "versions": versions})
    return folder


def test_options_are_those_of_the_run_but_for_epochs_and_quiet(run):
    past = read_past(str(run), epochs=5)
    assert (past.options.epochs, past.options.metrics, past.options.quiet) == (5, ("mae",), False)
    assert past.backend == "jax"
    assert read_past(str(run), quiet=True).options.quiet
    assert read_past(str(run)).options.epochs == 3


def test_fewer_epochs_are_told(run):
    with pytest.raises(OptionError, match="--epochs: found 2, expected 3 or more, as the run was begun for"):
        read_past(str(run), epochs=2)


def test_what_is_no_run_is_told(run, tmp_path):
    with pytest.raises(OptionError, match=r"--continue .*/nowhere: found no such folder, expected that of a run"):
        read_past(str(tmp_path / "nowhere"))
    for text in (None, "{}", json.dumps({"options": {}})):
        (run / "config.json").unlink(missing_ok=True)
        if text is not None:
            (run / "config.json").write_text(text)
        with pytest.raises(OptionError, match=r"found no config\.json of a run in it, expected the folder of a run"):
            read_past(str(run))


def test_a_store_that_is_not_there_is_told_with_the_folder_of_the_beginning(run, tmp_path):
    (tmp_path / "data.h5").unlink()
    message = rf"found no {re.escape(str(tmp_path / 'data.h5'))}, expected what .* begun on; .* begun in, /begun/here"
    with pytest.raises(TrainError, match=message):
        read_past(str(run))


@pytest.mark.parametrize(("name", "found"), [("samples", 10), ("checksum", "00fe")])
def test_data_that_have_changed_are_told(run, name, found):
    past = read_past(str(run))
    past.check_data({"samples": 9, "checksum": "00ff", "store": "elsewhere"})
    message = (
        rf"data\.h5: found {name} {found}, expected .*: it has changed since the run began; give it back, or train a"
    )
    with pytest.raises(TrainError, match=message):
        past.check_data({"samples": 9, "checksum": "00ff", name: found})


def test_other_versions_are_named(run):
    past = read_past(str(run))
    assert past.changes({"keras": "1.0", "python": "3.10", "torch": "2"}) == ""
    said = "this is keras 1.1, not 1.0: results may differ from an unbroken run"
    assert past.changes({"keras": "1.1", "python": "3.10"}) == said


def test_an_epoch_goes_on_with_as_many_processes_as_share_it(tmp_path):
    past = Past(tmp_path, Options("data.h5"), {"ranks": 4})
    past.check_ranks(4, steps=7)
    past.check_ranks(2, steps=0)
    message = (
        "found 2 processes that train together, expected 4, which share the epoch .* after 7 batches; start as many"
    )
    with pytest.raises(OptionError, match=message):
        past.check_ranks(2, steps=7)
    with pytest.raises(OptionError, match="found 2 processes that train together, expected 1"):
        Past(tmp_path, Options("data.h5"), {}).check_ranks(2, steps=7)

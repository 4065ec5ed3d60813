"""What is said of how batches are mixed: in the log always, on the terminal where training would suffer."""

import numpy as np
import pytest

from seekless.errors import StoreFormatError
from seekless.train.data import open_data
from seekless.train.folder import Log
from seekless.train.mixing import mixing_of
from seekless.train.options import Options


def told(options, tmp_path, capsys) -> tuple[str, str, str]:
    """What is in the log, on stdout and on stderr."""
    mixing_of(open_data(options).open_parts(False).train).tell(Log(tmp_path, quiet=False))
    log = tmp_path / "log.txt"
    return (log.read_text() if log.exists() else "", *capsys.readouterr())


def test_how_batches_are_mixed_is_kept_and_not_printed(numbered, tmp_path, capsys):
    log, out, err = told(Options(str(numbered())), tmp_path, capsys)
    assert log.startswith("reader   pread")
    assert "window   17 of 17 blocks" in log
    assert "labels   " in log
    assert (out, err) == ("", "")


def test_bad_mixing_is_printed_once_in_the_words_of_the_command(make_store, tmp_path, capsys):
    path = make_store(np.zeros((4000, 1), np.uint8), np.repeat(np.arange(10), 400), block=40, shuffled=False)
    log, out, err = told(Options(str(path), window_bytes=100), tmp_path, capsys)
    assert out == ""
    assert err.startswith("the labels of a batch are far from those of all")
    assert "give --window-bytes 900 or more" in err
    assert log.count(err) == 1
    assert log.count("far from") == 1


def test_of_loose_files_nothing_is_said(tiny_csv, tmp_path, capsys):
    assert told(Options(files=str(tiny_csv.root)), tmp_path, capsys) == ("", "", "")


def test_damaged_targets_are_told_before_a_run_has_a_folder(numbered, tmp_path):
    from seekless.train.fit import train_model

    path = numbered()
    data = path.read_bytes()
    targets = (np.arange(130) % 3).tobytes()
    assert data.count(targets) == 1
    at = data.index(targets)
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with pytest.raises(StoreFormatError, match=r"data\.h5: .*block"):
        train_model(Options(str(path), out=str(tmp_path / "runs"), quiet=True))
    assert not (tmp_path / "runs").exists()

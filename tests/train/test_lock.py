"""One process at a time trains in a run's folder."""

import os
import subprocess
import sys

import pytest

from seekless.errors import TrainError
from seekless.train.lock import in_use

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs flock")


def test_a_folder_in_use_is_refused_and_told_by_whom(tmp_path):
    message = rf"found it in use by process {os.getpid()} on .+, expected a run that"
    with in_use(tmp_path), pytest.raises(TrainError, match=message):
        in_use(tmp_path).__enter__()
    with in_use(tmp_path):
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_a_process_that_was_killed_leaves_it_free(tmp_path):
    program = "import os, sys, pathlib; from seekless.train.lock import in_use\n"
    program += "with in_use(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    with in_use(tmp_path):
        pass
    assert not list(tmp_path.iterdir())

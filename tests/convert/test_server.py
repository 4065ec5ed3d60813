"""Worker processes come from a process that is started before they are needed, and only where some will be."""

import os
import re
import signal
import subprocess
import sys

import pytest

from seekless.convert import server
from seekless.convert.server import available_cores, start_early

SCRIPT = """
import sys
from multiprocessing.forkserver import _forkserver
from seekless.convert.server import start_early
start_early({workers})
print(_forkserver._forkserver_pid is not None, "numpy" in sys.modules)
"""


def test_cores():
    assert available_cores() >= 1


@pytest.mark.parametrize(("workers", "started"), [("2", "True"), ("0", "False")])
def test_it_is_started_before_anything_large_is_imported(workers, started):
    script = SCRIPT.format(workers=workers)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{started} False\n", "")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_server_that_is_starting_hears_no_ctrl_c():
    script = SCRIPT.format(workers=2) + 'print(open(f"/proc/{_forkserver._forkserver_pid}/status").read())'
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    blocked = int(re.findall(r"SigBlk:\s*([0-9a-f]+)", done.stdout)[0], 16)
    assert blocked >> (signal.SIGINT - 1) & 1


def test_not_on_one_core(monkeypatch):
    monkeypatch.setattr(server, "available_cores", lambda: 1)
    monkeypatch.setattr(server, "worker_context", None)  # calling it would fail
    start_early(None)
    assert server.worker_context is None

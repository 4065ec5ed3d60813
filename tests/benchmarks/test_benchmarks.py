"""Every benchmark runs at toy size, so that none can rot; those that need TensorFlow in test_one_process.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOYS = {
    "decode_csv.py": ["--count", "20", "--repeats", "1"],
    "decode_png.py": ["--count", "40", "--repeats", "1"],
    "help_time.py": ["--repeats", "1"],
    "listing.py": ["--count", "500"],
    "opening.py": ["--samples", "500", "--chunks", "40", "--repeats", "1"],
    "convert.py": ["--csv", "40", "--png", "40", "--photo", "4", "--repeats", "1"],
    "convert_memory.py": ["--photo", "8", "--workers", "1", "--million", "--tiny", "100"],
    "loader_memory.py": ["--gib", "0.02", "--epochs", "1"],
    "seek_distance.py": ["--count", "60"],
    "scale.py": ["--counts", "600,1200,2400"],
    "remote_store.py": ["--mb", "4", "--block-kb", "256", "--delay", "2", "--repeats", "1"],
}
MEMORY = ("convert_memory.py", "loader_memory.py")
EXTRA = {"scale.py": "distributed"}
NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is told by Linux's /proc")


@pytest.mark.parametrize(
    "script",
    [pytest.param(script, marks=NEEDS_PROC) if script in MEMORY else script for script in TOYS],
)
def test_a_benchmark_runs_and_writes_its_figures(script, tmp_path):
    if script in EXTRA:
        pytest.importorskip(EXTRA[script], reason=f"{EXTRA[script]} is not installed")
    command = [sys.executable, ROOT / "benchmarks" / script, *TOYS[script], "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["rows"]
    assert figures["versions"]["seekless"]
    assert figures["state"]
    assert figures["title"] in done.stdout

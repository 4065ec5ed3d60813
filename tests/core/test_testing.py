"""The pytest plugin: its fixtures hold what they say, come by name alone, and cost nothing until they are used."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seekless
from seekless import testing

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("numpy", "h5py", "PIL", "keras", "tensorflow", "matplotlib", "tqdm", "click", "orjson")
ROOMS = tuple(f"seekless.{room}" for room in ("source", "store", "convert", "loader", "train"))

LISTED = f"[name for name in {HEAVY + ROOMS!r} if name in sys.modules]"
USED = """
import sys

def test_of_another_project(request):
    assert "seekless.testing" in sys.modules
    assert request.fixturenames == ["request"]
    assert {listed} == []
    assert request.getfixturevalue("tiny_csv").number("train/00007.csv") == 7
    assert "numpy" in sys.modules
    assert {listed} == ["numpy"]
    request.getfixturevalue("tiny_store")
    assert "seekless.store" in sys.modules
"""


def pytest_of_another_project(folder: Path, content: str, *arguments: str, **environment: str):
    """Run pytest in a new process, in a folder that has nothing but one test file."""
    (folder / "theirs").mkdir()
    (folder / "theirs" / "test_theirs.py").write_text(content)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=folder / "theirs", env={**kept, **environment}, capture_output=True, text=True, check=False
    )


def test_importing_the_plugin_imports_nothing_heavy():
    code = f"import sys\nimport seekless.testing\nprint({LISTED})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_pytest_uses_no_fixture_and_imports_nothing_heavy_unasked(tmp_path):
    done = pytest_of_another_project(
        tmp_path, USED.format(listed=LISTED), "-p", "seekless.testing", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    assert done.returncode == 0, done.stdout


def test_pytest_finds_the_plugin_where_seekless_is_installed():
    assert "seekless.testing" in entry_points(group="pytest11").names, "an installation of before; install it again"


def test_the_example_of_the_docs_runs_in_another_project(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    done = pytest_of_another_project(tmp_path, example)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_another_project_can_leave_the_plugin_out(tmp_path):
    done = pytest_of_another_project(tmp_path, "def test(tiny_csv): pass", "-p", "no:seekless.testing")
    assert done.returncode == 1
    assert "fixture 'tiny_csv' not found" in done.stdout


@pytest.mark.parametrize("asked", ["", 'pytest_plugins = ["seekless.testing"]\n'], ids=["-p", "-p and pytest_plugins"])
def test_another_project_can_name_the_plugin_again(tmp_path, asked):
    content = f"{asked}def test(tiny_csv): assert tiny_csv.root.is_dir()"
    done = pytest_of_another_project(tmp_path, content, "-p", "seekless.testing")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_has_no_hook(pytestconfig):
    assert pytestconfig.pluginmanager.get_plugin("seekless.testing") is testing
    assert pytestconfig.pluginmanager.get_hookcallers(testing) == []


def test_all_is_sorted_and_every_name_is_documented():
    assert testing.__all__ == sorted(testing.__all__)
    page = (ROOT / "docs" / "testing.md").read_text()
    assert [name for name in testing.__all__ if f"`{name}`" not in page and f".{name}`" not in page] == []


def test_csv_files_hold_what_is_said(tiny_csv):
    files = sorted((tiny_csv.root / "train").iterdir())
    assert (tiny_csv.images.dtype, tiny_csv.images.shape) == (np.uint8, (130, 6, 6))
    assert [tiny_csv.number(f"train/{file.name}") for file in files] == list(range(130))
    assert (np.array([np.loadtxt(file) for file in files]) == tiny_csv.images / 255).all()
    assert not tiny_csv.images[-1].any()
    lines = [line.split(",") for line in (tiny_csv.root / "target.csv").read_text().splitlines()]
    assert sorted(lines) == [[f"{number:05d}", str(label)] for number, label in enumerate(tiny_csv.labels)]
    assert lines != sorted(lines)
    assert tiny_csv.labels.dtype == np.int64
    assert np.bincount(tiny_csv.labels).tolist() == [12, 13, 12, 16, 8, 12, 12, 21, 10, 14]


def test_png_files_hold_the_same(tiny_png, tiny_csv):
    files = {tiny_png.number(file.name): file for file in tiny_png.root.rglob("*.png")}
    assert sorted(files) == list(range(130))
    for number, file in files.items():
        with Image.open(file) as image:
            assert image.mode == "L"
            assert (np.asarray(image) == tiny_csv.images[number]).all()
        assert int(file.parent.name) == tiny_png.labels[number] == tiny_csv.labels[number]
    store = tiny_png.root.parent / "png.h5"
    assert seekless.pack(tiny_png.root, store, progress=False).classes == 10
    assert seekless.open(store).class_names == tuple("0123456789")


def test_the_store_is_of_several_blocks(tiny_store):
    store = seekless.open(tiny_store)
    assert (len(store), store.class_names, store.header.boundaries) == (130, None, ())
    assert (len(store.tables["x"]), store.header.fields["x"].block_length) == (44, 3)


def test_the_sharded_store_holds_the_same(tiny_sharded_store, tiny_store):
    shards = list(tiny_sharded_store.with_name("sharded-shards").glob("*.h5"))
    assert len(shards) >= 3
    store, whole = seekless.open(tiny_sharded_store), seekless.open(tiny_store)
    assert store.keys == whole.keys
    assert [part.tobytes() for part in store[:]] == [part.tobytes() for part in whole[:]]

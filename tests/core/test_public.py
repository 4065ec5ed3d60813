"""The public names, and what importing them costs."""

import subprocess
import sys

import pytest

import seekless

HEAVY = ("keras", "tensorflow", "h5py", "numpy", "PIL", "matplotlib", "tqdm")


def test_all_is_sorted_and_every_name_can_be_had():
    assert seekless.__all__ == sorted(seekless.__all__)
    for name in seekless.__all__:
        assert getattr(seekless, name).__name__ == name


def test_no_public_name_is_that_of_a_package():
    assert not {"convert", "loader", "train", "source", "store"} & set(seekless.__all__)


def test_dir_lists_the_public_names():
    assert set(seekless.__all__) <= set(dir(seekless))


def test_version_is_the_installed_one():
    assert seekless.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = seekless.nothing


def loaded_after(code: str) -> set[str]:
    listing = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import seekless",
        "import seekless.errors",
        "from seekless.convert.cli import convert\nconvert.main(['--help'], standalone_mode=False)",
        "from seekless.convert.cli import convert\nconvert.main(['csv-to-h5', '--help'], standalone_mode=False)",
        "from seekless.convert.cli import convert\nconvert.main(['verify', '--help'], standalone_mode=False)",
        "from seekless.convert.cli import convert\nconvert.main(['merge', '--help'], standalone_mode=False)",
        "from seekless.train.cli import train\ntrain.main(['--help'], standalone_mode=False)",
    ],
    ids=[
        "import",
        "errors",
        "convert --help",
        "convert csv-to-h5 --help",
        "convert verify --help",
        "convert merge --help",
        "train --help",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert loaded_after(code) == set()


def test_opening_a_store_needs_no_keras():
    assert "keras" not in loaded_after("import seekless\nseekless.open\nseekless.pack\nseekless.batches")

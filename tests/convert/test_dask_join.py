"""A cluster is named in several ways; what names none is an error, and nothing of Dask is imported for nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import seekless
from seekless.convert import dask_join
from seekless.convert.dask_join import connected
from seekless.errors import ConvertError, MissingExtraError, OptionError

QUIET = {"progress": False}


def test_without_distributed_the_extra_is_named(monkeypatch, tiny_csv, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        MissingExtraError, match=r"^--dask: found no package distributed, .*pip install 'seekless\[dask"
    ):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask="tcp://127.0.0.1:1", **QUIET)
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_together_with_workers_it_is_refused(tiny_csv, tmp_path):
    with pytest.raises(OptionError, match=r"^--dask: found together with --workers 2, expected one of them"):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask="local", workers=2, **QUIET)


def test_a_source_of_this_process_is_refused(tmp_path):
    upath = pytest.importorskip("upath")
    place = upath.UPath("memory://nobody-else")
    with pytest.raises(
        OptionError, match=r"^--dask: found the source memory://nobody-else.*, which other processes can"
    ):
        seekless.pack(place, tmp_path / "a.h5", dask="local", **QUIET)


@pytest.mark.parametrize("dask", [5, Path("here"), True])
def test_what_names_no_cluster(dask):
    pytest.importorskip("distributed")
    text = r"^--dask: found .*, expected a scheduler's address such as tcp://host:8786"
    with pytest.raises(OptionError, match=text), connected(dask):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no address", "what://127.0.0.1:1"])
def test_nobody_answers(monkeypatch, tiny_csv, tmp_path, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_join, "TO_CONNECT", 0.5)
    with pytest.raises(
        ConvertError, match=rf"^--dask {re.escape(address)}: found no scheduler there .*`dask scheduler`"
    ):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask=address, **QUIET)
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_nothing_of_dask_is_imported_without_it(tiny_csv, tmp_path):
    code = (
        "import sys, seekless; seekless.pack(sys.argv[1], sys.argv[2], workers=0, progress=False); "
        "print([name for name in sys.modules if 'dask' in name or 'distributed' in name])"
    )
    command = [sys.executable, "-c", code, str(tiny_csv.root), str(tmp_path / "a.h5")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"

"""What a cluster lacks is said before anything is read, in words that name the worker."""

import re
import sys
from pathlib import Path

import pytest

import seekless
from seekless.convert import dask_cluster, dask_tasks
from seekless.convert.dask_cluster import connected
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
    with pytest.raises(OptionError, match="^--dask: found together with --workers 2, expected one of them"):
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
    monkeypatch.setattr(dask_cluster, "TO_CONNECT", 0.5)
    with pytest.raises(
        ConvertError, match=rf"^--dask {re.escape(address)}: found no scheduler there .*`dask scheduler`"
    ):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask=address, **QUIET)
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_site_that_cannot_be_seen(tmp_path, monkeypatch):
    site = dask_tasks.Site(tmp_path, "sign", versions=dask_tasks.versions_here())
    assert re.fullmatch(r"no .*/sign, expected a folder that all workers see at the same path", site.complaint())
    with pytest.raises(ConvertError, match=r"^--dask: found on .* no .*/sign, expected a folder that all workers see"):
        site.check()
    with pytest.raises(ConvertError, match="sign: found it gone, expected it while the run goes on"):
        site.goes_on()
    (tmp_path / "sign").touch()
    assert site.complaint() is None
    assert dask_tasks.look(site, (tmp_path,)) is None
    assert dask_tasks.look(site, (tmp_path / "missing",)).startswith("that nothing can be written to ")
    unseen = dask_tasks.Site(tmp_path, "sign", tmp_path / "a.csv", 7)
    assert re.fullmatch(r"no .*/a.csv, or another one, expected a source that all .*", unseen.complaint())
    assert unseen.complaint(reading=False) is None
    other = dask_tasks.Site(tmp_path, "sign", versions=(("seekless", "9.9"),))
    assert re.fullmatch(r"seekless \S+, expected 9.9, as another one may write other bytes", other.complaint())

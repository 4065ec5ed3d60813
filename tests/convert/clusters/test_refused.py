"""A cluster whose workers see other files, or have other packages, is refused before anything is read."""

import re

import pytest

import seekless
from seekless.convert import dask_cluster
from seekless.errors import ConvertError

QUIET = {"progress": False}


def refused(source, path, cluster, text) -> None:
    address = re.escape(cluster.scheduler_address)
    with pytest.raises(
        ConvertError, match=rf"^--dask {address}: found on tcp://\S+ {text} \(3 of 3 workers like it\)$"
    ):
        seekless.pack(source, path, dask=cluster, **QUIET)
    assert [file.name for file in path.parent.iterdir()] == ["data"]


def test_another_version(tiny_csv, tmp_path, cluster, monkeypatch):
    here = (("seekless", "9.9"), *dask_cluster.versions_here()[1:])
    monkeypatch.setattr(dask_cluster, "versions_here", lambda: here)
    refused(tiny_csv.root, tmp_path / "a.h5", cluster, r"seekless \S+, expected 9.9 as here")


def test_no_package(tiny_csv, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_VERSIONS", "[('seekless', None)]")
    refused(tiny_csv.root, tmp_path / "a.h5", cluster, r"seekless not installed, expected \S+ as here")


def test_another_source(tiny_csv, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_witness", lambda source: (tmp_path / "elsewhere.csv", 1))
    refused(
        tiny_csv.root, tmp_path / "a.h5", cluster, r"no \S+/elsewhere.csv, or another one, expected a source that .*"
    )


def test_a_folder_that_cannot_be_seen(tiny_csv, tmp_path, cluster, monkeypatch):
    """The sign is there, but not where workers look for it."""
    monkeypatch.setattr(dask_cluster.Cluster, "_ask", hidden(dask_cluster.Cluster._ask))
    refused(tiny_csv.root, tmp_path / "a.h5", cluster, r"no \S+/sign-\w+, expected a folder that all workers see .*")


def hidden(ask):
    def call(cluster, function, *arguments):
        if function is dask_cluster.look:
            site = arguments[0]
            sign = site.folder / site.sign
            sign.unlink()
            answers = ask(cluster, function, *arguments)
            sign.touch()
            return answers
        return ask(cluster, function, *arguments)

    return call


@pytest.mark.usefixtures("in_small_runs")
def test_a_worker_that_comes_later_looks_for_itself(tiny_csv, tmp_path, cluster, monkeypatch):
    """As if none had been there when all were asked: its samples are not taken for bad ones, nor left out."""
    monkeypatch.setattr(dask_cluster, "_witness", lambda source: (tmp_path / "elsewhere.csv", 1))
    ask = dask_cluster.Cluster._ask
    monkeypatch.setattr(
        dask_cluster.Cluster, "_ask", lambda self, do, *rest: {} if do is dask_cluster.look else ask(self, do, *rest)
    )
    text = r"^--dask: found on \S+ no \S+/elsewhere.csv, or another one, expected a source that all workers see"
    with pytest.raises(ConvertError, match=text):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask=cluster, on_error="skip", **QUIET)


def test_no_worker(tiny_csv, tmp_path, started, monkeypatch):
    monkeypatch.setattr(dask_cluster, "TO_BEGIN", 0.3)
    started.start_scheduler()
    text = rf"^--dask {re.escape(started.address)}: found no worker within 0 seconds, expected one or more; start them"
    with pytest.raises(ConvertError, match=text):
        seekless.pack(tiny_csv.root, tmp_path / "a.h5", dask=started.address, **QUIET)

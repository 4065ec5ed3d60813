"""What a cluster lacks is said before anything is read, in words that name the worker."""

import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

import seekless
from seekless.convert import dask_cluster, dask_tasks
from seekless.convert.dask_cluster import connected
from seekless.convert.dask_tasks import versions_here
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


def test_nothing_of_dask_is_imported_without_it(tiny_csv, tmp_path):
    code = (
        "import sys, seekless; seekless.pack(sys.argv[1], sys.argv[2], workers=0, progress=False); "
        "print([name for name in sys.modules if 'dask' in name or 'distributed' in name])"
    )
    command = [sys.executable, "-c", code, str(tiny_csv.root), str(tmp_path / "a.h5")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


class Client:
    """A scheduler that answers as it is told to."""

    status = "running"
    workers: ClassVar[dict[str, int]] = {"tcp://a:1": 2, "tcp://b:1": 4}

    def wait_for_workers(self, count, timeout):
        pass

    def nthreads(self):
        return self.workers

    def subscribe_topic(self, topic, hear):
        self.hear = hear

    def unsubscribe_topic(self, topic):
        pass

    def run(self, function, *arguments, on_error):
        return {worker: [*versions_here()] if function is eval else None for worker in self.workers}

    def submit(self, do, site, task, key, pure):
        return Future(key)


class Future:
    status = "error"

    def __init__(self, key, error=None):
        self.key, self.error = key, error

    def add_done_callback(self, call):
        if self.error is not None:
            call(self)

    def result(self, timeout):
        raise self.error

    def release(self):
        pass


class Task:
    number = 0

    def __str__(self):
        return "a.csv to b.csv"


@pytest.fixture
def cluster(tmp_path):
    """A cluster that does nothing."""
    pytest.importorskip("distributed")
    made = dask_cluster.Cluster(Client(), "tcp://s:1")
    made.settle(tmp_path / "parts", [], ())
    yield made
    made.leave()
    assert list((tmp_path / "parts").iterdir()) == []


def do():
    pass


def worked(cluster):
    return list(cluster.work(do, iter([Task()]), lambda *numbers: None))


def test_what_a_task_may_take_and_how_many_there_are(cluster):
    assert (cluster.slots, cluster.memory(1 << 30)) == (6, 1 << 28)


def test_a_task_that_kills_its_workers(cluster, monkeypatch):
    from distributed.scheduler import KilledWorker

    killed = KilledWorker("a", None, 3)
    monkeypatch.setattr(Client, "submit", lambda client, do, site, task, key, pure: Future(key, killed))
    text = (
        r"^--dask tcp://s:1: worker processes died \(killed, or out of memory\) each time that one did a.csv to b.csv;"
    )
    with pytest.raises(ConvertError, match=text):
        worked(cluster)


def test_an_error_of_a_task_is_raised_as_it_is(cluster, monkeypatch):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Client, "submit", lambda client, do, site, task, key, pure: Future(key, full))
    with pytest.raises(OSError, match="No space left on device"):
        worked(cluster)


def test_no_worker_is_left(cluster, monkeypatch):
    monkeypatch.setattr(Client, "workers", {})
    for name, seconds in {"PATIENCE": 0.01, "COUNT_EVERY": 0.0, "TO_RETURN": 0.1}.items():
        monkeypatch.setattr(dask_cluster, name, seconds)
    text = "^--dask tcp://s:1: found no worker any more for 0 seconds, expected one to do a.csv to b.csv; start workers"
    with pytest.raises(ConvertError, match=text):
        worked(cluster)


@pytest.mark.parametrize("when", ["waiting", "submitting", "counting", "asking"])
def test_no_scheduler_is_left(cluster, monkeypatch, tmp_path, when):
    def gone(*arguments, **named):
        raise OSError("Stream is closed")

    monkeypatch.setattr(dask_cluster, "PATIENCE", 0.01)
    if when == "waiting":
        monkeypatch.setattr(Client, "status", "connecting")
    else:
        monkeypatch.setattr(Client, {"submitting": "submit", "counting": "nthreads", "asking": "run"}[when], gone)
        monkeypatch.setattr(dask_cluster, "COUNT_EVERY", 0.0)
    with pytest.raises(ConvertError, match=r"^--dask tcp://s:1: found that the scheduler does not answer any more, "):
        worked(cluster) if when != "asking" else cluster.settle(tmp_path / "parts", [], ())


def test_without_a_site_nothing_is_done(cluster):
    cluster.leave()
    with pytest.raises(ConvertError, match="found no folder that was looked at, expected `settle` to come first"):
        cluster.note("plan", 1)

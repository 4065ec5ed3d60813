"""What goes wrong with a cluster is said in words: of a task, of its workers, of its scheduler."""

from typing import ClassVar

import pytest

from seekless.convert import dask_cluster
from seekless.convert.dask_site import versions_here
from seekless.errors import ConvertError


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

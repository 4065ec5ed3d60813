"""What is lost on the way: a worker, the scheduler, or the patience of who started it. The bytes are the same."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

import seekless
from seekless.errors import ConvertError, ResumeError

pytestmark = pytest.mark.usefixtures("in_small_runs")


def kill_one(client) -> None:
    """Kill one worker process, as the kernel does that has no memory left."""
    victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGKILL)


@pytest.mark.parametrize(("moment", "way"), [("reading", "one file"), ("writing", "shards")])
def test_a_worker_that_is_killed_costs_nothing_but_time(
    source, expected, ways, cluster, tmp_path, content_of, acting, moment, way
):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        follow = acting(moment, 0.2, lambda: kill_one(client))
        seekless.pack(source, tmp_path / "data.h5", dask=cluster, **{**ways[way], "progress": follow})
        assert follow.done
        assert content_of(tmp_path / "data.h5") == expected[way]
        client.wait_for_workers(3, timeout=60)


def test_a_scheduler_that_is_killed_is_an_error_and_the_work_is_gone_on_with(
    source, expected, ways, started, cluster, tmp_path, content_of, acting
):
    path = tmp_path / "data.h5"
    started.start_scheduler()
    for _ in range(2):
        started.start_worker()
    follow = acting("reading", 0.3, started.scheduler.kill)
    lost = (
        rf"^--dask {re.escape(started.address)}: found that the scheduler does not answer any more, expected it to "
        "stay; start it and its workers again; the same command goes on by --resume$"
    )
    begin = time.monotonic()
    with pytest.raises(ConvertError, match=lost):
        seekless.pack(source, path, dask=started.address, **{**ways["one file"], "progress": follow})
    assert time.monotonic() - begin < 60
    assert follow.done
    with pytest.raises(ResumeError, match=r"found the work of a run that was stopped, [\d,]+ samples read and saved"):
        seekless.pack(source, path, dask=cluster, progress=False, **ways["one file"])
    summary = seekless.pack(source, path, dask=cluster, resume=True, progress=False, **ways["one file"])
    assert summary.resumed[0] > 0
    assert content_of(path) == expected["one file"]
    assert os.listdir(tmp_path) == ["data.h5"]


def test_ctrl_c_ends_it_and_processes_of_this_machine_go_on(source, expected, tmp_path, content_of):
    """By the command, on the workers of `--dask local`, as a terminal would stop it."""
    path = tmp_path / "data.h5"
    words = ["--memory", "1MiB", "--block-bytes", "8000", "--compression", "zstd"]
    command = [sys.executable, "-m", "seekless", "convert", "csv-to-h5", str(source), str(path), *words]
    with subprocess.Popen(
        [*command, "--dask", "local", "--save-every", "0", "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        journal, end = tmp_path / "data.h5.parts/journal", time.monotonic() + 60
        while not (journal.exists() and b"saved" in journal.read_bytes()):
            assert child.poll() is None, child.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.001)
        os.killpg(child.pid, signal.SIGINT)
        error = child.stderr.read()
    assert child.returncode == 128 + signal.SIGINT
    kept = rf"{path}: [\d,]+ samples read are kept; the same command goes on by --resume\n\nstopped by Ctrl-C\n"
    assert re.fullmatch(kept, error), error
    ended = subprocess.run([*command, "--workers", "0", "--resume"], capture_output=True, text=True, check=True)
    assert re.search(r"resumed  [\d,]+ samples read", ended.stdout)
    assert content_of(path) == expected["one file"]
    assert os.listdir(tmp_path) == ["data.h5"]


@pytest.mark.parametrize(
    ("kind", "after", "way"),
    [("saved", 2, "shards"), ("block", 3, "one file"), ("block", 9, "shards")],
    ids=["in reading", "in writing one file", "in writing shards"],
)
def test_either_goes_on_with_what_the_other_did(
    source, expected, ways, cluster, tmp_path, content_of, stop, kind, after, way
):
    there, here = {"dask": cluster, "workers": None}, {"workers": 0}
    for number, (first, second) in enumerate([(there, here), (here, there)]):
        path = tmp_path / str(number) / "data.h5"
        path.parent.mkdir()
        stop(source, path, after, kind, **ways[way], **first)
        summary = seekless.pack(source, path, resume=True, progress=False, **ways[way], **second)
        assert summary.resumed[0] > 0
        assert content_of(path) == expected[way]
        assert sorted(os.listdir(path.parent)) == (["data.h5"] if way == "one file" else ["data-shards", "data.h5"])


def test_shards_that_are_complete_in_any_order_are_kept_by_a_cluster_and_made_again_here(
    source, expected, ways, cluster, tmp_path, content_of, stop
):
    """The journal of a run whose second and third shard were complete before its first."""
    for number, who in enumerate([{"dask": cluster}, {"workers": 0}]):
        path = tmp_path / str(number) / "data.h5"
        path.parent.mkdir()
        stop(source, path, 3, "complete", **ways["shards"], workers=None, dask=cluster)
        journal = path.with_name("data.h5.parts") / "journal"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(line for line in lines if b'{"complete": 0}' not in line))
        summary = seekless.pack(source, path, resume=True, progress=False, **ways["shards"], **who)
        assert summary.resumed[0] == 1000
        assert content_of(path) == expected["shards"]

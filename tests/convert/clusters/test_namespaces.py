"""Workers that are started by their command, each behind a network interface of its own, as on machines."""

import os
import shutil
import subprocess
import uuid

import pytest

import seekless

BRIDGE = "10.213.77.1"
COUNT = 3


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture
def namespaces():
    """The names of network namespaces that reach each other, and this machine at `BRIDGE`."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces are root's to make")
    if shutil.which("ip") is None:
        pytest.skip("no command ip (iproute2)")
    tag = uuid.uuid4().hex[:6]
    bridge, names = f"sl{tag}", [f"sl{tag}n{number}" for number in range(COUNT)]
    made = []
    try:
        try:
            ip("link", "add", bridge, "type", "bridge")
            made.append(("link", "del", bridge))
            ip("addr", "add", f"{BRIDGE}/24", "dev", bridge)
            ip("link", "set", bridge, "up")
            for number, name in enumerate(names):
                ip("netns", "add", name)
                made.append(("netns", "del", name))
                outside, inside = f"{name}o", f"{name}i"
                ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
                ip("link", "set", outside, "master", bridge, "up")
                ip("-n", name, "addr", "add", f"10.213.77.{number + 2}/24", "dev", inside)
                ip("-n", name, "link", "set", inside, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield names
    finally:
        for words in reversed(made):
            ip(*words)


@pytest.mark.usefixtures("in_small_runs")
def test_workers_on_networks_of_their_own(source, expected, ways, namespaces, started, tmp_path, content_of):
    started.start_scheduler(BRIDGE)
    for name in namespaces:
        started.start_worker("ip", "netns", "exec", name)
    import distributed

    with distributed.Client(started.address, set_as_default=False) as client:
        client.wait_for_workers(COUNT, timeout=60)
        hosts = {address.rpartition(":")[0] for address in client.run(os.getpid)}
        assert hosts == {f"tcp://10.213.77.{number + 2}" for number in range(COUNT)}
    path = tmp_path / "data.h5"
    seekless.pack(source, path, dask=started.address, progress=False, **ways["shards"])
    assert content_of(path) == expected["shards"]

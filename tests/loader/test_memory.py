"""How much memory is left for files, as proc and control groups say."""

import pytest

from seekless.loader import memory
from seekless.loader.memory import memory_left

MACHINE = (
    "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:    2000000 kB\nHugePages_Total:   0\n"
)
LEFT = 2_000_000 << 10


@pytest.fixture
def system(monkeypatch, tmp_path):
    """Write the files of a system: the machine's, the groups of this process, and those of each group."""

    def written(groups, files, machine=MACHINE):
        for name, text in {
            "meminfo": machine,
            "cgroup": groups,
            **{f"groups/{k}": v for k, v in files.items()},
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
        return memory_left()

    return written


def new(limit, used, files):
    return {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": f"anon 5\nfile {files}\n"}


def old(limit, used, files):
    stat = f"cache 1\ntotal_cache {files}\n"
    return {"memory.limit_in_bytes": f"{limit}\n", "memory.usage_in_bytes": f"{used}\n", "memory.stat": stat}


def within(folder, files):
    return {f"{folder}/{name}".lstrip("/"): text for name, text in files.items()}


def test_without_groups_it_is_what_the_machine_has(system):
    assert system("", {}) == LEFT


def test_a_group_of_version_2(system):
    assert system("0::/a/b\n", within("a/b", new(1000, 700, 100))) == 400
    assert system("0::/a/b\n", within("a/b", new("max", 700, 100) | {"memory.high": "900\n"})) == 300


def test_shared_memory_makes_no_room(system):
    files = new(1000, 700, 100)
    assert system("0::/a\n", within("a", files | {"memory.stat": "file 100\nshmem 30\n"})) == 370


def test_the_group_above_may_have_less(system):
    files = within("a/b", new("max", 700, 100)) | within("a", new(500, 450, 20))
    assert system("0::/a/b\n", files) == 70


def test_a_group_of_version_1(system):
    groups = "12:cpu,cpuacct:/x\n9:hugetlb,memory:/a\n1:name=systemd:/\n"
    assert system(groups, within("memory/a", old(1000, 900, 300))) == 400


def test_in_a_container_the_own_group_is_the_top(system):
    assert system("0::/of/the/host\n", new(1000, 990, 0)) == 10


def test_more_than_the_limit_is_none_left(system):
    assert system("0::/\n", new(1000, 1100, 0)) == 0


def test_a_group_without_a_limit(system):
    assert (
        system("0::/a\n9:memory:/b\n", within("a", new("max", 7, 1)) | within("memory/b", old(1 << 63, 0, 0))) == LEFT
    )


def test_where_nothing_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "gone")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "gone")
    assert memory_left() is None

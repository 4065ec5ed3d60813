"""A store's bytes depend on the files and the seed alone; its order on the seed."""

import contextlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from kit.converting import bytes_of, pack

import seekless
from seekless.convert import read as read_module
from seekless.convert.scatter import Scatter
from seekless.source import samples as samples_module


class TestTheSameBytes:
    @pytest.fixture
    def large(self, write_source):
        """Half a megabyte of float64: more than fits in the least memory."""
        random = np.random.default_rng(3)
        samples = {f"{number:02d}": random.random((24, 70)) for number in range(40)}
        return write_source(samples, {name: int(name) % 4 for name in samples})

    @pytest.fixture
    def spilled(self, monkeypatch):
        """Note which conversions went through files."""
        noted = []

        class Noted(Scatter):
            def partitions(self, sample_bytes):
                noted.append(self._folder.exists())
                return super().partitions(sample_bytes)

        monkeypatch.setattr(read_module, "Scatter", Noted)
        return noted

    @pytest.mark.parametrize("kind", [".h5", ".npy.d"])
    def test_whatever_the_memory_the_workers_and_the_runs(self, large, tmp_path, monkeypatch, spilled, kind):
        ways = {
            "plain": {},
            "again": {},
            "small": {"memory": 1 << 20},
            "workers": {"workers": 2},
            "both": {"workers": 2, "memory": 1 << 20},
        }
        sums = set()
        for name, options in ways.items():
            if name != "plain":
                monkeypatch.setattr(samples_module, "RUN_FILES", 7)
            pack(large, tmp_path / f"{name}{kind}", **options)
            sums.add(bytes_of(tmp_path / f"{name}{kind}"))
        assert spilled == [False, False, True, False, True]
        assert len(sums) == 1

    def test_whatever_the_order_of_the_listing_and_the_inodes(self, tiny_csv, tmp_path, monkeypatch):
        pack(tiny_csv.root, tmp_path / "a.h5")
        scandir = os.scandir

        @contextlib.contextmanager
        def backwards(folder):
            with scandir(folder) as entries:
                yield iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        monkeypatch.setattr(os, "scandir", backwards)
        pack(tiny_csv.root, tmp_path / "b.h5")
        monkeypatch.undo()
        (tmp_path / "copy" / "train").mkdir(parents=True)
        for file in sorted((tiny_csv.root / "train").iterdir(), reverse=True):
            shutil.copy(file, tmp_path / "copy" / "train")
        (tmp_path / "copy" / "target.csv").write_text(
            "".join(sorted((tiny_csv.root / "target.csv").read_text().splitlines(keepends=True)))
        )
        pack(tmp_path / "copy", tmp_path / "c.h5")
        assert bytes_of(tmp_path / "a.h5") == bytes_of(tmp_path / "b.h5") == bytes_of(tmp_path / "c.h5")

    def test_in_another_process(self, tiny_csv, tmp_path):
        pack(tiny_csv.root, tmp_path / "a.h5")
        code = "import sys, seekless; seekless.pack(sys.argv[1], sys.argv[2], progress=False)"
        environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
        subprocess.run(
            [sys.executable, "-c", code, tiny_csv.root, "b.h5"], cwd=tmp_path, env=environment, check=True, timeout=60
        )
        assert bytes_of(tmp_path / "a.h5") == bytes_of(tmp_path / "b.h5")

    def test_not_for_another_seed(self, tiny_csv, tmp_path):
        sums, orders = set(), set()
        for seed in (0, 1, -1, 2**62):
            pack(tiny_csv.root, tmp_path / f"{seed}.h5", seed=seed)
            sums.add(bytes_of(tmp_path / f"{seed}.h5"))
            orders.add(tuple(seekless.open(tmp_path / f"{seed}.h5").keys))
        assert len(sums) == len(orders) == 4


def test_class_sorted_files_are_mixed(write_source, tmp_path):
    samples = {f"{number:03d}": [number] for number in range(400)}
    root = write_source(samples, {name: int(name) // 40 for name in samples})
    pack(root, tmp_path / "a.h5")
    y = seekless.open(tmp_path / "a.h5")["y"]
    changes = int((np.diff(y) != 0).sum())
    assert abs(changes - 400 * 0.9) < 5 * np.sqrt(400 * 0.09)
    assert set(np.bincount(y[:200], minlength=10) >= 8) == {True}

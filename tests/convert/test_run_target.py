"""The store to be, the options, the worker processes and what is told of a conversion."""

import subprocess
import sys

import pytest
from kit.converting import bytes_of, names, pack

import seekless
from seekless.convert import pool as pool_module
from seekless.convert import read as read_module
from seekless.errors import ConvertError, OptionError, StoreExistsError
from seekless.store.shards import read_hdf5


class TestTheStoreToBe:
    def test_one_that_is_there_is_refused(self, tiny_csv, path):
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        with pytest.raises(
            StoreExistsError, match=rf"{path.name}: found something there; name another store, or replace"
        ):
            pack(tiny_csv.root, path, seed=1)
        assert bytes_of(path) == before

    def test_it_is_replaced_by_overwrite(self, tiny_csv, path):
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        pack(tiny_csv.root, path, seed=1, overwrite=True)
        assert bytes_of(path) != before
        assert names(path.parent) == sorted(["data", path.name])

    def test_overwriting_a_store_that_a_flipped_bit_damaged(self, tiny_csv, tmp_path):
        path = tmp_path / "a.h5"
        pack(tiny_csv.root, path)
        before = bytes_of(path)
        block = int(read_hdf5(path)[1]["x"].offset[0])
        data = path.read_bytes()
        path.write_bytes(data[:block] + bytes([data[block] ^ 1]) + data[block + 1 :])
        pack(tiny_csv.root, path, overwrite=True)
        assert bytes_of(path) == before

    def test_what_is_no_store_is_not_replaced(self, tiny_csv, path):
        path.write_text("my diary")
        with pytest.raises(StoreExistsError, match="that is no store"):
            pack(tiny_csv.root, path, overwrite=True)
        assert path.read_text() == "my diary"

    @pytest.mark.parametrize("name", ["data", "data.hdf5", "data.npy"])
    def test_its_name_says_its_kind(self, tiny_csv, tmp_path, name):
        with pytest.raises(OptionError, match=r"expected a name that ends in \.h5 or \.npy\.d"):
            pack(tiny_csv.root, tmp_path / name)

    def test_its_folder_must_be_there(self, tiny_csv, tmp_path):
        with pytest.raises(ConvertError, match="found no folder"):
            pack(tiny_csv.root, tmp_path / "none" / "a.h5")

    def test_a_store_inside_the_source_is_no_sample(self, tiny_csv):
        pack(tiny_csv.root, tiny_csv.root / "train" / "a.h5")
        pack(tiny_csv.root, tiny_csv.root / "train" / "b.h5")
        assert len(seekless.open(tiny_csv.root / "train" / "b.h5")) == 130


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sed": 1}, "seekless.pack: found unknown options sed"),
        ({"seed": 2**64}, "--seed: found 18446744073709551616"),
        ({"test_fraction": 2}, "--test-fraction: found 2"),
        ({"kind": "wav"}, "kind: found 'wav'"),
    ],
    ids=str,
)
def test_options_are_checked_before_anything_is_read(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        pack(tmp_path / "none", tmp_path / "a.h5", **options)


class TestWorkers:
    @pytest.mark.parametrize(("cores", "count", "workers"), [(1, 600, 0), (4, 512, 0), (4, 513, 4)])
    def test_as_many_as_cores_but_none_for_a_few_files(
        self, write_source, tmp_path, monkeypatch, cores, count, workers
    ):
        asked = []

        def map_runs(reader, runs, workers, *, dtype):
            asked.append((workers, dtype))
            return real(reader, runs, 0, dtype=dtype)

        real = read_module.map_runs
        monkeypatch.setattr(read_module, "map_runs", map_runs)
        monkeypatch.setattr(pool_module, "available_cores", lambda: cores)
        pack(write_source({f"{number}": [1] for number in range(count)}), tmp_path / "a.h5", workers=None)
        assert asked == [(workers, None)]

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills as Linux does")
    def test_a_killed_worker_leaves_no_store(self, tiny_csv, tmp_path, monkeypatch):
        """The first worker that begins is killed while the second conversion reads."""
        code = (
            "import multiprocessing, os, signal, sys, threading, time, seekless\n"
            "def kill():\n"
            "    while not (children := multiprocessing.active_children()): time.sleep(0.001)\n"
            "    os.kill(children[0].pid, signal.SIGKILL)\n"
            "threading.Thread(target=kill).start()\n"
            "try: seekless.pack('data', 'a.h5', workers=1, progress=False)\n"
            "except seekless.ConvertError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        assert "a worker process died (killed, or out of memory) while reading one of: train/" in done.stdout
        assert names(tmp_path) == ["data"]


def test_lines_on_stderr_only_if_asked(tiny_csv, tmp_path, capsys):
    pack(tiny_csv.root, tmp_path / "a.h5")
    assert capsys.readouterr() == ("", "")
    pack(tiny_csv.root, tmp_path / "b.h5", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line[: line.index(", ")] for line in lines] == [
        "reading: 130 of 130 samples",
        "writing: 130 of 130 samples",
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_function_is_told_how_far_it_is(tiny_csv, tmp_path, workers):
    (tiny_csv.root / "train" / "00007.csv").write_text("no number")
    told = []
    summary = pack(tiny_csv.root, tmp_path / "a.h5", progress=told.append, workers=workers, on_error="skip")
    assert told[-1].name == "writing"
    assert (told[-1].done, told[-1].total, told[-1].bytes) == (129, 129, 129 * 36)
    read = [one for one in told if one.name == "reading"][-1]
    assert (read.done, read.total, read.bytes, read.bad) == (130, 130, summary.bytes_in, 1)


@pytest.mark.parametrize("shards", [None, 36 * 10])
def test_all_samples_are_counted_as_they_are_written(tiny_csv, tmp_path, shards):
    told = []
    pack(tiny_csv.root, tmp_path / "a.h5", progress=told.append, shard_bytes=shards)
    assert (told[-1].name, told[-1].done, told[-1].total) == ("writing", 130, 130)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", ["reading", "writing"])
def test_what_the_function_raises_ends_the_run(tiny_csv, tmp_path, name, workers):
    def enough(progress):
        if progress.name == name:
            raise RuntimeError(f"enough {progress.name}")

    with pytest.raises(RuntimeError, match=f"enough {name}"):
        pack(tiny_csv.root, tmp_path / "a.h5", progress=enough, workers=workers)
    assert names(tmp_path) == ["data"]

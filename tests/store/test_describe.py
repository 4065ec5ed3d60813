"""What is said of a store is true of it, to the eye and in JSON."""

import json

import numpy as np
import pytest

import seekless
from seekless.errors import StoreFormatError
from seekless.store import describe as describe_module
from seekless.store.describe import describe
from seekless.store.disk import Disk


@pytest.fixture(autouse=True)
def _disk(monkeypatch):
    monkeypatch.setattr(describe_module, "disk_of", lambda path: Disk("sda", True))


def test_the_text(made):
    assert str(describe(seekless.open(made))).splitlines() == [
        f"{made}",
        "  samples  11, in random order, seed 7",
        "  parts    train 9, test 2",
        "  shape    3 x 2",
        f"  values   {1 / 255:.6g} to 1",
        "  classes  4: a (3), bc (2), é (3), d (3)",
        "  x        uint8 / 255: gives all 66 float64 values back bit for bit",
        "           72 bytes, not compressed",
        "           4 blocks of 3 samples, 18 bytes: chosen for this store",
        "  y        int64",
        "           96 bytes, not compressed",
        "           2 blocks of 6 samples, 48 bytes: chosen for this store",
        "  key      UTF-8 of 12 bytes",
        "           240 bytes, not compressed",
        "           2 blocks of 10 samples, 120 bytes: chosen for this store",
        f"  size     {made.stat().st_size / 1000:.1f} kB",
        "  epoch    1.1e-06 s to read 168 bytes (150 MB/s, assumed: sda says it is a spinning disk)",
        "  options  test_fraction 0.2",
        "  made by  by hand",
    ]


def test_the_same_facts_as_json(made, digits):
    facts = json.loads(json.dumps(describe(seekless.open(made)).as_dict(), allow_nan=False))
    counts = np.bincount(digits["y"])
    assert facts.pop("fields")["x"] == {
        "dtype": "|u1",
        "logical_dtype": "<f8",
        "divisor": 255,
        "scale": 1,
        "why": "gives all 66 float64 values back bit for bit",
        "codec": "none",
        "stored_bytes": 72,
        "ratio": 66 / 72,
        "blocks": 4,
        "block_samples": 3,
        "block_bytes": 18,
        "block_reason": "chosen for this store",
    }
    assert facts == {
        "path": str(made),
        "samples": 11,
        "shape": [3, 2],
        "bytes": made.stat().st_size,
        "shards": [],
        "lossy": False,
        "shuffled": True,
        "portions": [11],
        "seed": 7,
        "parts": {"train": 9, "test": 2},
        "values": {"low": 1 / 255, "high": 1.0, "nan": 0, "infinite": 0},
        "target_kind": "class",
        "targets": None,
        "classes": [
            {"number": number, "name": name, "samples": int(counts[number])}
            for number, name in enumerate(("a", "bc", "é", "d"))
        ],
        "epoch": {
            "bytes": 72 + 96,
            "seconds": (72 + 96) / 150e6,
            "bytes_per_second": 150_000_000,
            "disk": "sda",
            "spinning": True,
        },
        "created_by": "by hand",
        "options": {"test_fraction": 0.2},
    }


def test_shards_and_codec(made_sharded, tmp_path, write_sharded):
    lines = str(describe(seekless.open(made_sharded))).splitlines()
    assert "  shards   2 files in made-shards" in lines
    assert "           2 blocks of 6 samples, 48 bytes: all of a shard in one" in lines
    facts = describe(seekless.open(made_sharded)).as_dict()
    assert facts["shards"] == [str(path) for path in sorted(made_sharded.with_name("made-shards").iterdir())]
    assert facts["bytes"] == sum(path.stat().st_size for path in seekless.open(made_sharded).files)
    x = (np.arange(400 * 300) // 50 % 256).astype(np.uint8).reshape(400, 300)
    write_sharded(tmp_path / "packed.h5", {"x": x, "y": np.arange(400)}, {"x": 7}, 20, codec="zstd")
    store = seekless.open(tmp_path / "packed.h5")
    stored = int(store.tables["x"].nbytes.sum())
    lines = str(describe(store)).splitlines()
    assert f"           {stored / 1000:,.1f} kB, zstd, {x.nbytes / stored:.2f} times smaller" in lines
    assert "           58 blocks of 7 samples, 2,100 bytes: at least 64 a store, so that they can be mixed" in lines
    assert "           3 blocks of 140 samples, 1,120 bytes: all of a shard in one" in lines
    facts = describe(store).as_dict()["fields"]["x"]
    assert (facts["codec"], facts["stored_bytes"], facts["ratio"]) == ("zstd", stored, x.nbytes / stored)


def test_loss_and_blocks_that_were_asked_for(tiny_csv, tmp_path):
    path = tmp_path / "data.h5"
    how = {"dtype": "float16", "lossy": True, "block_bytes": 200, "workers": 0, "progress": False}
    seekless.pack(tiny_csv.root, path, compression="none", **how)
    description = describe(seekless.open(path))
    lines = str(description).splitlines()
    assert "  x        float16: --lossy: the nearest to each float64 value" in lines
    assert "           65 blocks of 2 samples, 144 bytes: --block-bytes 200" in lines
    facts = description.as_dict()
    assert facts["lossy"] is True
    assert facts["options"]["lossy"] is True
    assert facts["fields"]["x"]["why"] == "--lossy: the nearest to each float64 value"
    assert facts["fields"]["x"]["block_reason"] == "--block-bytes 200"


def test_npy_says_the_same_but_for_bytes(made, made_npy):
    one, other = (describe(seekless.open(path)).as_dict() for path in (made, made_npy))
    for facts in (one, other):
        for name in ("path", "bytes", "epoch"):
            del facts[name]
        for field in facts["fields"].values():
            del field["stored_bytes"], field["ratio"]
    assert one == other


@pytest.mark.parametrize(
    ("values", "low", "high", "nan", "infinite", "text"),
    [
        (np.array([[3, -4], [1000000, 2]], np.int32), -4, 1000000, 0, 0, "-4 to 1,000,000"),
        (np.array([[np.nan, -1.5], [np.inf, 2]]), -1.5, 2.0, 1, 1, "-1.5 to 2, 1 NaN, 1 infinite"),
        (np.full((2, 2), np.nan, np.float16), None, None, 4, 0, "no finite value, 4 NaN"),
        (np.array([[-0.0, -np.inf], [0.0, 0.0]], np.float32), 0.0, 0.0, 0, 1, "0 to 0, 1 infinite"),
    ],
    ids=["integers", "nan and infinity", "nan alone", "zeros"],
)
def test_the_range_of_values(tmp_path, write_store, values, low, high, nan, infinite, text):
    write_store(tmp_path / "a.h5", {"x": values}, {"x": 1})
    found = describe(seekless.open(tmp_path / "a.h5")).values["x"]
    assert (found.low, found.high, found.nan, found.infinite) == (low, high, nan, infinite)
    assert str(found).replace("-0 ", "0 ") == text


def test_targets_that_are_numbers(tmp_path, write_store):
    path = tmp_path / "a.h5"
    arrays = {"x": np.zeros((5, 2, 2), np.uint8), "y": np.array([[1.5, -2], [0, 9], [4, 4], [5, 6], [7, 8]])}
    write_store(path, arrays, {"y": 2}, target_kind="number", scale=255)
    description = describe(seekless.open(path))
    assert "  targets  numbers, 2 a sample, -2 to 9" in str(description).splitlines()
    assert "  values   0 to 0; training divides them by 255" in str(description).splitlines()
    assert description.as_dict()["targets"] == {"low": -2.0, "high": 9.0, "nan": 0, "infinite": 0}
    assert description.as_dict()["classes"] is None


def test_a_store_without_targets_or_keys(tmp_path, write_store):
    path = tmp_path / "a.h5"
    write_store(path, {"x": np.zeros(3, np.uint8)}, shuffled=False)
    lines = str(describe(seekless.open(path))).splitlines()
    assert lines[1:5] == [
        "  samples  3, in the source's order",
        "  shape    one value",
        "  values   0 to 0",
        "  targets  none",
    ]


def test_many_classes_are_cut_short_in_the_text_alone(tmp_path, write_store):
    path = tmp_path / "a.h5"
    arrays = {"x": np.zeros((30, 2), np.uint8), "y": np.arange(30)}
    write_store(path, arrays, target_kind="class", class_count=30)
    description = describe(seekless.open(path))
    (line,) = [line for line in str(description).splitlines() if line.startswith("  classes")]
    assert line.startswith("  classes  30: 0 (1), 1 (1), ")
    assert line.endswith(", 19 (1), and 10 more")
    assert len(description.as_dict()["classes"]) == 30


def test_large_stores_are_read_only_when_asked(made, monkeypatch):
    monkeypatch.setattr(describe_module, "SCAN_BYTES", 71)
    store = seekless.open(made)
    assert describe(store).values == {}
    assert "  values   not read; --scan reads them" in str(describe(store)).splitlines()
    assert describe(store).as_dict()["values"] is None
    assert describe(store, scan=True).values["x"] is not None
    monkeypatch.setattr(describe_module, "SCAN_BYTES", 72)
    assert describe(store).values["x"] is not None
    assert describe(store, scan=False).values == {}


def test_progress_is_shown_where_asked_for(made, capsys):
    describe(seekless.open(made))
    assert capsys.readouterr().err == ""
    describe(seekless.open(made), progress=True)
    assert capsys.readouterr().err.startswith("reading x: 11 of 11 samples, ")


def test_damage_is_refused(made):
    store = seekless.open(made)
    with open(made, "r+b") as file:
        file.seek(int(store.tables["x"].offset[2]))
        file.write(b"!")
    with pytest.raises(StoreFormatError, match="block 2 of x is damaged"):
        describe(store)

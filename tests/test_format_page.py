"""docs/format.md names everything that is in a store, with its dtype and shape, and nothing else is in one."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import seekless
from seekless.store.codecs import CODECS
from seekless.store.encoding import Encoding
from seekless.store.schema import Field

PAGE = (Path(__file__).parent.parent / "docs" / "format.md").read_text(encoding="utf-8")


def table(*head):
    """Return the rows of the one table of the page that begins with these columns."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| " + " | ".join(head)))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(text):
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture(params=["one file", "index", "shard"])
def file(request, tiny_png, tmp_path):
    """An HDF5 file of a store with everything: targets by name, recorded parts, keys, in one file or in shards."""
    for folder in list(tiny_png.root.iterdir()):
        folder.rename(tiny_png.root / f"class {folder.name}")
    options = {} if request.param == "one file" else {"shard_bytes": 4000}
    path = tmp_path / "data.h5"
    seekless.pack(tiny_png.root, path, test_fraction=0.2, compression="zstd", workers=0, progress=False, **options)
    shards = seekless.open(path).shards
    assert bool(shards) == bool(options)
    with h5py.File(shards[1] if request.param == "shard" else path) as opened:
        yield request.param, opened


def dtype_on_page(dtype):
    """Return what the page calls a dtype."""
    return "UTF-8" if dtype.kind == "S" else dtype.name


def test_every_dataset(file):
    kind, opened = file
    rows = {
        name: (shape, dtype)
        for cell, shape, dtype, *_ in table("name", "shape", "dtype", "unit")
        for name in names(cell)
    }
    found = []
    opened.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    expected = set(rows)
    if kind == "index":
        expected -= {"_blocks/x", "_blocks/y", "_blocks/key"}
    else:
        expected -= {name for name in rows if name.startswith("_shards/")}
    assert set(found) == expected
    lengths = {"N": opened["x"].shape[0], "classes": 10, "shards": len(opened.get("_shards/name", ()))}
    for name in found:
        shape, dtype = rows[name]
        item = opened[name]
        assert item.dtype.kind == "S" if "UTF-8" in dtype else name == "x" or item.dtype.name in dtype, name
        if item.dtype.kind == "S":
            assert h5py.check_string_dtype(item.dtype).encoding == "utf-8"
        axes = shape.replace("*sample shape", "...").strip("()").split(", or")[0].strip("()").split(",")
        first = axes[0].strip()
        assert (item.shape[:1] or ("",))[0] == lengths.get(first, len(item) if item.shape else first), name
        assert item.dtype.byteorder in "<|="


@pytest.mark.parametrize("shard_bytes", [None, 1000])
def test_every_dataset_of_several_inputs_and_weights(tmp_path, shard_bytes):
    x = {"a": np.zeros((40, 30), np.float32), "b": np.arange(40)}
    seekless.write(tmp_path / "data.h5", x, ["é"] * 40, sample_weight=np.ones(40), shard_bytes=shard_bytes)
    rows = {name for cell, *_ in table("name", "shape", "dtype", "unit") for name in names(cell)} - {"x", "_blocks/x"}
    rows |= {name for cell, *_ in table("there is also", "shape") for name in names(cell)}
    rows = {name.replace("NAME", own) for name in rows for own in x}
    shards = {name for name in rows if name.startswith("_shards/")}
    kept = {name for name in rows if name.startswith("_blocks/")} - {"_blocks/rest"}
    found = []
    with h5py.File(tmp_path / "data.h5") as opened:
        opened.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        rows_of = {names(name)[0]: names(of) for name, of, *_ in table("name", "of", "dtype")}
        for field in ("x/a", "x/b", "sample_weight"):
            kind = field.partition("/")[0]
            assert set(opened[field].attrs) == {name for name, of in rows_of.items() if kind in of}
    assert set(found) == rows - (kept if shard_bytes else shards)
    if shard_bytes:
        with h5py.File(seekless.open(tmp_path / "data.h5").shards[0]) as shard:
            assert not shard["x/a"].is_virtual


def test_every_attribute_of_the_file(file):
    kind, opened = file
    rows = {name: dtype for cell, dtype, _ in table("name", "dtype", "what it is") for name in names(cell)}
    assert set(opened.attrs) == set(rows) - {"parts", "portions"} - ({"boundaries"} if kind == "shard" else set())
    for name, dtype in rows.items():
        if name in opened.attrs:
            stored = opened.attrs.get_id(name)
            assert dtype_on_page(stored.dtype) == dtype.partition(",")[0]
            assert len(stored.shape) == ("parts" in dtype)
    for group in ("_blocks", "_shards", "class_names", "_blocks/rest"):
        assert not opened[group].attrs if group in opened else kind != "index"


def test_every_attribute_of_the_fields(file):
    _, opened = file
    rows = {names(name)[0]: (names(of), dtype) for name, of, dtype, _ in table("name", "of", "dtype")}
    for field in ("x", "y", "key"):
        assert set(opened[field].attrs) == {name for name, (of, _) in rows.items() if field in of}
        for name in opened[field].attrs:
            assert dtype_on_page(opened[field].attrs.get_id(name).dtype) == rows[name][1]


def test_the_layout(file):
    kind, opened = file
    for field in ("x", "y", "key"):
        assert opened[field].is_virtual == (kind == "index")
        assert (opened[field].chunks is None) == (kind == "index")
    assert opened["x"].attrs["codec"] == b"zstd"
    assert opened["y"].attrs["codec"] == opened["key"].attrs["codec"] == b"none"
    assert Path(opened.filename).read_bytes()[:9] == b"\x89HDF\r\n\x1a\n\0"  # the oldest superblock
    if kind == "index":
        folder = Path(opened.filename).parent
        for number, name in enumerate(opened["_shards/name"].asstr()[...]):
            assert re.fullmatch(rf"data-shards/[0-9a-f]{{16}}-{number:05d}\.h5", name)
            assert (folder / name).stat().st_size == opened["_shards/size"][number]
            with h5py.File(folder / name) as shard:
                assert shard["_blocks/rest"][()] == opened["_shards/rest"][number]
                assert len(shard["x"]) == opened["_shards/length"][number]
            for field in ("x", "y", "key"):
                assert opened[field].virtual_sources()[number][1:3] == (name, field)


def test_every_entry_of_store_json(tiny_csv, tmp_path):
    seekless.pack(tiny_csv.root, tmp_path / "data.npy.d", workers=0, progress=False)
    described = json.loads((tmp_path / "data.npy.d" / "store.json").read_text())
    rows = {name: text for cell, _, text in table("in `store.json`", "type") for name in names(cell)}
    assert set(described) == set(rows)
    for field in described["fields"].values():
        assert set(field) == set(names(rows["fields"]))
    assert set(described["blocks"]) == set(described["fields"]) == {"x", "y", "key"}


def test_every_codec():
    rows = {names(cell)[0]: row for cell, *row in table("codec", "filter")}
    assert list(rows) == list(CODECS)
    for name, kind in CODECS.items():
        number, called, parameters, _ = rows[name]
        assert number == (str(kind.filter_id) if kind.filter_id else "-")
        assert called == {"none": "-", "gzip": "`deflate`"}.get(name, f"`{name}`")
        field = Field("x", (9, 9, 3), Encoding(np.dtype("u1"), np.dtype("u1")), 10)
        values = kind().filter_values(field.block_bytes, field.item_bytes)
        said = (
            re.sub(r" \([^)]*\)", "", parameters).replace("bytes of a decoded block", "2430").replace("item bytes", "3")
        )
        assert said == (", ".join(map(str, values)) or "-")


def test_each_edge_case_has_a_yes_or_a_no():
    rows = table("case")
    assert len(rows) > 20
    assert {answer for _, answer, _ in rows} == {"yes", "no"}
    assert all(what for _, answer, what in rows if answer == "no")

"""Stores of several inputs and of weighed samples, through the whole house: nothing is lost, and samples stay whole."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seekless
from seekless.convert.compare import compare
from seekless.convert.extract import extract
from seekless.convert.rewrite import merge, shuffle
from seekless.errors import OptionError, StoreError, StoreFormatError
from seekless.store.kinds import create
from seekless.store.preview import preview
from seekless.store.verify import verify

N = 150
RANDOM = np.random.default_rng(8)
IMAGE = RANDOM.integers(0, 256, (N, 8, 6, 3)).astype(np.uint8)
DEPTH = RANDOM.normal(size=(N, 8, 6))
DEPTH[::7, 0, 0] = -0.0
AGE = RANDOM.integers(0, 90, N)
INPUTS = {"image": IMAGE, "depth": DEPTH, "age": AGE}
Y = RANDOM.integers(0, 4, N)
WEIGHT = RANDOM.random(N).astype(np.float32)
KINDS = ["data.h5", "data.npy.d", "shards.h5"]


def make(path, **options):
    """Write all of it; "shards.h5" in shards."""
    how = {"x": INPUTS, "y": Y, "sample_weight": WEIGHT, "shard_bytes": 60_000 if "shards" in path.name else None}
    seekless.write(path, **{**how, **options})
    return path


def sha(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def by_key(path):
    """Every field in the order of the keys."""
    store = seekless.open(path)
    order = np.argsort(store.keys)
    return {name: store[name][order] for name in store.fields if name != "key"}


def assert_all_there(path):
    found = by_key(path)
    for name, array in INPUTS.items():
        assert (found[f"x/{name}"].dtype, found[f"x/{name}"].tobytes()) == (array.dtype, array.tobytes())
    assert np.array_equal(found["y"], Y)
    assert found["sample_weight"].tobytes() == WEIGHT.tobytes()


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    """A store of each kind."""
    return make(tmp_path / request.param)


def test_every_value_comes_back(path):
    assert_all_there(path)
    assert not verify(path).bad
    assert [file.name for file in path.parent.iterdir() if "shards" not in file.name] in ([path.name], [])


def test_a_store_says_its_inputs_by_name(path):
    store = seekless.open(path)
    assert store.fields == ("x/age", "x/depth", "x/image", "y", "sample_weight", "key")
    assert store.shape == {"age": (N,), "depth": (N, 8, 6), "image": (N, 8, 6, 3)}
    assert store.dtype == {"age": np.int64, "depth": np.float64, "image": np.uint8}
    assert {name: field.scale for name, field in store.header.fields.items() if name.startswith("x")} == {
        "x/age": 1,
        "x/depth": 1,
        "x/image": 255,
    }
    assert store.header.fields["x/age"].dtype == np.uint8
    x, y = store[3]
    whole = store["x"]
    assert list(x) == ["age", "depth", "image"]
    assert all(np.array_equal(x[name], whole[name][3]) for name in x)
    assert y == store["y"][3]
    x, y = store[2:5]
    assert x["image"].tobytes() == whole["image"][2:5].tobytes()
    assert y.tolist() == store["y"][2:5].tolist()
    assert "3 inputs, age of shape () int64 stored as uint8" in repr(store)
    assert "weights of samples" in repr(store)
    with pytest.raises(OptionError, match="found no field 'x/text', expected one of x/age, x/depth, x/image, y"):
        store.read("x/text", 0, 1)


def test_blocks_of_all_inputs_hold_the_same_samples(path):
    store = seekless.open(path)
    edges = [store.tables[name].first.tolist() for name in store.header.inputs]
    assert edges[0] == edges[1] == edges[2]
    assert len(edges[0]) > 40


def test_blocks_are_as_long_as_all_inputs_together_allow(tmp_path):
    x = {"a": np.zeros((500, 100), np.uint8), "b": np.zeros((500, 20), np.uint8)}
    summary = seekless.write(tmp_path / "a.h5", x, block_bytes=1200)
    assert seekless.open(tmp_path / "a.h5").header.block_length == 10
    assert [field.block_bytes for field in summary.inputs.values()] == [1000, 200]


def test_plain_tools_read_it(tmp_path):
    make(tmp_path / "data.h5", compression="gzip", shuffle=False)
    make(tmp_path / "data.npy.d", shuffle=False)
    make(tmp_path / "shards.h5", compression="gzip", shuffle=False)
    for name in ("data.h5", "shards.h5"):
        with h5py.File(tmp_path / name) as file:
            assert (file["x/image"][...] == IMAGE).all()
            assert (file["x/age"][...] == AGE).all()
            assert (file["sample_weight"][...] == WEIGHT).all()
    assert (np.load(tmp_path / "data.npy.d" / "x.image.npy", mmap_mode="r") == IMAGE).all()
    assert (np.load(tmp_path / "data.npy.d" / "sample_weight.npy") == WEIGHT).all()


def batches(size, names=INPUTS):
    for start in range(0, N, size):
        part = slice(start, start + size)
        yield {name: INPUTS[name][part] for name in names}, Y[part], WEIGHT[part]


@pytest.mark.parametrize("size", [1, 40, N])
@pytest.mark.parametrize("memory", [1 << 20, 1 << 30])
def test_the_same_bytes_whole_or_in_batches(tmp_path, size, memory):
    make(tmp_path / "data.h5", seed=4)
    seekless.write(tmp_path / "batches.h5", batches(size, ["image", "age", "depth"]), seed=4, memory=memory)
    mappings = ({"x": x, "y": y, "sample_weight": weight} for x, y, weight in batches(size))
    seekless.write(tmp_path / "mappings.h5", mappings, seed=4)
    assert sha(tmp_path / "data.h5") == sha(tmp_path / "batches.h5") == sha(tmp_path / "mappings.h5")


def test_more_than_memory_gives_the_same_bytes(tmp_path):
    x = {"a": np.random.default_rng(6).integers(0, 256, (3000, 30, 40), np.uint8), "b": np.arange(3000.0)}
    seekless.write(tmp_path / "whole.h5", x)
    seekless.write(tmp_path / "small.h5", x, memory=1 << 20)
    seekless.write(
        tmp_path / "spooled.h5",
        ({"x": {n: a[at : at + 99] for n, a in x.items()}} for at in range(0, 3000, 99)),
        memory=1 << 20,
    )
    assert sha(tmp_path / "whole.h5") == sha(tmp_path / "small.h5") == sha(tmp_path / "spooled.h5")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_group_of_datasets_is_several_inputs(tmp_path):
    with h5py.File(make(tmp_path / "data.h5", shuffle=False, compression="none")) as file:
        seekless.write(
            tmp_path / "again.h5",
            file["x"],
            file["y"],
            sample_weight=file["sample_weight"],
            shuffle=False,
            compression="none",
        )
    store = seekless.open(tmp_path / "again.h5")
    assert store.dtype == {"age": np.uint8, "depth": np.float64, "image": np.uint8}  # as the datasets have it
    assert np.array_equal(store["x/age"], AGE)
    assert store["x/depth"].tobytes() == DEPTH.tobytes()


def test_each_input_is_scaled_by_its_own_numbers(tmp_path):
    make(tmp_path / "data.h5", shuffle=False, scale={"age": 100})
    x, y, weight = next(seekless.open(tmp_path / "data.h5").batches(N, shuffle=False))
    assert list(x) == ["age", "depth", "image"]
    assert np.array_equal(x["age"], AGE.astype(np.float32) / np.float32(100))
    assert np.array_equal(x["image"], IMAGE / np.float32(255))
    assert np.array_equal(x["depth"], DEPTH.astype(np.float32))
    assert np.array_equal(y, Y)
    assert (weight.dtype, weight.tobytes()) == (np.float32, WEIGHT.tobytes())
    stored, *_ = next(seekless.open(tmp_path / "data.h5").batches(N, shuffle=False, dtype=None))
    assert {name: array.dtype for name, array in stored.items()} == {
        "age": np.uint8,
        "depth": np.float64,
        "image": np.uint8,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": {"ages": 3}}, "scale: found the input 'ages', expected some of age, depth, image"),
        ({"scale": {"age": 0}}, "scale: found 0, expected a whole number of 1 or more"),
        ({"dtype": "uint8"}, "x/depth: --dtype uint8: found the value"),
        ({"sample_weight": WEIGHT[1:]}, "sample_weight: found 149 weights for 150 samples, expected one each"),
        ({"y": None}, "sample_weight: found without y"),
        ({"y": {"a": Y}}, "y: found a mapping of a, expected one array: a store holds one target a sample"),
        ({"x": {**INPUTS, "depth": DEPTH[1:]}}, "x/depth: found 149 samples, expected 150 as in x/age"),
    ],
)
def test_what_cannot_be_written(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        make(tmp_path / "data.h5", **options)
    assert not list(tmp_path.iterdir())


def test_a_scale_of_an_unknown_input_is_told_of_batches_too(tmp_path):
    with pytest.raises(OptionError, match="scale: found the input 'ages', expected some of age, depth, image"):
        seekless.write(tmp_path / "data.h5", batches(10), scale={"ages": 3})
    assert not list(tmp_path.iterdir())


def test_the_summary_says_each_input(tmp_path):
    summary = seekless.write(tmp_path / "data.h5", INPUTS, Y, compression="none")
    assert summary.shape == {"age": (), "depth": (8, 6), "image": (8, 6, 3)}
    assert str(summary).splitlines()[2:7] == [
        "  input    age",
        "    shape    one value",
        "    dtype    uint8 (gives all 150 int64 values back bit for bit)",
        "    codec    none",
        "  input    depth",
    ]


@pytest.mark.parametrize("out", KINDS[:2])
def test_shuffle_and_merge_lose_nothing(tmp_path, path, out):
    shuffle(path, tmp_path / f"new.{out}", seed=9)
    assert_all_there(tmp_path / f"new.{out}")
    assert seekless.open(path).keys != seekless.open(tmp_path / f"new.{out}").keys
    first, second = ({name: array[part] for name, array in INPUTS.items()} for part in (slice(70), slice(70, N)))
    keys = [f"{number:03d}" for number in range(N)]
    make(tmp_path / "first.h5", x=first, y=Y[:70], sample_weight=WEIGHT[:70], key=keys[:70])
    make(tmp_path / "second.h5", x=second, y=Y[70:], sample_weight=WEIGHT[70:], key=keys[70:])
    merge([tmp_path / "first.h5", tmp_path / "second.h5"], tmp_path / f"both.{out}")
    assert_all_there(tmp_path / f"both.{out}")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": IMAGE}, "found one input, expected the inputs age, depth, image as in"),
        ({"x": {**INPUTS, "age": AGE.astype("i4")}}, "found values of int32 and float64 and uint8, expected values of"),
        ({"sample_weight": None}, "found no weights of samples, expected weights of float32 as in"),
        ({"y": np.ones((N, 2), "f4"), "sample_weight": None}, "found numbers as targets, expected classes as targets"),
    ],
)
def test_stores_that_cannot_be_merged(tmp_path, other, message):
    make(tmp_path / "one.h5")
    make(tmp_path / "other.h5", **other)
    with pytest.raises(StoreError, match=message):
        merge([tmp_path / "one.h5", tmp_path / "other.h5"], tmp_path / "both.h5", prefix=True)


def test_number_targets_of_another_dtype_cannot_be_merged(tmp_path):
    for name, dtype in (("one.h5", "f4"), ("other.h5", "f8")):
        seekless.write(tmp_path / name, AGE, np.ones(N, dtype))
    with pytest.raises(StoreError, match="found targets of float64, expected targets of float32 as in"):
        merge([tmp_path / "one.h5", tmp_path / "other.h5"], tmp_path / "both.h5", prefix=True)


def test_info_says_each_input(path, convert):
    code, out, _ = convert("info", path)
    assert code == 0
    assert "shape         age one value, depth 8 x 6, image 8 x 6 x 3" in out
    assert "values        age 0 to" in out
    assert "image 0 to 255; training divides them by 255" in out
    assert "x/depth       float64: as the source has it" in out
    facts = json.loads(convert("info", path, "--json")[1])
    assert facts["shape"] == {"age": [], "depth": [8, 6], "image": [8, 6, 3]}
    assert facts["values"]["image"]["high"] == 255
    assert list(facts["fields"]) == list(seekless.open(path).fields)
    assert json.loads(convert("info", path, "--json", "--no-scan")[1])["values"] is None


def test_preview_draws_the_input_that_is_asked_for(tmp_path, path, convert):
    store = seekless.open(path)
    with pytest.raises(
        OptionError, match=r"found the inputs age, depth, image, expected .* by --input depth or --input image"
    ):
        preview(store, tmp_path / "out.png")
    with pytest.raises(
        OptionError, match=r"--input: found 'text', expected one of the inputs of .*: age, depth, image"
    ):
        preview(store, tmp_path / "out.png", of_input="text")
    with pytest.raises(StoreError, match=r"found samples of shape \(\), expected pictures"):
        preview(store, tmp_path / "out.png", of_input="age")
    assert convert("preview", path, tmp_path / "out.png", "--input", "image", "--count", 4)[0] == 0
    alone = tmp_path / "alone.h5"
    seekless.write(alone, IMAGE, Y)
    preview(seekless.open(alone), tmp_path / "alone.png", count=4)
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "alone.png").read_bytes()
    with pytest.raises(OptionError, match=r"--input: found 'image', but .* has one input"):
        preview(seekless.open(alone), tmp_path / "other.png", of_input="image")


def test_preview_finds_the_only_pictures(tmp_path):
    make(tmp_path / "data.h5", x={"image": IMAGE, "age": AGE})
    assert preview(seekless.open(tmp_path / "data.h5"), tmp_path / "out.png", count=3).samples


def test_what_files_cannot_hold_is_not_extracted(tmp_path, path):
    with pytest.raises(StoreError, match="found the inputs age, depth, image, expected one input"):
        extract(path, tmp_path / "files")
    seekless.write(tmp_path / "weighed.h5", IMAGE, Y, sample_weight=WEIGHT)
    with pytest.raises(StoreError, match="found weights of samples, expected one input"):
        extract(tmp_path / "weighed.h5", tmp_path / "files")
    seekless.write(tmp_path / "masks.h5", IMAGE, IMAGE[..., 0] > 100)
    with pytest.raises(StoreError, match=r"found targets of shape \(8, 6\), expected one input"):
        extract(tmp_path / "masks.h5", tmp_path / "files")
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    "y", [np.arange(N, dtype="i8"), np.arange(N) / np.float32(3), np.arange(2 * N).reshape(N, 2) % 2 > 0]
)
def test_number_targets_of_any_dtype_come_back_from_files(tmp_path, y):
    seekless.write(tmp_path / "data.h5", IMAGE, y, target_type="number", key=[f"{number}.png" for number in range(N)])
    extract(tmp_path / "data.h5", tmp_path / "files")
    seekless.pack(tmp_path / "files", tmp_path / "again.h5", progress=False, workers=0)
    found = seekless.open(tmp_path / "again.h5")
    assert dict(zip(found.keys, found["y"].tolist(), strict=True)) == {
        f"{number}.png": value for number, value in enumerate(y.astype(np.float64).tolist())
    }
    assert compare(seekless.open(tmp_path / "data.h5"), tmp_path / "files", workers=0).equal


def test_no_source_has_several_inputs_to_compare_with(tmp_path, path):
    with pytest.raises(StoreError, match="found the inputs age, depth, image, expected one: no source of files has"):
        compare(seekless.open(path), tmp_path)


def test_a_damaged_block_of_an_input_is_found(path):
    store = seekless.open(path)
    table = store.tables["x/depth"]
    with open(table.path(2), "r+b") as file:
        file.seek(int(table.offset[2]))
        byte = file.read(1)
        file.seek(int(table.offset[2]))
        file.write(bytes([byte[0] ^ 1]))
    assert [(bad.field, bad.block) for bad in verify(path).bad] == [("x/depth", 2)]
    with pytest.raises(StoreFormatError, match="block 2 of x/depth is damaged"):
        list(seekless.open(path).batches(10, shuffle=False))


def test_inputs_whose_blocks_differ_are_refused(tmp_path):
    make(tmp_path / "data.h5", compression="none")
    header = seekless.open(tmp_path / "data.h5").header
    fields = {name: header.fields[name] for name in ("x/age", "x/depth")}
    odd = replace(header, fields={**fields, "x/age": replace(fields["x/age"], block_length=N)}, length=N)
    for suffix in (".h5", ".npy.d"):
        path = tmp_path / f"odd{suffix}"
        with create(suffix, path, odd) as writer:
            for name, field in odd.fields.items():
                for _ in range(field.blocks(N)):
                    writer.append(name, bytes(field.block_bytes))
        with pytest.raises(
            StoreFormatError, match=r"the block lengths \{'x/age': 150, 'x/depth': 3\}, expected the same"
        ):
            seekless.open(path)


def test_a_folder_with_a_file_of_the_users_own_is_not_replaced(tmp_path):
    path = make(tmp_path / "data.npy.d")
    make(path, overwrite=True)
    for name in ("x.image.npz", "x..npy", "note.txt"):
        (path / name).write_bytes(b"mine")
        with pytest.raises(seekless.errors.StoreExistsError, match="found something there that is no store"):
            make(path, overwrite=True)
        (path / name).unlink()


@st.composite
def inputs(draw):
    """Some inputs of any names, shapes and dtypes, and how to write them."""
    length = draw(st.integers(1, 70))
    names = draw(
        st.lists(
            st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}", fullmatch=True),
            min_size=1,
            max_size=4,
            unique_by=str.lower,
        )
    )
    x = {}
    for number, name in enumerate(names):
        shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
        dtype = np.dtype(draw(st.sampled_from(["?", "u1", "i2", "f2", "f4", "f8", "u8"])))
        raw = np.random.default_rng(number).integers(0, draw(st.sampled_from([2, 256])), (length, *shape))
        x[name] = (raw / draw(st.sampled_from([1, 255, 7]))).astype(dtype)
    options = {
        "shuffle": draw(st.booleans()),
        "seed": draw(st.integers(0, 9)),
        "block_bytes": draw(st.sampled_from([None, 1, 300])),
        "compression": draw(st.sampled_from(["none", "zstd", "auto"])),
    }
    return length, x, options, draw(st.sampled_from(["h5", "shards", "npy"])), draw(st.integers(1, 30))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=inputs())
def test_samples_stay_whole_in_any_store(tmp_path_factory, case):
    length, x, options, kind, size = case
    path = tmp_path_factory.mktemp("law") / ("a.npy.d" if kind == "npy" else "a.h5")
    if kind == "npy":
        options = {**options, "compression": "none"}
    seekless.write(path, x, np.arange(length), shard_bytes=2000 if kind == "shards" else None, **options)
    store = seekless.open(path)
    numbers = store["y"]
    assert store.keys == [f"{number:0{len(str(length - 1))}d}" for number in numbers]
    for name, array in store["x"].items():
        assert array.tobytes() == x[name][numbers].tobytes()
    seen = []
    for batch, y in store.batches(size, dtype=None, window_bytes=200, seed=3):
        seen += y.tolist()
        for name, array in batch.items():
            field = store.header.fields[f"x/{name}"]
            assert field.encoding.decode(array).tobytes() == x[name][y].tobytes()
    assert sorted(seen) == list(range(length))

"""A store is compared with its source by key, bit for bit, however it was converted."""

import shutil

import numpy as np
import pytest
from PIL import Image

import seekless
from seekless.convert.compare import compare, options_of
from seekless.errors import OptionError, SourceError, StoreError, StoreFormatError


@pytest.fixture
def pack(tmp_path):
    """Return a function that packs a source, and gives the open store."""

    def make(root, name="data.h5", **options):
        seekless.pack(root, tmp_path / name, **{"workers": 0, "progress": False, "overwrite": True, **options})
        return seekless.open(tmp_path / name)

    return make


def against(store, root, **options):
    return compare(store, root, **{"workers": 0, **options})


@pytest.mark.parametrize("name", ["data.h5", "data.npy.d"])
@pytest.mark.parametrize("source", ["tiny_csv", "tiny_png"])
def test_a_store_equals_its_source(pack, request, source, name):
    root = request.getfixturevalue(source).root
    comparison = against(pack(root, name), root)
    assert comparison.equal
    assert comparison.samples == 130
    assert str(comparison).endswith(f"{name}: all 130 samples are those of {root}, bit for bit")


def test_worker_processes_and_bars(pack, tiny_csv, capsys):
    assert against(pack(tiny_csv.root), tiny_csv.root, workers=2, progress=True).equal
    err = capsys.readouterr().err
    assert "reading: 130 of 130 samples" in err
    assert "comparing: 130 of 130 samples" in err
    assert compare(seekless.open(tiny_csv.root.parent / "data.h5"), tiny_csv.root).equal


def test_what_differs_is_said_value_by_value(pack, tiny_csv):
    store, root = pack(tiny_csv.root), tiny_csv.root
    values = np.loadtxt(root / "train" / "00007.csv")
    found = values.copy()
    values[2, 3], values[4, 0] = 0.123, -1.5
    np.savetxt(root / "train" / "00007.csv", values)
    text = (root / "target.csv").read_text()
    label, other = int(tiny_csv.labels[9]), (int(tiny_csv.labels[9]) + 1) % 10
    (root / "target.csv").write_text(text.replace(f"00009,{label}\n", f"00009,{other}\n"))
    (root / "train" / "00011.csv").write_text("1 2\n3 4\n")
    comparison = against(store, root)
    assert not comparison.equal
    assert str(comparison).splitlines() == [
        f"{store.path}: found another content than that of {root}",
        "  different: 3 of 130 in both",
        f"    train/00007.csv: found {found[2, 3]} at (2, 3), expected 0.123, and 1 more",
        f"    train/00009.csv: found target {label}, expected {other}",
        "    train/00011.csv: found shape (6, 6) float64, expected (2, 2) float64",
    ]


def test_a_sample_that_cannot_be_decoded_any_more(pack, tiny_csv):
    store = pack(tiny_csv.root)
    (tiny_csv.root / "train" / "00003.csv").write_text("1 x 3\n")
    ((key, text),) = against(store, tiny_csv.root).shown
    assert key == "train/00003.csv"
    assert text.startswith("the source has ")
    assert ", expected " in text


def test_values_and_target_of_one_sample(pack, tiny_png):
    store, root = pack(tiny_png.root), tiny_png.root
    label = int(tiny_png.labels[5])
    path = root / str(label) / "00005.png"
    pixels = tiny_png.images[5].copy()
    pixels[0, 1] ^= 1
    Image.fromarray(pixels).save(path)
    ((key, text),) = against(store, root).shown
    assert key == f"{label}/00005.png"
    assert text == f"found {pixels[0, 1] ^ 1} at (0, 1, 0), expected {pixels[0, 1]}"


@pytest.mark.parametrize("name", ["data.h5", "data.npy.d"])
def test_missing_and_extra_samples_are_told_apart(pack, tiny_png, name):
    store, root = pack(tiny_png.root, name), tiny_png.root
    label = int(tiny_png.labels[5])
    (root / str(label) / "00005.png").rename(root / str(label) / "moved.png")
    comparison = against(store, root)
    assert (comparison.samples, comparison.different) == (129, 0)
    assert str(comparison).splitlines()[1:] == [
        "  missing: 1 in the source alone",
        f"    {label}/moved.png",
        "  extra: 1 in the store alone",
        f"    {label}/00005.png",
    ]


def test_a_file_that_lost_its_label_or_a_label_its_file(pack, tiny_csv):
    store, root = pack(tiny_csv.root), tiny_csv.root
    lines = (root / "target.csv").read_text().splitlines()
    (root / "target.csv").write_text("\n".join(line for line in lines if not line.startswith("00004,")) + "\n")
    (root / "train" / "00008.csv").unlink()
    shutil.copy(root / "train" / "00001.csv", root / "train" / "new.csv")
    comparison = against(store, root)
    assert comparison.shown == [
        ("train/00004.csv", "the source has no target in target.csv, expected one line for each sample")
    ]
    assert (comparison.missing, comparison.extra) == (["train/new.csv"], ["train/00008.csv"])


def test_the_first_twenty_are_shown_and_all_are_counted(pack, tiny_png, monkeypatch):
    store, root = pack(tiny_png.root), tiny_png.root
    for path in root.rglob("*.png"):
        Image.fromarray(np.full((6, 6), 77, np.uint8)).save(path)
    comparison = against(store, root)
    assert (comparison.different, len(comparison.shown)) == (130, 20)
    keys = sorted(store.keys)
    assert [key for key, _ in comparison.shown] == keys[:20]
    assert all(text.startswith("found ") and ", expected 77" in text for _, text in comparison.shown)
    assert str(comparison).splitlines()[-1] == "    and 110 more"
    again = against(store, root, workers=2)
    assert str(again) == str(comparison)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("label,a,b,c,d\n" + "".join(f"{n % 3},{n},{n + 1},{n / 4},-{n}\n" for n in range(40)))
    return path


def test_rows_of_a_table(pack, table):
    store = pack(table, rows=True, target_columns=("label",), shape=(2, 2), on_error="skip")
    assert against(store, table).equal
    lines = table.read_text().splitlines()
    lines[1 + 17] = lines[1 + 17].replace("17,", "19,", 1)
    lines[1 + 20] = "0" + lines[1 + 20][1:]
    table.write_text("\n".join(lines[:-2]) + "\n")
    comparison = against(store, table)
    assert comparison.extra == ["train.csv#38", "train.csv#39"]
    assert comparison.shown == [
        ("train.csv#17", "found 17.0 at (0, 0), expected 19.0"),
        ("train.csv#20", "found target 2, expected 0"),
    ]


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"a.csv": "1,5;2\n", "b.csv": "3;4,25\n", "l.csv": "a,1.5\nb,-2\n"}, {"decimal": ",", "delimiter": ";"}),
        ({"a.csv": "x\n\n1 2 9\n", "b.csv": "y\n\n3 4 9\n"}, {"skip_rows": 1, "columns": (0, 1), "labels": "none"}),
        ({"a.csv": "1 nan\n", "b.csv": "-inf 2\n"}, {"allow_nan": True, "labels": "none", "shape": (2, 1)}),
    ],
    ids=["dialect", "columns", "nan"],
)
def test_the_recorded_options_decode_alike(pack, write, files, options):
    root = write({f"s/{name}" if name[0] != "l" else name: text for name, text in files.items()})
    given = {} if "labels" in options else {"labels": str(root / "l.csv")}
    store = pack(root / "s", **options, **given)
    assert against(store, root / "s", **given).equal


def test_images_resized_alike(pack, tiny_png):
    store = pack(tiny_png.root, size=(4, 5), channels=3, resize="crop")
    assert store.shape == (130, 4, 5, 3)
    assert against(store, tiny_png.root).equal


def test_options_given_count_instead_of_the_recorded_ones(pack, tiny_png):
    store = pack(tiny_png.root, size=(4, 5))
    comparison = against(store, tiny_png.root, size=(5, 4))
    assert comparison.different == 130
    assert comparison.shown[0][1] == "found shape (4, 5, 1) uint8, expected (5, 4, 1) uint8"


def test_without_labels_the_samples_alone_are_compared(pack, tiny_png):
    store = pack(tiny_png.root)
    assert against(store, tiny_png.root, labels="none").equal


def test_what_was_skipped_is_not_missing(pack, tiny_csv):
    train = tiny_csv.root / "train"
    (train / "00001.csv").write_text("1 2\n3 4\n")
    (train / "00002.csv").write_text("what\n1 x\n")
    (train / "more.csv").write_text("1 2\n3 4\n")
    store = pack(tiny_csv.root, on_error="skip")
    assert len(store) == 128
    assert against(store, tiny_csv.root).equal


@pytest.mark.parametrize("text", ["1 2\n3 4\n", "what\n1 x\n"], ids=["another form", "bad"])
def test_a_new_bad_sample_is_missing(pack, tiny_png, tiny_csv, text):
    store = pack(tiny_csv.root)
    (tiny_csv.root / "train" / "new.csv").write_text(text)
    with open(tiny_csv.root / "target.csv", "a") as labels:
        labels.write("new,1\n")
    comparison = against(store, tiny_csv.root)
    assert (comparison.missing, comparison.different) == (["train/new.csv"], 0)


def test_classes_are_compared_by_name(pack, tmp_path):
    """A class that lost its last sample would shift the numbers of those behind it."""
    root = tmp_path / "pets"
    for number, name in enumerate(["bird", "cat", "cat", "dog"]):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 2), number, np.uint8)).save(root / name / f"{number}.png")
    store = pack(root)
    assert against(store, root).equal
    shutil.rmtree(root / "bird")
    comparison = against(store, root)
    assert (comparison.different, comparison.extra) == (0, ["bird/0.png"])


def test_class_names_are_in_the_message(pack, write):
    root = write({"s/a.csv": "1", "s/b.csv": "2", "s/c.csv": "3", "l.csv": "a,cat\nb,dog\nc,dog\n"})
    store = pack(root / "s", labels=str(root / "l.csv"))
    (root / "l.csv").write_text("a,dog\nb,cow\nc,dog\n")
    comparison = against(store, root / "s", labels=str(root / "l.csv"))
    assert comparison.shown == [
        ("a.csv", "found target cat, expected dog"),
        ("b.csv", "found target dog, expected a class that the store does not have"),
    ]


def test_targets_that_are_numbers(pack, write):
    root = write({"s/a.csv": "1", "s/b.csv": "2", "l.csv": "a,1.5,2\nb,3,4\n"})
    labels = str(root / "l.csv")
    store = pack(root / "s", labels=labels)
    assert against(store, root / "s", labels=labels).equal
    (root / "l.csv").write_text("a,1.5,2.5\nb,3,4\n")
    assert against(store, root / "s", labels=labels).shown == [("a.csv", "found target [1.5 2. ], expected [1.5 2.5]")]
    (root / "l.csv").write_text("a,1.5\nb,3\n")
    comparison = against(store, root / "s", labels=labels)
    assert comparison.different == 2
    assert comparison.shown[0] == ("a.csv", "found a target of another kind, expected that of the source")


def test_minus_zero_is_not_zero(pack, write):
    root = write({"a.csv": "0.0 1", "b.csv": "2 3"})
    store = pack(root, labels="none")
    (root / "a.csv").write_text("-0.0 1")
    assert against(store, root).shown == [("a.csv", "found 0.0 at (0,), expected -0.0")]


def test_samples_of_one_value(pack, write):
    root = write({"a.csv": "5", "b.csv": "6"})
    store = pack(root, labels="none")
    (root / "b.csv").write_text("7")
    assert store.shape == (2,)
    assert against(store, root).shown == [("b.csv", "found 6.0, expected 7.0")]


def test_a_damaged_block_is_refused(pack, tiny_csv):
    store = pack(tiny_csv.root)
    with open(store.path, "r+b") as file:
        file.seek(int(store.tables["x"].offset[1]))
        file.write(b"!")
    with pytest.raises(StoreFormatError, match="block 1 of x is damaged"):
        against(store, tiny_csv.root)


def test_a_store_without_keys(tmp_path, pack, tiny_csv):
    store = pack(tiny_csv.root)
    del store.tables["key"]
    with pytest.raises(StoreError, match=r"data\.h5: found no keys, expected a store that `convert` made of files"):
        against(store, tiny_csv.root)


def test_no_source(pack, tiny_csv, tmp_path):
    with pytest.raises(SourceError, match="none: found no such folder"):
        against(pack(tiny_csv.root), tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "--workers: found -1, expected 0 or more"),
        ({"sizes": 3}, "found unknown options sizes, expected some of allow_nan, channels"),
        ({"size": (2, 2)}, "--size: found with csv, expected only with images"),
    ],
    ids=["workers", "unknown", "of images"],
)
def test_options_that_cannot_be_used(pack, tiny_csv, options, message):
    with pytest.raises(OptionError, match=message):
        against(pack(tiny_csv.root), tiny_csv.root, **options)


def test_options_are_read_from_the_record(pack, table, tiny_png):
    what = options_of(pack(table, rows=True, target_columns=("label",), shape=(2, 2)).header, {})
    assert (what.kind, what.rows, what.shape, what.target_columns) == ("csv", True, (2, 2), ("label",))
    assert (what.target_type, what.labels) == ("class", None)
    what = options_of(pack(tiny_png.root, size=(4, 4)).header, {"channels": 3})
    assert (what.kind, what.size, what.channels) == ("image", (4, 4), 3)


def test_a_scale_makes_no_pictures_of_numbers(pack, tmp_path):
    (tmp_path / "t.csv").write_text("label,a,b\n0,255,51\n1,0,102\n")
    store = pack(tmp_path / "t.csv", rows=True, target_columns=("label",), scale=255)
    assert against(store, tmp_path / "t.csv").equal
    (tmp_path / "t.csv").write_text("label,a,b\n0,255,51\n1,0,103\n")
    assert against(store, tmp_path / "t.csv").different == 1

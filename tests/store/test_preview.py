"""A contact sheet shows the samples it says it shows, in their colours, with their names."""

import numpy as np
import pytest
from PIL import Image

import seekless
from seekless.errors import OptionError, StoreError, StoreFormatError
from seekless.store import preview as preview_module
from seekless.store.preview import MARGIN, TILE, preview


@pytest.fixture
def draw(tmp_path, write_store):
    """Return a function that writes samples to a store and draws them; gives the preview and the sheet."""

    def make(x, blocks=None, *, drawing=None, y=None, **header):
        path = tmp_path / "a.h5"
        arrays = {"x": x} if y is None else {"x": x, "y": y}
        write_store(path, arrays, blocks, **header)
        drawn = preview(seekless.open(path), tmp_path / "a.png", overwrite=True, **(drawing or {}))
        with Image.open(drawn.path) as image:
            return drawn, np.asarray(image)

    return make


def tile(sheet, height=TILE, width=TILE):
    """The first picture on a sheet."""
    return sheet[MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def test_pictures_are_enlarged_by_whole_factors(draw, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (1, 28, 28), np.uint8)
    drawn, sheet = draw(x, divisor=255, logical=np.float64)
    assert np.array_equal(tile(sheet, 112, 112), np.repeat(np.kron(x[0], np.ones((4, 4), np.uint8))[..., None], 3, 2))
    assert str(drawn) == f"{tmp_path / 'a.png'}: 1 sample, {sheet.shape[1]} x {sheet.shape[0]} pixels"
    assert drawn.samples == (0,)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels(draw, channels):
    x = np.random.default_rng(0).integers(0, 256, (1, 64, 64, channels), np.uint8)
    _, sheet = draw(x, scale=255)
    expected = np.broadcast_to(x[0].repeat(2, 0).repeat(2, 1), (128, 128, 3))
    assert np.array_equal(tile(sheet), expected)


def test_transparent_samples_lie_over_a_checkerboard(draw):
    x = np.zeros((1, 128, 128, 4), np.uint8)
    x[0, :64] = (200, 100, 50, 255)
    _, sheet = draw(x, scale=255)
    assert (tile(sheet)[:64] == (200, 100, 50)).all()
    assert set(np.unique(tile(sheet)[64:])) == {224, 255}


def test_large_pictures_are_reduced_in_their_proportion(draw):
    x = np.full((1, 512, 256, 3), (10, 20, 30), np.uint8)
    _, sheet = draw(x, scale=255)
    beside = (preview_module.NARROWEST - 64) // 2
    assert (tile(sheet, 128, 72)[:, beside:-beside] == (10, 20, 30)).all()
    assert (tile(sheet, 128, 72)[:, :beside] > 200).all()


@pytest.mark.parametrize(
    ("x", "options", "expected"),
    [
        (np.array([0, 65535, 257], np.uint16), {"scale": 65535}, [0, 255, 1]),
        (np.array([0, 65535, 257], np.uint16), {"divisor": 65535, "logical": np.float64}, [0, 255, 1]),
        (np.array([-3, 7, 2], np.int8), {}, [0, 255, 128]),
        (np.array([5, 5, 5], np.uint8), {}, [255, 255, 255]),
        (np.array([0, 0, 0], np.float32), {}, [0, 0, 0]),
        (np.array([-1.0, 1.0, np.nan]), {}, [0, 255, 0]),
        (np.array([-1.5e308, 1.5e308, 0.0]), {}, [0, 255, 128]),
        (np.array([0.5, np.inf, -np.inf], np.float16), {}, [128, 255, 0]),
        (np.array([np.nan, np.nan, np.nan]), {}, [0, 0, 0]),
    ],
    ids=["16 bit", "k / 65535", "signed", "one value", "zeros", "nan", "huge", "infinite", "only nan"],
)
def test_values_become_grays(draw, x, options, expected):
    # One pixel a sample: each is its own picture on the sheet.
    drawn, sheet = draw(x.reshape(3, 1, 1), {"x": 1}, **options)
    assert drawn.samples == (0, 1, 2)
    found = [int(sheet[MARGIN, MARGIN + number * (TILE + MARGIN), 0]) for number in range(3)]
    assert found == expected


def test_the_seed_chooses(draw):
    x = np.zeros((500, 2, 2), np.uint8)
    first, again, other = (draw(x, drawing={"count": 20, "seed": seed})[0].samples for seed in (0, 0, -1))
    assert first == again != other
    assert len(set(first)) == 20
    assert first == tuple(sorted(first))


def test_no_more_samples_than_there_are(draw):
    assert draw(np.zeros((5, 2, 2), np.uint8))[0].samples == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("of_class", ["bc", "1", 1])
def test_one_class_by_name_or_number(made, tmp_path, digits, of_class):
    drawn = preview(seekless.open(made), tmp_path / "a.png", of_class=of_class)
    assert drawn.samples == tuple(np.flatnonzero(digits["y"] == 1).tolist())


def test_every_sample_has_its_name(made, tmp_path, digits, write_store):
    store = seekless.open(made)
    named = [name for name, _ in preview_module._names(store, [0, 3, 10])]
    assert named == [store.class_names[number] for number in digits["y"][[0, 3, 10]]]
    numbered = {**digits, "y": np.array([[0.5, 1e9]] * 11)}
    write_store(tmp_path / "n.h5", numbered, target_kind="number")
    assert preview_module._names(seekless.open(tmp_path / "n.h5"), [4]) == [("0.5, 1e+09", "")]
    write_store(tmp_path / "c.h5", digits, target_kind="class", class_count=4)
    assert preview_module._names(seekless.open(tmp_path / "c.h5"), [1]) == [("3", "class 3")]
    write_store(tmp_path / "k.h5", {"x": digits["x"], "key": digits["key"]})
    assert preview_module._names(seekless.open(tmp_path / "k.h5"), [9]) == [("09.csv", "9")]
    write_store(tmp_path / "x.h5", {"x": digits["x"]})
    assert preview_module._names(seekless.open(tmp_path / "x.h5"), [9]) == [("9", "")]


def test_names_are_written_under_the_pictures(made, tmp_path):
    sheets = []
    for kept in (True, False):
        store = seekless.open(made)
        if not kept:
            del store.tables["y"], store.tables["key"]
        drawn = preview(store, tmp_path / f"{kept}.png", count=1)
        with Image.open(drawn.path) as image:
            sheets.append(np.asarray(image))
    assert (sheets[0][-30:] < 100).any()
    assert not np.array_equal(*sheets)


@pytest.mark.parametrize(("count", "columns"), [(64, 8), (1, 1), (2, 2), (10, 5), (100, 10), (7, 4), (60, 10)])
def test_rows_are_full_where_they_can_be(count, columns):
    assert preview_module._columns(count, 1.16) == columns


def test_large_samples_are_read_a_few_at_a_time(made, tmp_path, monkeypatch):
    whole = preview(seekless.open(made), tmp_path / "a.png")
    monkeypatch.setattr(preview_module, "GROUP_BYTES", 13)
    preview(seekless.open(made), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert whole.samples == tuple(range(11))


@pytest.mark.parametrize("shape", [(), (9,), (4, 4, 2), (4, 4, 3, 1)], ids=str)
def test_other_shapes_are_no_pictures(draw, shape):
    with pytest.raises(StoreError, match=r"a\.h5: found samples of shape \(.*\), expected pictures to draw: .*--shape"):
        draw(np.zeros((3, *shape), np.uint8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of_class": "zebra"}, r"--class: found 'zebra', expected one of the classes of .*: a, bc, é, d$"),
        ({"of_class": 4}, "--class: found 4, expected one of the classes"),
        ({"of_class": -1}, "--class: found -1, expected one of the classes"),
        ({"count": 0}, "--count: found 0, expected 1 or more"),
    ],
    ids=["no such name", "no such number", "negative", "no samples"],
)
def test_options_that_cannot_be_used(made, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        preview(seekless.open(made), tmp_path / "a.png", **options)
    assert not (tmp_path / "a.png").exists()


def test_a_class_without_samples(draw):
    with pytest.raises(OptionError, match=r"--class: found no samples of class 1 in .*, expected one that has some"):
        draw(np.zeros((2, 2, 2)), y=np.array([0, 2]), target_kind="class", class_count=3, drawing={"of_class": 1})


def test_classes_by_number_are_named_by_their_range(draw):
    with pytest.raises(OptionError, match=r"--class: found 'x', expected one of the classes of .*: 0 to 2"):
        draw(np.zeros((2, 2, 2)), y=np.array([0, 2]), target_kind="class", class_count=3, drawing={"of_class": "x"})


def test_a_class_of_a_store_without(draw):
    with pytest.raises(OptionError, match=r"--class: found 'cat', but .*a\.h5 has no classes; leave --class out"):
        draw(np.zeros((2, 2, 2), np.uint8), drawing={"of_class": "cat"})


def test_a_file_that_exists_is_kept(made, tmp_path):
    out = tmp_path / "a.png"
    out.write_text("mine")
    with pytest.raises(OptionError, match=r"a\.png: found an existing file, expected a new name; --overwrite"):
        preview(seekless.open(made), out)
    assert out.read_text() == "mine"
    preview(seekless.open(made), out, overwrite=True)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.partial"))


def test_a_sheet_is_a_png(made, tmp_path):
    with pytest.raises(OptionError, match=r"a\.jpg: found a name that ends in '\.jpg', expected one .* \.png"):
        preview(seekless.open(made), tmp_path / "a.jpg")


def test_a_sheet_needs_a_folder(made, tmp_path):
    with pytest.raises(OptionError, match=r"a\.png: found no folder .*none, expected one to write to; make it first"):
        preview(seekless.open(made), tmp_path / "none" / "a.png")


def test_damage_is_refused_and_leaves_no_picture(made, tmp_path):
    store = seekless.open(made)
    with open(made, "r+b") as file:
        file.seek(int(store.tables["x"].offset[0]))
        file.write(b"!")
    with pytest.raises(StoreFormatError, match="block 0 of x is damaged"):
        preview(store, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()

"""Every kind of small file a person would bring, all the way: which target each sample gets, what pictures become."""

import io
import shutil

import numpy as np
import pytest
from kit.converting import names, pack, targets
from PIL import Image

import seekless
from seekless.errors import OptionError, SourceError

RANDOM = np.random.default_rng(11)
ONE, TWO, THREE = "1 2\n3 4\n", "5 6\n7 8\n", "9 1\n2 3\n"


def picture(form, **options):
    """The bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.arange(np.prod(form), dtype=np.uint8).reshape(form)).save(file, "png", **options)
    return file.getvalue()


@pytest.fixture
def store(tmp_path):
    """A store to be."""
    return tmp_path / "a.h5"


SEED = {"train/00007.csv": ONE, "train/00012.csv": TWO}
FLAT = {"a.csv": ONE, "b.csv": TWO}
FOUND = {
    "a folder a class": ({"dog/1.csv": ONE, "cat/x/2.csv": TWO}, {}, {"dog/1.csv": 1, "cat/x/2.csv": 0}),
    "seed layout": (
        {**SEED, "target.csv": "00012,0\n00007,1\n"},
        {},
        {"train/00007.csv": 1, "train/00012.csv": 0},
    ),
    "ids as numbers": (
        {**SEED, "target.csv": "12,0\n7,1\n"},
        {},
        {"train/00007.csv": 1, "train/00012.csv": 0},
    ),
    "paths": (
        {"x/a.csv": ONE, "y/a.csv": TWO, "target.csv": "y/a.csv,0\nx/a.csv,1\n"},
        {},
        {"x/a.csv": 1, "y/a.csv": 0},
    ),
    "names": ({"a.csv": ONE, "a.txt": TWO, "target.csv": "a.txt,0\na.csv,1\n"}, {}, {"a.csv": 1, "a.txt": 0}),
    "stems": ({**FLAT, "target.csv": "b,0\na,1\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "tabs": ({**FLAT, "target.csv": "b\t0\na\t1\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "semicolons": ({**FLAT, "target.csv": "b;0\na;1\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "a header over numbers": ({**FLAT, "target.csv": "id,label\nb,0\na,1\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "a header over words": ({**FLAT, "target.csv": "id,label\nb,cat\na,dog\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "words": ({**FLAT, "target.csv": "b,cat\na,dog\n"}, {}, {"a.csv": 1, "b.csv": 0}),
    "numbers": ({**FLAT, "target.csv": "b,0.5\na,-1\n"}, {}, {"a.csv": -1.0, "b.csv": 0.5}),
    "vectors": ({**FLAT, "target.csv": "b,0,1\na,2,3\n"}, {}, {"a.csv": [2.0, 3.0], "b.csv": [0.0, 1.0]}),
    "a column": (
        {**FLAT, "target.csv": "id,u,v\nb,0,1\na,2,3\n"},
        {"target_columns": ("v",)},
        {"a.csv": 3, "b.csv": 1},
    ),
    "classes as numbers": (
        {**FLAT, "target.csv": "b,0\na,-7\n"},
        {"target_type": "number"},
        {"a.csv": -7.0, "b.csv": 0.0},
    ),
    "numbers as classes": (
        {**FLAT, "target.csv": "b,0.5\na,-1\n"},
        {"target_type": "class"},
        {"a.csv": 0, "b.csv": 1},
    ),
    "another file": ({**FLAT, "mine.csv": "b,0\na,1\n"}, {"labels": "mine.csv"}, {"a.csv": 1, "b.csv": 0}),
    "another file before the found one": (
        {**FLAT, "target.csv": "b,1\na,0\n", "mine.tsv": "b\t0\na\t1\n"},
        {"labels": "mine.tsv"},
        {"a.csv": 1, "b.csv": 0},
    ),
    "none": ({"x/a.csv": ONE, "b.csv": TWO}, {"labels": "none"}, {"x/a.csv": None, "b.csv": None}),
    "none, beside train": (
        {**SEED, "b.csv": TWO, "target.csv": "7,0\n12,1\n"},
        {"labels": "none"},
        dict.fromkeys([*SEED, "b.csv"]),
    ),
    "beside a test folder": (
        {**SEED, "test/1.csv": THREE, "target.csv": "12,0\n7,1\n"},
        {},
        {"train/00007.csv": 1, "train/00012.csv": 0},
    ),
}
ERRORS = {
    "one folder": ({"cat/1.csv": ONE, "cat/2.csv": TWO}, {}, r"found the one folder 'cat', expected two class fo"),
    "a loose file": ({"a/1.csv": ONE, "b/2.csv": TWO, "c.csv": ONE}, {}, r"found c\.csv in no class folder, expec"),
    "train without target.csv": (
        SEED,
        {},
        r"target\.csv: found no such file beside train/, .* --labels none, or g",
    ),
    "no such labels": (
        FLAT,
        {"labels": "none.csv"},
        r"none\.csv: found no such file, expected the targets: a line",
    ),
    "a file without target": (
        {**FLAT, "target.csv": "a,1\n"},
        {},
        r"found 1 bad of 2 samples.*\n.*b\.csv: found no target in target\.csv(.|\n)*--on-error skip",
    ),
    "a target without file": (
        {**FLAT, "target.csv": "a,1\nb,0\nc,2\n"},
        {},
        r"found 1 bad of 3 samples.*\n.* c: found a target in target\.csv without a file, expected a sample",
    ),
    "an id twice": (
        {**FLAT, "target.csv": "a,1\nb,0\na,1\n"},
        {},
        r"target\.csv: found more than one line for a, ex",
    ),
    "a contradiction": (
        {**FLAT, "target.csv": "a,1\nb,0\na,2\n"},
        {},
        r"more than one line for a \(1; 2\), expected",
    ),
    "outside": (
        {**FLAT, "target.csv": "a,1\n../../x,0\n"},
        {},
        r"target\.csv, line 2: found '\.\./\.\./x', expected a n",
    ),
    "absolute": (
        {**FLAT, "target.csv": "/etc/x,1\nb,0\n"},
        {},
        r"target\.csv, line 1: found '/etc/x', expected a name",
    ),
    "two files, one stem": (
        {"a.csv": ONE, "a.txt": TWO, "target.csv": "a,1\n"},
        {},
        r"target\.csv, line 1: found id 'a', which fits a\.csv, a\.txt, expected one sample an id; write their paths",
    ),
    "two ids, one number": (
        {**SEED, "target.csv": "7,1\n07,0\n12,0\n"},
        {},
        r"target\.csv: found two ids that are the number 7, expected ids as the files are named",
    ),
    "two files, one number": (
        {"7.csv": ONE, "07.csv": TWO, "target.csv": "007,1\n"},
        {},
        r"target\.csv, line 1: found id '007', which fits 07\.csv, 7\.csv, expected one sample an id",
    ),
    "negative class": (
        {**FLAT, "target.csv": "a,-1\nb,0\n"},
        {},
        r"found class -1, expected classes from 0 to 999999",
    ),
    "huge class": (
        {**FLAT, "target.csv": "a,1000000\nb,0\n"},
        {},
        r"found class 1000000, expected .*--target-type n",
    ),
    "huger class": (
        {**FLAT, "target.csv": f"a,{'9' * 5000}\nb,0\n"},
        {},
        r"found a label that is not a finite numb",
    ),
    "empty label": (
        {**FLAT, "target.csv": "a,\nb,0\n"},
        {},
        r"target\.csv: found an empty label, expected one for ea",
    ),
    "NaN": (
        {**FLAT, "target.csv": "a,nan\nb,0.5\n"},
        {},
        r"target\.csv: found a label that is not a finite number",
    ),
    "words for numbers": (
        {**FLAT, "target.csv": "a,1\nb,x\n"},
        {"target_type": "number"},
        r"target\.csv: found label 'x', expected a number; see --target-type",
    ),
    "no such column": (
        {**FLAT, "target.csv": "id,u,v\na,1,2\nb,0,1\n"},
        {"target_columns": ("w",)},
        r"target\.csv: found no column w in its first line, expected one of u, v; see --target-column",
    ),
    "ragged": (
        {**FLAT, "target.csv": "a,1\nb,0,1\n"},
        {},
        r"target\.csv, line 2: found 3 columns, expected 2 as in l",
    ),
    "empty": (
        {**FLAT, "target.csv": ""},
        {},
        r"target\.csv: found no lines, expected 'name,label' for each sample",
    ),
    "not UTF-8": ({**FLAT, "target.csv": b"a,\xe9\nb,x\n"}, {}, r"target\.csv: found bytes that are not UTF-8"),
}


class TestTargets:
    @pytest.mark.parametrize(("files", "options", "expected"), FOUND.values(), ids=FOUND)
    def test_they_are_found_and_joined_by_name(self, write, store, monkeypatch, files, options, expected):
        monkeypatch.chdir(write(files))
        pack(".", store, kind="csv", **options)
        assert targets(store) == expected

    def test_words_are_kept_as_names(self, write, store):
        pack(write({"dog/1.csv": ONE, "Cat/2.csv": TWO, "cow/3.csv": THREE}), store)
        assert seekless.open(store).class_names == ("Cat", "cow", "dog")

    @pytest.mark.parametrize(("files", "options", "message"), ERRORS.values(), ids=ERRORS)
    def test_what_does_not_match_leaves_no_store(self, write, store, files, options, message):
        root = write(files)
        with pytest.raises(SourceError, match=message):
            pack(root, store, kind="csv", **options)
        assert {*names(store.parent)} <= {"data", "a.h5.errors.csv"}

    def test_a_folder_of_numbers_is_no_number(self, write, store):
        with pytest.raises(OptionError, match=r"--target-type: found number, expected class where a folder is a class"):
            pack(write({"1/a.csv": ONE, "2/b.csv": TWO}), store, target_type="number")


class TestClassesFrom:
    @pytest.fixture
    def named(self, write, tmp_path):
        pack(write({"cat/1.csv": ONE, "cow/2.csv": TWO, "dog/3.csv": THREE}), tmp_path / "named.h5")
        shutil.rmtree(tmp_path / "data")
        return tmp_path / "named.h5"

    @pytest.fixture
    def numbered(self, write, tmp_path):
        files = {"1.csv": ONE, "2.csv": TWO, "3.csv": THREE, "target.csv": "1,0\n2,4\n3,2\n"}
        pack(write(files), tmp_path / "numbered.npy.d")
        shutil.rmtree(tmp_path / "data")
        return tmp_path / "numbered.npy.d"

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"cat/1.csv": ONE, "dog/2.csv": TWO}, {"cat/1.csv": 0, "dog/2.csv": 2}),
            ({"dog/2.csv": TWO}, {"dog/2.csv": 2}),
            ({"a.csv": ONE, "b.csv": TWO, "target.csv": "a,dog\nb,cow\n"}, {"a.csv": 2, "b.csv": 1}),
        ],
        ids=["a folder less", "one folder", "a labels file"],
    )
    def test_names_keep_their_numbers(self, write, store, named, files, expected):
        pack(write(files), store, classes_from=named)
        assert targets(store) == expected
        header = seekless.open(store).header
        assert (header.class_count, header.class_names) == (3, ("cat", "cow", "dog"))

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"a.csv": ONE, "b.csv": TWO, "target.csv": "a,4\nb,2\n"}, {"a.csv": 4, "b.csv": 2}),
            ({"a.csv": ONE, "b.csv": TWO, "target.csv": "a,1\nb,1\n"}, {"a.csv": 1, "b.csv": 1}),
            ({"4/a.csv": ONE, "2/b.csv": TWO}, {"4/a.csv": 4, "2/b.csv": 2}),
            ({"4/a.csv": ONE}, {"4/a.csv": 4}),
        ],
        ids=["a labels file", "one class", "folders", "one folder"],
    )
    def test_numbers_stay(self, write, store, numbered, files, expected):
        pack(write(files), store, classes_from=numbered)
        assert targets(store) == expected
        header = seekless.open(store).header
        assert (header.class_count, header.class_names) == (5, None)

    def test_an_unknown_class(self, write, store, named, numbered):
        root = write({"cat/1.csv": ONE, "fox/2.csv": TWO})
        with pytest.raises(SourceError, match=r"data: found classes fox, expected those of .*named\.h5: cat, cow, dog"):
            pack(root, store, classes_from=named)
        with pytest.raises(SourceError, match=r"data: found classes cat, fox, expected .*numbered\.npy\.d: 0 to 4"):
            pack(root, store, classes_from=numbered)
        shutil.rmtree(root)
        with pytest.raises(SourceError, match=r"target\.csv: found classes 5, expected those of .*: 0 to 4"):
            pack(write({"a.csv": ONE, "target.csv": "a,5\n"}), store, classes_from=numbered)

    def test_a_store_without_classes(self, write, store, tmp_path):
        root = write({"cat/1.csv": ONE, "dog/2.csv": TWO})
        pack(root, store, labels="none")
        with pytest.raises(
            OptionError, match=r"--classes-from: found no classes in .*a\.h5, expected a store whose targ"
        ):
            pack(root, tmp_path / "b.h5", classes_from=store)


MODES = {
    "L": (np.uint8, (4, 5), 255),
    "RGB": (np.uint8, (4, 5, 3), 255),
    "RGBA": (np.uint8, (4, 5, 4), 255),
    "I;16": (np.uint16, (4, 5), 65535),
}


class TestImages:
    @pytest.fixture(params=MODES)
    def pictures(self, request, tmp_path):
        """Eight pictures in two classes, the largest value among them, and how they are to be stored."""
        dtype, form, scale = MODES[request.param]
        for number in range(8):
            path = tmp_path / "img" / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = RANDOM.integers(0, scale + 1, form).astype(dtype)
            values.flat[0] = scale
            Image.fromarray(values).save(path)
        return tmp_path / "img", dtype, scale

    @pytest.mark.parametrize("name", ["a.h5", "a.npy.d"])
    def test_values_are_pillows_own(self, pictures, tmp_path, convert, name):
        root, dtype, scale = pictures
        command = "png-to-npy" if name.endswith(".d") else "png-to-h5"
        assert convert(command, root, tmp_path / name, "--quiet") == (0, "", "")
        opened = seekless.open(tmp_path / name)
        field = opened.header.fields["x"]
        assert (field.dtype, field.encoding.logical_dtype, field.scale) == (dtype, dtype, scale)
        assert opened.class_names == ("a", "b")
        for key, x, y in zip(opened.keys, opened["x"], opened["y"], strict=True):
            with Image.open(root / key) as file:
                np.testing.assert_array_equal(x, np.atleast_3d(np.asarray(file)), strict=True)
            assert y == "ab".index(key[0])
        (batch, labels), *more = seekless.batches(tmp_path / name, 8, shuffle=False)
        assert not more
        assert batch.dtype == np.float32
        assert (batch.min() >= 0, batch.max()) == (True, 1)
        np.testing.assert_array_equal(batch, opened["x"].astype(np.float32) / np.float32(scale))
        np.testing.assert_array_equal(labels, opened["y"])

    def test_without_a_size_the_odd_ones_are_named(self, write, store, convert):
        root = write(
            {
                "a/1.png": picture((2, 3)),
                "a/2.png": picture((2, 3)),
                "b/3.png": picture((5, 4)),
                "b/4.png": picture((2, 3, 3)),
            }
        )
        code, out, err = convert("png-to-h5", root, store, "--quiet")
        assert (code, out) == (1, "")
        assert err.splitlines()[1:3] == [
            "  b/3.png: found shape 5 x 4 x 1, expected shape 2 x 3 x 1 as in 2 samples",
            "  b/4.png: found shape 2 x 3 x 3, expected shape 2 x 3 x 1 as in 2 samples",
        ]

    def test_size_and_channels_make_them_one(self, write, store, convert):
        files = {"a/1.png": picture((2, 3)), "b/3.png": picture((50, 40)), "b/4.png": picture((7, 7, 4))}
        root = write(files)
        assert convert("png-to-h5", root, store, "--size", "6x8", "--channels", "3", "--quiet") == (0, "", "")
        opened = seekless.open(store)
        assert opened.shape == (3, 6, 8, 3)
        for key, x in zip(opened.keys, opened["x"], strict=True):
            with Image.open(io.BytesIO(files[key])) as file:
                np.testing.assert_array_equal(x, np.asarray(file.convert("RGB").resize((8, 6))))

    def test_all_formats_beside_each_other(self, tmp_path, store):
        image = Image.fromarray(RANDOM.integers(0, 256, (4, 4, 3)).astype(np.uint8))
        for number, name in enumerate(["1.png", "2.JPG", "3.jpeg", "4.bmp", "5.tif", "6.TIFF", "7.webp", "8.txt"]):
            path = tmp_path / "img" / "ab"[number % 2] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, "bmp" if name.endswith("txt") else None)
        pack(tmp_path / "img", store)
        opened = seekless.open(store)
        assert len(opened) == 7
        for key, x in zip(opened.keys, opened["x"], strict=True):
            with Image.open(tmp_path / "img" / key) as file:
                np.testing.assert_array_equal(x, np.asarray(file))

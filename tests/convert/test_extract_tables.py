"""Rows of tables become tables again, in their order, however little memory there is."""

import numpy as np
import pytest
from tqdm import tqdm

import seekless
from seekless.convert.extract import extract
from seekless.convert.extract_tables import Tables, target_columns
from seekless.errors import ConvertError

TABLE = "digit,a,b,c\n" + "".join(f"{n % 3},{n / 7!r},{-n},{n}e-300\n" for n in range(50))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def pack(source, store, **options):
    options = {"labels": "none"} if not options.get("target_columns") and "labels" not in options else options
    seekless.pack(source, store, kind="csv", rows=True, progress=False, **options)


def test_a_table(tmp_path, write, round_trip, assert_same):
    root = write({"train.csv": TABLE})
    pack(root / "train.csv", tmp_path / "data.h5", target_columns="digit")
    folder, again = round_trip(tmp_path / "data.h5")
    assert files(folder) == ["train.csv"]
    lines = (folder / "train.csv").read_text().splitlines()
    assert lines[0] == "digit,v0,v1,v2"
    assert lines[1].startswith("0,0.0")
    assert len(lines) == 51
    assert_same(again, tmp_path / "data.h5")
    # The same source and options: the same bytes.
    assert again.read_bytes() == (tmp_path / "data.h5").read_bytes()


CASES = {
    "several tables": ({"a.csv": TABLE, "deep/b.csv": TABLE}, {"target_columns": "digit"}),
    "no targets": ({"a.tsv": "1\t2\n3\t4\n", "b.txt": "5 6\n"}, {}),
    "one column": ({"a.csv": "1\n2\n3\n"}, {}),
    "a shape": ({"a.csv": TABLE}, {"target_columns": "digit", "shape": (1, 3)}),
    "targets by number": ({"a.csv": TABLE}, {"target_columns": "0"}),
    "two targets": ({"a.csv": TABLE}, {"target_columns": ("c", "a")}),
    "words": ({"a.csv": "x,name\n1,cat\n2,dog\n3,cat\n"}, {"target_columns": "name"}),
    "words to quote": ({"a.csv": 'x,name\n1,"cat, grey"\n2,"say ""miau"""\n'}, {"target_columns": "name"}),
    "NaN": ({"a.csv": "1,nan\ninf,-0.0\n"}, {"allow_nan": True, "labels": "none"}),
    "classes that some lack": ({"a.csv": "y,x\n7,1\n2,3\n"}, {"target_columns": "y"}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_value_target_and_key_comes_back(tmp_path, write, round_trip, assert_same, case):
    content, options = CASES[case]
    pack(write(content), tmp_path / "data.h5", **options)
    folder, again = round_trip(tmp_path / "data.h5")
    assert files(folder) == sorted(content)
    assert_same(again, tmp_path / "data.h5")


def test_past_memory_the_same_tables(tmp_path):
    x = np.random.default_rng(3).normal(size=(3000, 200))  # 4.8 MB
    keys = [f"{'ab'[number % 2]}.csv#{number // 2}" for number in range(3000)]
    seekless.write(tmp_path / "data.h5", x, np.arange(3000) % 5, key=keys)
    extract(tmp_path / "data.h5", tmp_path / "large")
    extract(tmp_path / "data.h5", tmp_path / "small", memory=1 << 20)
    assert files(tmp_path) == [
        "data.h5",
        *(f"{folder}/{name}" for folder in ("large", "small") for name in ("a.csv", "b.csv")),
    ]
    for name in ("a.csv", "b.csv"):
        assert (tmp_path / "large" / name).read_bytes() == (tmp_path / "small" / name).read_bytes()
    lines = np.loadtxt(tmp_path / "small" / "b.csv", delimiter=",", skiprows=1)
    assert lines[:, 1:].tobytes() == x[1::2].tobytes()


def test_rows_that_were_left_out_are_closed_up(tmp_path):
    seekless.write(tmp_path / "data.h5", np.array([[0.5], [1.5]]), key=["t.csv#7", "t.csv#12"])
    extracted = extract(tmp_path / "data.h5", tmp_path / "out")
    assert (tmp_path / "out" / "t.csv").read_text() == "v0\n5.000000000000000000e-01\n1.500000000000000000e+00\n"
    assert extracted.form == "rows of 1 table"


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["t.csv#0", "u.csv"], None),
        (["t.csv#0", "t.csv#1"], ["C#", "b"]),
        (["t.csv#0", "t.csv#00"], None),
    ],
    ids=["some are no rows", "a class that is no cell", "two of one row"],
)
def test_else_every_row_is_a_file(tmp_path, keys, names):
    y = None if names is None else [0, 1]
    seekless.write(tmp_path / "data.h5", np.ones((2, 3)), y, key=keys, class_names=names)
    assert extract(tmp_path / "data.h5", tmp_path / "out").form == "CSV files"
    assert len(files(tmp_path / "out")) == (2 if names is None else 3)


def test_a_table_that_is_there_is_not_added_to(tmp_path):
    seekless.write(tmp_path / "data.h5", np.ones((2, 3)), key=["t.csv#0", "t.csv#1"])
    store = seekless.open(tmp_path / "data.h5")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "t.csv").write_text("mine\n")
    with pytest.raises(FileExistsError), tqdm(disable=True) as bar:
        Tables.of(store, store.keys).write(tmp_path / "out", tmp_path / "parts", 1 << 20, bar)
    assert (tmp_path / "out" / "t.csv").read_text() == "mine\n"


def test_no_table_outside_of_the_folder(tmp_path):
    seekless.write(tmp_path / "data.h5", np.ones((2, 3)), key=["../t.csv#0", "../t.csv#1"])
    with pytest.raises(ConvertError, match=r"found the key '\.\./t\.csv', which is no path inside a folder"):
        extract(tmp_path / "data.h5", tmp_path / "out")
    assert files(tmp_path) == ["data.h5"]


@pytest.mark.parametrize(
    ("columns", "y", "expected"),
    [
        (("price",), [1.5, 2.5], ("price",)),
        (("3",), [1.5, 2.5], ("target",)),
        (("v1",), [1.5, 2.5], ("target",)),
        (("a", "b"), [[1.5, 2], [2.5, 3]], ("a", "b")),
        (("a", "a"), [[1.5, 2], [2.5, 3]], ("target0", "target1")),
        ((), None, ()),
    ],
)
def test_columns_keep_their_names_where_they_can(tmp_path, columns, y, expected):
    seekless.write(tmp_path / "data.h5", np.ones((2, 3)), y)
    header = seekless.open(tmp_path / "data.h5").header
    header.options["target_columns"] = list(columns)
    assert target_columns(header) == expected

"""Which samples are trained on and which are tested on."""

import numpy as np
import pytest

import seekless
from seekless.errors import SourceNotFoundError, StoreFormatError, StoreNotFoundError, TrainError
from seekless.train.data import open_data
from seekless.train.options import Options


def numbers(part) -> list[int]:
    """Which samples of a numbered store a part holds, in its order."""
    return [int(number) for x, _ in part for number in x[:, 0, 0]]


@pytest.mark.parametrize(
    ("boundaries", "fraction", "edge"),
    [((), None, 117), ((), 0.25, 98), ((100, 130), None, 100), ((100, 130), 0.5, 65), ((60, 100, 130), None, 60)],
    ids=["a tenth", "told", "recorded", "told though recorded", "three recorded"],
)
def test_the_last_part_of_a_store_is_held_out(numbered, boundaries, fraction, edge):
    data = open_data(Options(str(numbered(boundaries=boundaries)), batch_size=16, test_fraction=fraction))
    train, test = numbers(data.train), numbers(data.test)
    assert sorted(train) == list(range(edge))
    assert train != sorted(train)
    assert test == list(range(100 if len(boundaries) == 3 else edge, 130))
    assert not set(train) & set(test)
    assert (data.train.samples, data.test.samples) == (len(train), len(test))


def test_the_seed_draws_the_order_and_not_the_part(numbered):
    path = str(numbered())
    one, same, other = (open_data(Options(path, seed=seed)) for seed in (1, 1, 2))
    first, again, another = (numbers(data.train) for data in (one, same, other))
    assert first == again
    assert first != another
    assert sorted(first) == sorted(another)
    assert numbers(one.test) == numbers(other.test)


def test_a_store_says_its_shape_classes_and_name(numbered):
    data = open_data(Options(str(numbered(name="digits.h5"))))
    assert (data.name, data.sample_shape, data.class_count) == ("digits", (4, 4), 3)
    assert data.described["samples"] == 130


def test_loose_files_hold_out_what_their_store_holds_out(tiny_csv, tiny_store):
    store, files = open_data(Options(str(tiny_store))), open_data(Options(files=str(tiny_csv.root)))
    for one, other in ((store.train, files.train), (store.test, files.test)):
        of_store, of_files = ({image.tobytes() for x, _ in part for image in x} for part in (one, other))
        assert of_store == of_files
        assert len(of_store) == one.samples == other.samples
    assert (files.sample_shape, files.class_count) == (store.sample_shape, store.class_count)


@pytest.mark.parametrize(
    ("y", "found"),
    [(np.linspace(0, 1, 20), "found targets that are numbers"), (None, "found no targets")],
    ids=["numbers", "none"],
)
def test_a_store_without_classes_is_told(make_store, y, found):
    path = make_store(np.zeros((20, 4, 4), np.uint8), y, kind="number")
    with pytest.raises(TrainError, match=rf"data\.h5: {found}, expected targets that are classes, .* for lenet-wide"):
        open_data(Options(str(path), model="lenet-wide"))


def test_files_without_classes_are_told(tiny_csv):
    (tiny_csv.root / "target.csv").write_text("".join(f"{number:05d},{number / 4}\n" for number in range(130)))
    with pytest.raises(TrainError, match="data: found targets that are numbers, expected targets that are classes"):
        open_data(Options(files=str(tiny_csv.root)))


@pytest.mark.parametrize(
    ("count", "options", "found"),
    [(1, {}, "1 samples to train and 0"), (3, {"test_fraction": 0.99}, "0 samples to train and 3")],
    ids=["nothing to test on", "nothing to train on"],
)
def test_a_part_without_samples_is_told(numbered, count, options, found):
    with pytest.raises(TrainError, match=rf"data\.h5: found {found} to test on, expected at least one each"):
        open_data(Options(str(numbered(count)), **options))


def test_what_is_not_there_or_no_store_is_told(tmp_path):
    (tmp_path / "text.h5").write_text("not a store")
    with pytest.raises(StoreNotFoundError, match=r"nowhere\.h5: found no such file"):
        open_data(Options(str(tmp_path / "nowhere.h5")))
    with pytest.raises(StoreFormatError, match=r"text\.h5: found no HDF5 file"):
        open_data(Options(str(tmp_path / "text.h5")))
    with pytest.raises(SourceNotFoundError, match="nowhere: found no such"):
        open_data(Options(files=str(tmp_path / "nowhere")))


@pytest.mark.parametrize(("highest", "advice"), [(1, ""), (30, ""), (255, "--scale 255"), (1000, "--scale 1000")])
def test_large_values_are_pointed_out(tmp_path, highest, advice):
    rows = [f"{i % 2},{highest if i % 2 else 0},0.5" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["label,a,b", *rows]) + "\n")
    seekless.pack(tmp_path / "t.csv", tmp_path / "t.h5", rows=True, target_columns=("label",), progress=False)
    hint = open_data(Options(store=str(tmp_path / "t.h5"), batch_size=4)).hint()
    assert hint.endswith(advice)
    assert bool(hint) == bool(advice)

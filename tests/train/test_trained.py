"""A saved model tested on a store and asked for its samples."""

import csv
import tracemalloc

import keras
import numpy as np
import pytest

from seekless.errors import OptionError, StoreFormatError, StoreNotFoundError, TrainError
from seekless.loader.sequence import StoreSequence
from seekless.store.store import open as open_store
from seekless.train.fit import train_model
from seekless.train.options import Options
from seekless.train.trained import evaluate, open_trained, predict

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def run(learnable, tmp_path):
    """Return a function that trains for an epoch or two and gives the run's folder."""

    def train(**options):
        names = options.pop("class_names", ("ape", "bee", "cat", "dog"))
        path = learnable(name="train.h5", class_names=names)
        given = {"out": str(tmp_path / "runs"), "quiet": True, "epochs": 3, "learning_rate": 5e-3, **options}
        return train_model(Options(str(path), **given)).folder

    return train


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predictions_are_those_of_the_model_with_the_keys(run, learnable, tmp_path):
    folder, keys = run(), [f"new/{number}.csv" for number in range(100, 200)]
    path = learnable(100, name="new.h5", keys=keys, class_names=("ape", "bee", "cat", "dog"))
    assert predict(str(folder), str(path), str(tmp_path / "out.csv"), batch_size=7, progress=False) == 100
    found = rows(tmp_path / "out.csv")
    assert list(found[0]) == ["key", "class", "p_ape", "p_bee", "p_cat", "p_dog"]
    assert [row["key"] for row in found] == keys
    x = open_store(path)["x"].astype(np.float32) / 255
    expected = np.asarray(keras.models.load_model(folder / "model-best.keras")(x))
    assert np.array([[float(row[f"p_{name}"]) for name in ("ape", "bee", "cat", "dog")] for row in found]) == (
        pytest.approx(expected, abs=1e-5)
    )
    assert [row["class"] for row in found] == [("ape", "bee", "cat", "dog")[n] for n in expected.argmax(axis=1)]


def test_a_store_without_targets_or_keys_is_predicted_too(run, make_store, tmp_path):
    path = make_store(np.zeros((20, 8, 8), np.uint8), name="new.h5")
    predict(str(run(class_names=None)), str(path), str(tmp_path / "out.csv"), progress=False)
    found = rows(tmp_path / "out.csv")
    assert [row["key"] for row in found] == [str(number) for number in range(20)]
    assert set(found[0]) == {"key", "class", "p_0", "p_1", "p_2", "p_3"}


@pytest.mark.parametrize("width", [1, 2])
def test_numbers_are_predicted(make_store, tmp_path, width):
    y = np.random.default_rng(0).random((60, width))
    path = make_store(np.zeros((60, 8, 8), np.uint8), y[:, 0] if width == 1 else y, kind="number")
    folder = train_model(Options(str(path), out=str(tmp_path / "runs"), epochs=1, quiet=True)).folder
    predict(str(folder), str(path), str(tmp_path / "out.csv"), progress=False)
    columns = ["prediction"] if width == 1 else ["prediction_0", "prediction_1"]
    found = rows(tmp_path / "out.csv")
    assert list(found[0]) == ["key", *columns]
    scores = evaluate(str(folder), str(path))
    error = np.mean([[abs(float(row[c]) - y[int(row["key"]), i]) for i, c in enumerate(columns)] for row in found])
    assert scores["mae"] == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("loss", ["auto", "categorical_crossentropy"])
def test_an_evaluation_is_that_of_the_model(run, learnable, tmp_path, loss):
    folder = run(loss=loss)
    path = learnable(150, name="test.h5", class_names=("ape", "bee", "cat", "dog"))
    scores = evaluate(str(folder), str(path), batch_size=40)
    x, y = open_store(path)[:]
    given = np.asarray(keras.models.load_model(folder / "model-best.keras")(x.astype(np.float32) / 255))
    assert list(scores) == ["loss", "accuracy"]
    assert scores["accuracy"] == pytest.approx((given.argmax(axis=1) == y).mean())
    assert scores["loss"] == pytest.approx(-np.log(given[np.arange(150), y]).mean(), rel=1e-3)


def test_a_recorded_part_can_be_tested_alone(run, learnable):
    folder = run()
    path = learnable(100, name="test.h5", boundaries=(80, 100))
    parts = {part: evaluate(str(folder), str(path), part=part)["loss"] for part in ("all", "train", "test")}
    assert parts["all"] == pytest.approx(0.8 * parts["train"] + 0.2 * parts["test"], rel=1e-4)


def test_the_best_model_of_a_run_is_taken_or_the_last_or_the_one_named(run):
    folder = run()
    assert open_trained(str(folder)).path == folder / "model-best.keras"
    assert open_trained(str(folder / "model.keras")).path == folder / "model.keras"
    assert open_trained(str(folder / "model.keras")).targets.class_names == ("ape", "bee", "cat", "dog")
    (folder / "model-best.keras").unlink()
    assert open_trained(str(folder)).path == folder / "model.keras"


def test_a_model_from_elsewhere_is_told_by_its_loss(learnable, tmp_path):
    path = learnable(40)
    for loss, columns in (
        ("sparse_categorical_crossentropy", "class"),
        ("mse", "prediction_0"),
        (None, "prediction_0"),
    ):
        model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(4)])
        if loss:
            model.compile("sgd", loss)
            model.optimizer.build(model.trainable_variables)
        model.save(tmp_path / "own.keras")
        predict(str(tmp_path / "own.keras"), str(path), str(tmp_path / "out.csv"), overwrite=True, progress=False)
        assert list(rows(tmp_path / "out.csv")[0])[1] == columns
    scores = evaluate(str(tmp_path / "own.keras"), str(path))
    assert set(scores) == {"loss", "accuracy"}


# what does not fit


def test_an_output_that_exists_is_not_touched(run, learnable, tmp_path):
    folder, out = run(), tmp_path / "out.csv"
    out.write_text("mine")
    path = learnable(40, name="new.h5")
    with pytest.raises(
        OptionError, match=r"out\.csv: found something there, expected a new name; --overwrite replaces"
    ):
        predict(str(folder), str(path), str(out), progress=False)
    assert out.read_text() == "mine"
    predict(str(folder), str(path), str(out), overwrite=True, progress=False)
    assert len(rows(out)) == 40
    with pytest.raises(OptionError, match=r"found no folder .*nowhere, expected one to write to; make it first"):
        predict(str(folder), str(path), str(tmp_path / "nowhere" / "out.csv"))


def test_a_damaged_store_leaves_no_half_of_an_output(run, learnable, tmp_path):
    folder, path = run(), learnable(100, name="new.h5")
    offset = int(open_store(path).tables["x"].offset[-1])
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(b"\xff\xfe")
    with pytest.raises(StoreFormatError, match="block 14 of x is damaged"):
        predict(str(folder), str(path), str(tmp_path / "out.csv"), progress=False)
    with pytest.raises(StoreFormatError, match="block 14 of x is damaged"):
        evaluate(str(folder), str(path))
    assert [file.name for file in tmp_path.glob("*.csv")] == []


WRONG = {
    "shape": (
        lambda make: make(np.zeros((9, 4, 4), np.uint8), np.arange(9) % 4),
        "found samples of shape 4 x 4, expected",
    ),
    "numbers": (
        lambda make: make(np.zeros((9, 8, 8), np.uint8), np.linspace(0, 1, 9), kind="number"),
        r"found targets in .*other\.h5 that are one number, expected 4 classes",
    ),
    "more classes": (
        lambda make: make(np.zeros((9, 8, 8), np.uint8), np.arange(9)),
        r"found 9 classes in .*other\.h5, expected 4, which the model tells apart; .*--classes-from",
    ),
    "other names": (
        lambda make: make(np.zeros((9, 8, 8), np.uint8), np.arange(9) % 4, class_names=("a", "b", "c", "d")),
        r"found classes a, b, c, d in .*other\.h5, expected ape, bee, cat, dog; .*--classes-from",
    ),
    "no targets": (lambda make: make(np.zeros((9, 8, 8), np.uint8)), r"other\.h5: found no targets"),
}


@pytest.mark.parametrize(("build", "message"), WRONG.values(), ids=WRONG)
def test_a_store_that_is_none_of_the_models_is_told(run, make_store, build, message):
    folder = run(epochs=1)
    path = build(lambda *arrays, **options: make_store(*arrays, name="other.h5", **options))
    with pytest.raises(TrainError, match=message):
        evaluate(str(folder), str(path))


def test_fewer_classes_are_fine_but_not_for_rows_of_them(run, make_store):
    path = make_store(np.zeros((9, 8, 8), np.uint8), np.arange(9) % 3, name="other.h5")
    assert set(evaluate(str(run(epochs=1)), str(path))) == {"loss", "accuracy"}
    with pytest.raises(TrainError, match=r"found 3 classes in .*, expected 4"):
        evaluate(str(run(epochs=1, loss="categorical_crossentropy")), str(path))


def test_other_numbers_of_numbers_are_told(make_store, tmp_path):
    x, y = np.zeros((40, 8, 8), np.uint8), np.random.default_rng(0).random((40, 2))
    path = make_store(x, y, kind="number")
    folder = train_model(Options(str(path), out=str(tmp_path / "runs"), epochs=1, quiet=True)).folder
    with pytest.raises(TrainError, match="that are one number, expected 2 numbers"):
        evaluate(str(folder), str(make_store(x, y[:, 0], kind="number", name="other.h5")))


def test_what_is_not_there_is_told(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match=r"--model: found no model-best\.keras or model\.keras in .*empty"):
        evaluate(str(tmp_path / "empty"), "data.h5")
    with pytest.raises(StoreNotFoundError, match=r"nowhere\.h5: found no such file"):
        evaluate(str(run(epochs=1)), str(tmp_path / "nowhere.h5"))


def test_memory_does_not_grow_with_the_samples(run, make_store, tmp_path, monkeypatch):
    monkeypatch.setitem(StoreSequence.__init__.__kwdefaults__, "window_bytes", 64 * 500)
    monkeypatch.setattr("seekless.loader.batches.SLAB_BYTES", 64 * 500)
    monkeypatch.setattr("seekless.loader.batches.UNIT_BYTES", 64 * 500)
    monkeypatch.setattr("seekless.store.pieces.PIECE_BYTES", 6 * 500)
    folder, peaks = str(run(epochs=1)), []
    for count in (4_000, 4_000, 16_000):  # what is made once is made in the first
        keys = [f"{number:06d}" for number in range(count)]
        # Of as many blocks: what a store's table of blocks takes is no question here.
        path = make_store(np.zeros((count, 8, 8), np.uint8), block=count // 40, name=f"{count}.h5", keys=keys)
        tracemalloc.start()
        predict(folder, str(path), str(tmp_path / "out.csv"), overwrite=True, progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 12_000 * 8 * 8

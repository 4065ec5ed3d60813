"""Loose files as a Keras dataset: the reference that a store's batches must equal."""

import keras
import numpy as np
import pytest
from PIL import Image

import seekless
from seekless.errors import OptionError, SourceError, SourceNotFoundError


def joined(batches):
    """All x and all y of an epoch."""
    x, y = zip(*batches, strict=True)
    return np.concatenate(x), np.concatenate(y)


@pytest.mark.parametrize("kind", ["tiny_csv", "tiny_png"], ids=["csv", "png"])
@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": "float64"}, {"one_hot": True}, {"dtype": "float16"}],
    ids=["default", "float64", "one-hot", "float16"],
)
@pytest.mark.parametrize("batch_size", [32, 130])
def test_a_stores_batches_equal_its_batches_bit_for_bit(request, tmp_path, kind, batch_size, options):
    """One order for both: that of the keys."""
    root = request.getfixturevalue(kind).root
    seekless.pack(root, tmp_path / "packed.h5", progress=False)
    store = seekless.open(tmp_path / "packed.h5")
    by_key = np.argsort(store.keys)
    x, y = (values[by_key] for values in joined(seekless.StoreSequence(store, 50, shuffle=False, **options)))
    files = seekless.FileSequence(root, batch_size, shuffle=False, **options)
    assert len(files) == -(-130 // batch_size)
    for index in range(len(files)):
        wanted = slice(index * batch_size, (index + 1) * batch_size)
        for found, expected in zip(files[index], (x[wanted], y[wanted]), strict=True):
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("part", [(0.0, 0.9), (0.9, 1.0), (0.25, 0.5)], ids=str)
def test_a_part_is_that_of_a_store_with_the_default_seed_in_its_order(tiny_csv, tiny_store, part):
    store = seekless.StoreSequence(tiny_store, 16, split=part, shuffle=False)
    files = seekless.FileSequence(tiny_csv.root, 16, split=part, shuffle=False)
    assert (len(files), files.samples) == (len(store), store.samples)
    for found, expected in zip(files, store, strict=True):
        assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
    mixed = seekless.FileSequence(tiny_csv.root, 16, split=part)
    assert sorted(numbers(tiny_csv, mixed)) == sorted(numbers(tiny_csv, files))


def test_pictures_come_as_0_to_1(tiny_png):
    """A list of paths with their targets; the values are the float64 values rounded once."""
    paths = sorted(tiny_png.root.rglob("*.png"), key=lambda path: path.name)
    files = seekless.FileSequence(paths, 32, targets=tiny_png.labels, shuffle=False)
    x, y = joined(files)
    assert x.dtype == np.float32
    assert x.tobytes() == (tiny_png.images / 255).astype(np.float32).tobytes()
    assert y.tolist() == tiny_png.labels.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pictures_of_16_bits_come_as_0_to_1(tmp_path, dtype):
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    x = seekless.FileSequence([tmp_path / "deep.png"], dtype=dtype)[0]
    assert x.dtype == dtype
    assert x.reshape(16, 16).tobytes() == (values / 65535).astype(dtype).tobytes()


def test_without_targets_a_batch_is_x_alone(tiny_png):
    paths = sorted(tiny_png.root.rglob("*.png"), key=lambda path: path.name)
    x = seekless.FileSequence(paths, 130, shuffle=False, dtype=None)[0]
    assert (x.dtype, x.tobytes()) == (np.uint8, tiny_png.images.tobytes())


def test_without_a_dtype_values_are_those_of_the_files(tiny_csv):
    x, y = joined(seekless.FileSequence(tiny_csv.root, 32, shuffle=False, dtype=None))
    assert x.dtype == np.float64
    assert x.tobytes() == (tiny_csv.images / 255).tobytes()
    assert y.tolist() == tiny_csv.labels.tolist()


def numbers(source, batches) -> list[int]:
    """Which files the samples of an epoch came from; each must have its own target."""
    file_of = {image.tobytes(): number for number, image in enumerate(source.images)}
    x, y = joined(batches)
    found = [file_of[np.rint(sample * 255).astype(np.uint8).tobytes()] for sample in x]
    assert source.labels[found].tolist() == y.tolist()
    return found


def test_each_epoch_holds_each_file_once_in_another_order(tiny_csv):
    files = seekless.FileSequence(tiny_csv.root, 32, seed=1)
    epochs = []
    for _ in range(3):
        epochs.append(numbers(tiny_csv, files))
        assert epochs[-1] == numbers(tiny_csv, files)  # until the epoch ends, index i is the same batch
        files.on_epoch_end()
    assert [sorted(epoch) for epoch in epochs] == 3 * [list(range(130))]
    assert len({tuple(epoch) for epoch in [*epochs, range(130)]}) == 4


def test_the_seed_draws_the_order(tiny_csv):
    one, same, other = (numbers(tiny_csv, seekless.FileSequence(tiny_csv.root, 32, seed=seed)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_without_shuffle_the_order_stays_that_of_the_keys(tiny_csv):
    files = seekless.FileSequence(tiny_csv.root, 32, shuffle=False)
    for _ in range(2):
        assert numbers(tiny_csv, files) == list(range(130))
        files.on_epoch_end()


def test_fit_evaluate_and_predict_run(tiny_csv):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ordered = seekless.FileSequence(tiny_csv.root, 32, shuffle=False)
    before, _ = model.evaluate(ordered, verbose=0)
    history = model.fit(seekless.FileSequence(tiny_csv.root, 32), epochs=3, verbose=0, validation_data=ordered).history
    after, accuracy = model.evaluate(ordered, verbose=0)
    assert after < before
    assert after == pytest.approx(history["val_loss"][-1])
    guesses = model.predict(ordered, verbose=0)
    assert guesses.shape == (130, 10)
    assert (guesses.argmax(axis=1) == tiny_csv.labels).mean() == pytest.approx(accuracy)


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_out_of_range_is_an_index_error(tiny_csv, index):
    with pytest.raises(IndexError, match=f"found batch {index}, expected 0 to 4"):
        seekless.FileSequence(tiny_csv.root, 32)[index]


def test_a_batch_of_no_samples_is_an_option_error(tiny_csv):
    with pytest.raises(OptionError, match="batch_size: found 0, expected 1 or more"):
        seekless.FileSequence(tiny_csv.root, 0)


@pytest.mark.parametrize("dtype", ["uint8", "flaot32"])
def test_a_dtype_that_is_no_float_is_an_option_error(tiny_csv, dtype):
    with pytest.raises(OptionError, match=f"dtype: found '{dtype}', expected a float dtype, or None"):
        seekless.FileSequence(tiny_csv.root, dtype=dtype)


def test_one_hot_needs_classes(tiny_csv):
    (tiny_csv.root / "target.csv").write_text("".join(f"{number:05d},{number / 4}\n" for number in range(130)))
    with pytest.raises(OptionError, match=r"one_hot: found targets that are no classes in .*data, expected classes"):
        seekless.FileSequence(tiny_csv.root, one_hot=True)


@pytest.mark.parametrize("split", [(0.5, 0.1), (0.0, 1.1), (-0.1, 1.0)], ids=str)
def test_a_part_that_is_none_is_an_option_error(tiny_csv, split):
    with pytest.raises(OptionError, match=r"split: found \(.*\), expected two fractions such as \(0.0, 0.9\)"):
        seekless.FileSequence(tiny_csv.root, split=split)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": [1, 2]}, "targets: found together with a folder, expected them with a list of paths"),
        ({"sise": (3, 3)}, "FileSequence: .*unexpected keyword argument 'sise'"),
    ],
    ids=["targets", "unknown"],
)
def test_a_wrong_option_is_an_option_error(tiny_csv, options, message):
    with pytest.raises(OptionError, match=message):
        seekless.FileSequence(tiny_csv.root, **options)


def test_a_list_of_paths_needs_as_many_targets(tiny_csv):
    paths = sorted((tiny_csv.root / "train").iterdir())
    with pytest.raises(OptionError, match="targets: found 2 for 130 paths, expected one each"):
        seekless.FileSequence(paths, targets=[1, 2])


def test_a_missing_folder_is_told_at_once(tmp_path):
    with pytest.raises(SourceNotFoundError, match="nowhere: found no such"):
        seekless.FileSequence(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text",
    ["", "1 2 x", "1 2 3\n4 5"],
    ids=["empty", "no numbers", "ragged"],
)
def test_a_file_that_is_no_sample_is_named(tiny_csv, text):
    (tiny_csv.root / "train" / "00033.csv").write_text(text)
    files = seekless.FileSequence(tiny_csv.root, 32, shuffle=False)
    assert len(files[0][0]) == 32
    with pytest.raises(SourceError, match=r"00033\.csv: found "):
        files[1]


def test_a_file_of_another_shape_is_named(tiny_csv):
    (tiny_csv.root / "train" / "00033.csv").write_text("1 2\n3 4\n")
    with pytest.raises(SourceError, match=r"00033\.csv: found .*2.*expected .*6"):
        seekless.FileSequence(tiny_csv.root, 32, shuffle=False)[1]


def test_a_file_that_went_away_is_named(tiny_csv):
    files = seekless.FileSequence(tiny_csv.root, 32, shuffle=False)
    (tiny_csv.root / "train" / "00033.csv").unlink()
    with pytest.raises(SourceError, match=r"00033\.csv"):
        files[1]

"""The maker of sample digits, data/make_digits.py: a script, so it is loaded from its file."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "data" / "make_digits.py"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_digits", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(maker, capsys):
    """Run the script's command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            maker.main([str(argument) for argument in arguments], prog_name="make_digits.py")
        return stop.value.code, *capsys.readouterr()

    return run


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def targets(folder):
    return [line.split(",") for line in (folder / "target.csv").read_text().splitlines()]


def test_csv_is_what_savetxt_writes(maker, tmp_path):
    # Every one of the 256 values, in a shape the maker itself would not draw, and drawn digits.
    every = np.arange(28 * 28).astype(np.uint8).reshape(1, 28, 28)
    images = np.concatenate([every, maker.render_digits(np.array([3, 8]), seed=1)])
    maker.write_csv(tmp_path, images, np.array([0, 3, 8]))
    for i, image in enumerate(images):
        np.savetxt(tmp_path / "expected", image / 255.0)
        assert (tmp_path / "train" / f"{i:05d}.csv").read_bytes() == (tmp_path / "expected").read_bytes()
    assert (tmp_path / "target.csv").read_bytes().split() == [b"00000,0", b"00001,3", b"00002,8"]


@pytest.mark.parametrize("write", ["write_csv", "write_png"])
def test_a_label_missing_is_an_error(maker, tmp_path, write):
    with pytest.raises(ValueError, match="shorter"):
        getattr(maker, write)(tmp_path, np.zeros((2, 28, 28), np.uint8), np.array([0]))


def test_digits_are_white_on_black_and_all_differ(maker):
    labels = np.arange(200) % 10
    images = maker.render_digits(labels, seed=0)
    assert images.shape == (200, 28, 28)
    assert images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 200
    assert (images == 0).mean() > 0.5
    # At the outermost pixels hardly any ink: the digits lie inside the picture.
    edge = np.ones((28, 28), bool)
    edge[1:-1, 1:-1] = False
    assert images[:, edge].mean() < 3
    assert images.max(axis=(1, 2)).min() > 150


def test_digits_can_be_told_apart(maker):
    """The nearest of 600 other digits has the same label far more often than the 1 in 10 of chance."""
    labels = np.arange(700) % 10
    pixels = maker.render_digits(labels, seed=0).reshape(700, -1).astype(np.float64)
    known, asked = pixels[:600], pixels[600:]
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T
    assert (labels[:600][distances.argmin(axis=1)] == labels[600:]).mean() > 0.7


def test_no_digits_is_an_empty_array(maker):
    assert maker.render_digits(np.array([], np.int64), seed=0).shape == (0, 28, 28)


def test_pictures_depend_on_the_seed_only(maker):
    labels = np.array([5, 0, 5])
    first = maker.render_digits(labels, seed=4)
    assert np.array_equal(first, maker.render_digits(labels, seed=4))
    assert not np.array_equal(first, maker.render_digits(labels, seed=5))


@pytest.mark.parametrize("count", [1, 10, 57])
@pytest.mark.parametrize("in_order", [False, True])
def test_labels_are_balanced(maker, count, in_order):
    labels = maker.make_labels(count, seed=0, in_order=in_order)
    times = np.bincount(labels, minlength=10)
    assert times.sum() == count
    assert times.max() - times.min() <= 1
    assert (np.diff(labels) >= 0).all() == (in_order or count == 1)


def test_labels_are_in_an_order_of_the_seed(maker):
    first = maker.make_labels(100, seed=0)
    assert np.array_equal(first, maker.make_labels(100, seed=0))
    assert not np.array_equal(first, maker.make_labels(100, seed=1))


def test_same_seed_same_files(run, tmp_path):
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        assert run(tmp_path / name, "--count", 12, "--seed", seed)[0] == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")
    assert sorted(files(tmp_path / "a")) == ["target.csv", *(f"train/{i:05d}.csv" for i in range(12))]


def test_files_hold_the_pictures_of_their_labels(maker, run, tmp_path):
    run(tmp_path, "--count", 12, "--seed", 7)
    labels = maker.make_labels(12, seed=7)
    assert targets(tmp_path) == [[f"{i:05d}", str(label)] for i, label in enumerate(labels)]
    read = np.array([np.loadtxt(tmp_path / "train" / f"{i:05d}.csv") for i in range(12)])
    assert np.array_equal(read, maker.render_digits(labels, seed=7) / 255.0)


def test_sorted_numbers_class_by_class(run, tmp_path):
    run(tmp_path, "--count", 20, "--sorted")
    assert [label for _, label in targets(tmp_path)] == [str(i // 2) for i in range(20)]


def test_png_layout(maker, run, tmp_path):
    run(tmp_path, "--count", 20, "--seed", 2, "--png")
    labels = maker.make_labels(20, seed=2)
    expected = {f"png/{label}/{i:05d}.png": i for i, label in enumerate(labels)}
    assert sorted(files(tmp_path)) == sorted(expected)
    images = maker.render_digits(labels, seed=2)
    for name, i in expected.items():
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28))
            assert np.array_equal(np.asarray(image), images[i])


def test_png_has_a_folder_for_every_class(run, tmp_path):
    run(tmp_path, "--count", 3, "--png")
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == list("0123456789")


@pytest.mark.parametrize(
    ("options", "made"),
    [([], "{0}/train and their labels to {0}/target.csv"), (["--png"], "{0}/png, a folder per class")],
    ids=["csv", "png"],
)
def test_summary_on_stdout_progress_on_stderr(run, tmp_path, options, made):
    code, out, err = run(tmp_path, "--count", 11, "--seed", 9, *options)
    kind = "PNG" if options else "CSV"
    assert code == 0
    assert out == f"wrote 11 {kind} files of 28 x 28 pixels to {made.format(tmp_path)} (seed 9)\n"
    assert "11/11" in err


@pytest.mark.parametrize(
    ("options", "there"),
    [([], "train"), ([], "target.csv"), (["--png"], "png")],
    ids=["train", "target", "png"],
)
def test_existing_digits_are_refused(run, tmp_path, options, there):
    (tmp_path / there).mkdir()
    (tmp_path / there / "mine.txt").write_text("mine")
    code, out, err = run(tmp_path, "--count", 3, *options)
    assert (code, out) == (1, "")
    assert err == (
        f"Error: {tmp_path / there} already exists; "
        "name another folder, or give --overwrite to replace the digits in it\n"
    )
    assert files(tmp_path) == {f"{there}/mine.txt": b"mine"}


@pytest.mark.parametrize("options", [[], ["--png"]], ids=["csv", "png"])
def test_csv_and_png_do_not_stand_in_each_others_way(run, tmp_path, options):
    assert run(tmp_path, "--count", 3, *options)[0] == 0
    assert run(tmp_path, "--count", 3, *([] if options else ["--png"]))[0] == 0
    assert len(files(tmp_path)) == 3 + 3 + 1


@pytest.mark.parametrize(
    ("options", "mine"),
    [
        (
            [],
            ["train/cat.csv", "train/00001.txt", "train/target.csv", "train/more/00001.csv", "train/123.csv", "x.csv"],
        ),
        (["--png"], ["png/3/cat.png", "png/cat/00001.png", "png/00001.png", "png/3/00001.jpg", "target.csv"]),
    ],
    ids=["csv", "png"],
)
def test_overwrite_removes_only_its_own_files(run, tmp_path, options, mine):
    run(tmp_path / "fresh", "--count", 3, "--seed", 1, *options)
    run(tmp_path / "used", "--count", 30, *options)
    for name in mine:
        (tmp_path / "used" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "used" / name).write_bytes(b"mine")
    code, out, _ = run(tmp_path / "used", "--count", 3, "--seed", 1, "--overwrite", *options)
    assert (code, out.split()[1]) == (0, "3")
    assert files(tmp_path / "used") == files(tmp_path / "fresh") | dict.fromkeys(mine, b"mine")


def test_overwrite_removes_the_old_labels_before_it_draws(maker, run, tmp_path):
    """So that a run stopped half way leaves no labels of other digits."""
    run(tmp_path, "--count", 3)
    maker.make_room(tmp_path, png=False, overwrite=True)
    assert files(tmp_path) == {}
    assert (tmp_path / "train").is_dir()


def test_a_folder_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "train").write_text("a file where a folder should be")
    code, out, err = run(tmp_path, "--count", 3, "--overwrite")
    assert (code, out) == (1, "")
    assert "Error: could not write all the digits: " in err
    assert str(tmp_path / "train") in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "0 is not in the range x>=1"),
        (["--count", "many"], "'many' is not a valid integer"),
        (["--seed", "-1"], "-1 is not in the range x>=0"),
        (["--jpg"], "--jpg"),
        (["a", "b"], "unexpected extra argument (b)"),
        ([__file__], "is a file"),
    ],
    ids=["none", "text", "seed", "option", "two", "file"],
)
def test_wrong_arguments_exit_2(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not files(tmp_path)


def test_default_folder_is_the_scripts_own(tmp_path):
    """`python data/make_digits.py` fills data/, wherever it is called from."""
    script = tmp_path / "data" / "make_digits.py"
    script.parent.mkdir()
    script.write_bytes(SCRIPT.read_bytes())
    done = subprocess.run(
        [sys.executable, script, "--count", "2"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"to {tmp_path / 'data' / 'train'} and" in done.stdout
    made = {name for name in files(tmp_path) if "__pycache__" not in name}
    assert made == {"data/make_digits.py", "data/target.csv", "data/train/00000.csv", "data/train/00001.csv"}

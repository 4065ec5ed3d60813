"""The `train` command, as it is typed: what stands on stdout and stderr, and the exit code."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seekless import command
from seekless.train.cli import train
from seekless.train.run import Run

RESULT = re.compile(r"Test loss: \d+\.\d{4}\nTest accuracy: [01]\.\d{4}\n")
TRAIN = [str(Path(sys.executable).with_name("train"))]
MODULE = [sys.executable, "-m", "seekless", "train"]


def run(program, folder, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=folder,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_result_stands_last_and_nothing_of_tensorflow_anywhere(learnable, tmp_path):
    learnable()
    done = run(TRAIN, tmp_path, "--store", "data.h5", "--epochs", 2, "--learning-rate", 3e-3)
    assert done.returncode == 0
    *shown, loss, accuracy, folder = done.stdout.splitlines(keepends=True)
    assert RESULT.fullmatch(loss + accuracy)
    name, files = folder.rstrip("\n").split(": ")
    left = {file.name for file in (tmp_path / "runs" / "data-1").iterdir()}
    assert (name, set(files.split(", "))) == ("runs/data-1", left)
    assert {"model.keras", "model-best.keras", "history.csv", "history.png", "config.json", "log.txt"} <= left
    assert [line.split("  ")[0].split(":")[0].strip() for line in (shown[0], *shown[1::2])] == [
        "lenet, 18,376 parameters",
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert all(re.fullmatch(r" +[\d,]+ samples/s, .*\n", line) for line in shown[2::2])
    assert f"acc {accuracy.split()[-1]}  " in shown[-2]
    log = (tmp_path / "runs" / "data-1" / "log.txt").read_text()
    mixing = re.search(
        r"(?m)^reader .*\n(?:order|window|batch|labels| ).*\n(?:(?:order|window|batch|labels) .*\n)*", log
    )
    assert mixing is not None  # how batches are mixed is for the log alone
    assert log.replace(mixing[0], "") == "".join([*shown, loss, accuracy])
    assert done.stderr == ""  # bars are for terminals


def test_quiet_by_the_module_prints_the_result_alone(learnable, tmp_path):
    learnable()
    arguments = ("--epochs", 1, "--method", "train-on-batch", "--out", "elsewhere", "--quiet")
    done = run(MODULE, tmp_path, "--store", "data.h5", *arguments)
    assert RESULT.fullmatch(done.stdout)
    assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / "elsewhere" / "data-1" / "model.keras").exists()


def test_a_missing_store_is_one_line(tmp_path):
    done = run(TRAIN, tmp_path, "--store", "nowhere.h5")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: nowhere\.h5: found no such file, expected a store; .*\n", done.stderr)


@pytest.fixture
def in_process(tmp_path, monkeypatch, capfd):
    """Run the command here, where Keras is already up: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")

    def run_here(*arguments):
        with pytest.raises(SystemExit) as stop:
            command.run(train, [str(argument) for argument in arguments], name="train")
        return stop.value.code, *capfd.readouterr()

    return run_here


WRONG = {
    "no store": (["--store", "text.h5"], 1, r"error: text\.h5: found no HDF5 file .*, expected a store.*\n"),
    "a folder": (["--store", "."], 1, r"error: \.: found a folder.*, expected a store.*\n"),
    "wrong value": (["--store", "text.h5", "--epochs", "0"], 2, "error: --epochs: found 0, expected 1 or more\n"),
    "no number": (["--store", "text.h5", "--seed", "x"], 2, "error: .*'--seed': 'x' is not a valid integer.*\n"),
    "wrong choice": (
        ["--store", "text.h5", "--model", "alexnet"],
        2,
        "error: --model: found 'alexnet', expected one of lenet, .*\n",
    ),
    "size": (["--store", "a.h5", "--size", "4x4"], 2, "error: --size: found together with --store, expected .*\n"),
    "before a subcommand": (
        ["--store", "a.h5", "evaluate"],
        2,
        "error: found options before evaluate, expected them behind it; see train --help\n",
    ),
    "no subcommand": (["testing"], 2, "error: No such command 'testing'.*\n"),
    "name": (["--store", "a.h5", "--shuffle", "window", "--name", "a/b"], 2, "error: --name: .*\n"),
    "no model": (
        ["evaluate", "--model", "runs", "--store", "a.h5"],
        2,
        "error: --model: found no model-best.keras .*\n",
    ),
    "no model file": (["predict", "--model", "a.keras", "--store", "a.h5", "o.csv"], 2, "error: --model a.keras: .*\n"),
    "nothing": ([], 2, "error: --store, --files: found neither, expected one: a store, or a folder of loose files\n"),
    "both": (["--store", "a.h5", "--files", "b"], 2, "error: --store, --files: found both, expected one: .*\n"),
}


@pytest.mark.parametrize(("arguments", "code", "line"), WRONG.values(), ids=WRONG)
def test_what_goes_wrong_is_one_line_and_an_exit_code(in_process, tmp_path, arguments, code, line):
    (tmp_path / "text.h5").write_text("not a store")
    (tmp_path / "runs").mkdir()
    found, out, error = in_process(*arguments)
    assert (found, out) == (code, "")
    assert re.fullmatch(line, error)
    assert not list((tmp_path / "runs").iterdir())


def test_debug_shows_the_traceback(in_process):
    code, _, error = in_process("--store", "nowhere.h5", "--debug")
    assert code == 1
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("error: nowhere.h5: found no such file")


def test_a_backend_that_is_not_installed_is_told(tmp_path):
    """A folder that stands before the installed packages holds a TensorFlow that cannot be found."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tensorflow'] = None\n")
    done = run(TRAIN, tmp_path, "--store", "data.h5", PYTHONPATH=str(tmp_path), KERAS_BACKEND="tensorflow")
    assert done.returncode == 1
    assert re.fullmatch(r'(.*\n)*error: found no Keras backend .* pip install "seekless\[tensorflow\]"\n', done.stderr)
    assert "Traceback" not in done.stderr


def test_a_backend_that_is_asked_for_and_not_installed_is_told(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jax'] = None\n")
    done = run(TRAIN, tmp_path, "--store", "data.h5", "--backend", "jax", PYTHONPATH=path_with(tmp_path))
    assert done.returncode == 1
    assert re.fullmatch(r'(.*\n)*error: found no Keras backend .* pip install "seekless\[jax\]"\n', done.stderr)


def path_with(folder):
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def test_a_run_is_tested_and_asked_by_its_folder(learnable, in_process, tmp_path):
    learnable(keys=[f"train/{number:03d}.csv" for number in range(400)])
    assert in_process("--store", "data.h5", "--epochs", 2, "--learning-rate", 3e-3, "--name", "a", "--quiet")[0] == 0
    code, out, error = in_process("evaluate", "--model", "runs/a", "--store", "data.h5")
    assert (code, error) == (0, "")
    assert RESULT.fullmatch(out)
    code, out, error = in_process(
        "predict", "--model", "runs/a/model.keras", "--store", "data.h5", "out.csv", "--quiet"
    )
    assert (code, out, error) == (0, "", "")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "key,class,p_0,p_1,p_2,p_3"
    assert [line.split(",")[0] for line in lines[1:]] == [f"train/{number:03d}.csv" for number in range(400)]
    code, _, error = in_process("predict", "--model", "runs/a", "--store", "data.h5", "out.csv")
    assert (code, error) == (
        2,
        "error: out.csv: found something there, expected a new name; --overwrite replaces a file\n",
    )
    code, out, _ = in_process("predict", "--model", "runs/a", "--store", "data.h5", "out.csv", "--overwrite")
    assert (code, out) == (0, "out.csv: 400 samples\n")


def test_the_help_says_which_options_are_of_loose_files(in_process):
    code, out, _ = in_process("--help")
    assert code == 0
    said = " ".join(out.split())
    for option in ("--labels FILE", "--delimiter CHAR", "--scale INTEGER", "--resize [stretch|fit|crop]"):
        assert f"{option} With --files: " in said
    assert "--rows" not in out


def test_a_run_that_is_stopped_says_how_to_go_on_and_does(learnable, in_process, tmp_path, monkeypatch):
    learnable()
    step = Run.step

    def interrupted(self, done, logs):
        if (self.epoch, done) == (1, 2):
            os.kill(os.getpid(), signal.SIGINT)
        step(self, done, logs)

    arguments = ("--store", "data.h5", "--epochs", 2, "--batch-size", 90, "--name", "my run")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", interrupted)
        code, out, error = in_process(*arguments)
    assert (code, out.count("epoch 1/2 "), out.count("Test loss")) == (130, 1, 0)
    saved = "runs/my run: saved in epoch 2 of 2, after 2 of 4 batches; go on by: train --continue 'runs/my run'"
    assert error.endswith(f"{saved}\n\nstopped by Ctrl-C\n")  # click begins a new line, behind a ^C
    code, out, error = in_process("--continue", "runs/my run")
    assert (code, error) == (0, "")
    first, *_, loss, accuracy, files = out.splitlines(keepends=True)
    assert first == "runs/my run: going on in epoch 2 of 2, after 2 of 4 batches\n"
    assert RESULT.fullmatch(loss + accuracy)
    assert "checkpoint.npz, history.csv, " in files
    code, out, _ = in_process("--continue", "runs/my run", "--epochs", 3, "--quiet")
    assert code == 0
    assert RESULT.fullmatch(out)
    code, out, _ = in_process("--continue", "runs/my run")
    assert (code, out.splitlines()[0]) == (0, "runs/my run: finished, 3 of 3 epochs; a larger --epochs goes further")


NOT_GOING_ON = {
    "batch size": (["--batch-size", "32"], "--batch-size"),
    "same store": (["--store", "data.h5"], "--store"),
    "columns": (["--target-column", "a"], "--target-column"),
    "flag": (["--mixed-precision"], "--mixed-precision"),
}


@pytest.mark.parametrize(("given", "option"), NOT_GOING_ON.values(), ids=NOT_GOING_ON)
def test_a_run_goes_on_with_its_own_options(in_process, given, option):
    code, out, error = in_process("--continue", "runs/a", *given)
    assert (code, out) == (2, "")
    assert error == (
        f"error: {option}: found together with --continue, expected only --epochs, --quiet and --debug: a run goes on "
        "with the options it was begun with\n"
    )


def test_a_store_that_has_changed_and_a_checkpoint_that_is_gone_are_told(learnable, in_process, tmp_path):
    learnable()
    assert in_process("--store", "data.h5", "--epochs", 1, "--name", "a", "--quiet")[0] == 0
    learnable(count=300)
    code, _, error = in_process("--continue", "runs/a", "--epochs", 2)
    assert code == 1
    assert error.startswith("error: data.h5: found samples 300, expected 400: it has changed since the run began; ")
    (tmp_path / "runs" / "a" / "checkpoint.npz").unlink()
    code, _, error = in_process("--continue", "runs/a", "--epochs", 2)
    assert (code, error.split(",")[0]) == (1, "error: runs/a/checkpoint.npz: found no such file")
    assert in_process("--continue", "runs/b")[0] == 2


def test_a_store_that_is_reached_by_url_is_trained_on(learnable, in_process, memory, tmp_path):
    (memory / "data.h5").write_bytes(learnable().read_bytes())
    (tmp_path / "data.h5").unlink()
    store = f"{memory}/data.h5"
    assert in_process("--store", store, "--epochs", 1, "--name", "a", "--quiet")[0] == 0
    code, out, error = in_process("--continue", "runs/a", "--epochs", 2, "--quiet")
    assert (code, error) == (0, "")
    assert RESULT.fullmatch(out)
    assert RESULT.fullmatch(in_process("evaluate", "--model", "runs/a", "--store", store)[1])
    (memory / "data.h5").unlink()
    code, _, error = in_process("--continue", "runs/a", "--epochs", 3)
    assert (code, error.split(", ")[0]) == (1, f"error: {store}: found no such object")

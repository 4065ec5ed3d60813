"""The README's commands run as they stand there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import seekless

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command_lines() -> list[str]:
    """Every indented line that runs convert or train, without its comment."""
    lines = re.findall(r"^    ((?:convert|train) .*)$", README, re.MULTILINE)
    return [line.split("  #")[0].split("     #")[0].strip() for line in lines if "|" not in line]


def test_the_first_screen_has_the_three_lines():
    first_screen = README.splitlines()[:12]
    text = "\n".join(first_screen)
    assert 'pip install "seekless[tensorflow,plot]"' in text
    assert "convert csv-to-h5" in text
    assert "train --store data.h5" in text


def test_the_first_two_commands_do_what_they_say(tiny_csv):
    work = tiny_csv.root.parent
    convert, train = (line for line in command_lines()[:2])
    for command in (convert, train):
        done = subprocess.run(
            [sys.executable, "-m", "seekless", *shlex.split(command)],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert len(seekless.open(work / "data.h5")) == len(tiny_csv.images)
    assert re.search(r"^Test loss: \d+\.\d{4}\nTest accuracy: [01]\.\d{4}$", done.stdout, re.MULTILINE)
    left = {path.name for path in (work / "runs" / "data-1").iterdir()}
    assert {"model.keras", "history.csv", "history.png", "config.json"} <= left


@pytest.mark.parametrize("command", command_lines())
def test_every_command_has_only_options_that_exist(command, capsys):
    from seekless.convert.cli import convert
    from seekless.train.cli import train

    name, *arguments = shlex.split(command)
    group = {"convert": convert, "train": train}[name]
    if name == "convert":
        group, arguments = group.commands[arguments[0]], arguments[1:]
    context = group.make_context(name, [*arguments])
    assert context.params


def test_the_python_example_runs(tiny_store, monkeypatch):
    import keras

    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tiny_store.parent)
    side = seekless.open(tiny_store).shape[1]
    layers = [keras.Input((side, side)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy")
    names = {"model": model}
    exec(code, names)
    assert len(names["sequence"]) == 2
    assert len(model.history.history["val_loss"]) == 5


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link

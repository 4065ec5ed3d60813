"""How far an epoch is: a bar on a terminal, lines elsewhere."""

import os
import select
import sys

import pytest

from seekless.train import bar
from seekless.train.bar import Bar


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: clock[0])
    shown = Bar("epoch 2/5", 4000)
    for seconds, done in ((1, 50), (31, 1500), (40, 1600), (62, 2500)):
        clock[0] = seconds
        shown.show(done, "loss 0.5")
    shown.close()
    lines = ["epoch 2/5: 1,500 of 4,000 batches, loss 0.5", "epoch 2/5: 2,500 of 4,000 batches, loss 0.5"]
    assert capsys.readouterr() == ("", "".join(f"{line}\n" for line in lines))


def test_quiet_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(bar, "WRITE_EVERY", 0.0)
    shown = Bar("epoch 2/5", 40, quiet=True)
    shown.show(20, "loss 0.5")
    shown.close()
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar_that_is_wiped_out(monkeypatch):
    ours, theirs = os.openpty()
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        shown = Bar("epoch 2/5", 40, 10)
        for done in range(11, 41):
            shown.show(done, f"loss {done}")
            shown._bar.refresh()
        shown.close()
        shown.close()
        text = b""
        while select.select([ours], [], [], 0.2)[0]:
            text += os.read(ours, 1 << 16)
        text = text.decode()
    os.close(ours)
    assert "epoch 2/5:  28%|" in text
    assert "11/40" in text
    assert ", loss 40]" in text
    assert text.rstrip().count("\n") == 0
    assert text.split("\r")[-2].strip() == ""

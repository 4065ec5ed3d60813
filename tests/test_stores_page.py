"""docs/stores.md: its examples run, in order, and give what it says."""

import re
import shlex
from pathlib import Path

import numpy as np

import seekless

PAGE = (Path(__file__).parent.parent / "docs" / "stores.md").read_text(encoding="utf-8")


def test_the_examples_run_in_order(tmp_path, monkeypatch, convert, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    assert capsys.readouterr().out.startswith("digits.h5\n  samples  1,000 of 10 classes\n")
    assert Path("digits.h5").read_bytes() == Path("same.h5").read_bytes()
    printed = {}
    for line in re.findall(r"^    (convert .*)$", PAGE, re.MULTILINE):
        command, *arguments = shlex.split(line)[1:]
        code, printed[arguments[-1]], err = convert(command, *arguments)
        assert code == 0, err
    assert len(seekless.open("both.h5")) == 2000
    assert {"digits/017", "mixed/017"} <= set(seekless.open("both.h5").keys)
    for line in ("pictures", "  samples  1,000 as PNG files", "  again    convert png-to-h5 pictures NEW.h5"):
        assert f"    {line}\n" in PAGE
        assert f"{line}\n" in printed["pictures"]
    seekless.pack("pictures", "again.h5", progress=False)
    again, first = seekless.open("again.h5"), seekless.open("digits.h5")
    assert np.array_equal(again["x"][np.argsort(again.keys)][..., 0], first["x"][np.argsort(first.keys)])
    assert np.array_equal(again["y"][np.argsort(again.keys)], first["y"][np.argsort(first.keys)])


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    for link in links:
        assert (Path(__file__).parent.parent / "docs" / link).exists(), link

"""Conversions in this process, and what they leave: fields, targets, files and their names."""

import csv
import hashlib
from pathlib import Path

import seekless
from seekless.convert import run as run_module


def pack(source, store, **options):
    return seekless.pack(source, store, **{"progress": False, "workers": 0, **options})


def bytes_of(path: Path) -> str:
    """One sum of a store of either kind, whatever it is called."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def contents(path):
    """What is in a store: {key: (x, y)}."""
    store = seekless.open(path)
    x, y = store["x"].tolist(), store["y"].tolist() if "y" in store.fields else [None] * len(store)
    return dict(zip(store.keys, zip(x, y, strict=True), strict=True))


def targets(path):
    return {key: y for key, (_, y) in contents(path).items()}


def listed(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def during(monkeypatch, change):
    """Change something after the source was listed and before it is read."""
    opened = run_module.open_source

    def then(*arguments):
        source = opened(*arguments)
        change()
        return source

    monkeypatch.setattr(run_module, "open_source", then)

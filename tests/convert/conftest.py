"""Sources and packed stores for the tests of conversion."""

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import seekless
from seekless.convert.journal import Journal
from seekless.convert.run import pack
from seekless.source import samples as samples_module
from seekless.source.read import FilesAhead


def write_csv(folder: Path, samples: dict[str, npt.ArrayLike], format: str = "%.18e") -> None:
    """Write each sample to train/KEY.csv below a folder, as numpy.savetxt does."""
    for name, sample in samples.items():
        path = folder / "train" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, np.atleast_1d(sample), fmt=format)


@pytest.fixture
def write_source(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes samples by name, and targets, in the article's layout."""

    def write(samples: dict[str, Any], targets: dict[str, Any] | None = None, name: str = "data") -> Path:
        write_csv(tmp_path / name, samples)
        lines = {key: 0 for key in samples} if targets is None else targets
        (tmp_path / name / "target.csv").write_text("".join(f"{key},{value}\n" for key, value in lines.items()))
        return tmp_path / name

    return write


@pytest.fixture(params=["data.h5", "data.npy.d"])
def path(request, tmp_path) -> Path:
    """A store to be, of either kind."""
    return tmp_path / request.param


@pytest.fixture
def same_open_files(tmp_path: Path) -> Iterator[None]:
    """Hold that a test leaves none of its files open; what other tests' workers open and close meanwhile is theirs."""
    yield
    folder = Path("/proc/self/fd")
    left = []
    for descriptor in folder.iterdir() if folder.is_dir() else ():
        try:
            left.append(os.readlink(descriptor))
        except FileNotFoundError:
            continue  # closed meanwhile
    assert [name for name in left if name.startswith(f"{tmp_path}/")] == []


@pytest.fixture
def round_trip(tmp_path: Path, convert: Callable[..., tuple[int, str, str]]) -> Callable[[Path], tuple[Path, Path]]:
    """Return a function that extracts a store to a folder, and makes a store of that by the command that is printed."""

    def call(store: Path) -> tuple[Path, Path]:
        folder = tmp_path / "a folder"
        code, out, _ = convert("extract", store, folder)
        assert code == 0
        line = out.splitlines()[-1]
        assert line.startswith("  again    convert ")
        command, *arguments = shlex.split(line.removeprefix("  again    convert "))
        made = store.with_name("again" + "".join(store.suffixes))
        code, _, err = convert(command, *(str(made) if word.startswith("NEW") else word for word in arguments))
        assert code == 0, err
        return folder, made

    return call


@pytest.fixture
def by_key() -> Callable[[Path], dict[str, npt.NDArray[Any]]]:
    """Return a function that gives all values of a store, by field, in the order of its keys."""

    def read(path: Path) -> dict[str, npt.NDArray[Any]]:
        store = seekless.open(path)
        order = np.argsort(store.keys)
        return {name: store[name][order] for name in store.fields}

    return read


@pytest.fixture
def assert_same(by_key: Callable[[Path], dict[str, npt.NDArray[Any]]]) -> Callable[[Path, Path], None]:
    """Return a function that holds that two stores have the same samples, whatever their order."""

    def check(one: Path, other: Path) -> None:
        values, expected = by_key(one), by_key(other)
        assert list(values) == list(expected)
        for name, array in values.items():
            assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
            assert array.tobytes() == expected[name].tobytes()
        header, its = seekless.open(one).header, seekless.open(other).header
        assert header.fields["x"].scale == its.fields["x"].scale
        assert header.target_kind == its.target_kind
        assert (header.class_count, header.class_names) == (its.class_count, its.class_names)

    return check


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that packs, and stops right after the n-th line of a kind in the journal, as by Ctrl-C."""

    def run(source: Path, path: Path, after: int, kind: str = "saved", **options: Any) -> None:
        write, count = Journal.write, 0

        def counted(journal: Journal, written: str, value: Any) -> None:
            nonlocal count
            write(journal, written, value)
            count += written == kind
            if count == after and written == kind:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", counted)
            with pytest.raises(KeyboardInterrupt):
                pack(source, path, **{"save_every": 0, "workers": 0, "progress": False, **options})

    return run


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read four at a time, so that a few of them are several runs."""
    monkeypatch.setattr(samples_module, "RUN_FILES", 4)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the small files that this process has opened, in order."""
    names: list[str] = []
    read = FilesAhead.read

    def noted(files: FilesAhead) -> tuple[bytes, int]:
        names.append(os.path.basename(files._paths[files._next]))
        return read(files)

    monkeypatch.setattr(FilesAhead, "read", noted)
    return names

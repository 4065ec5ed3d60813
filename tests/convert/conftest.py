"""Sources and packed stores for the tests of conversion."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest


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


@pytest.fixture
def same_open_files() -> Iterator[None]:
    """Hold that a test leaves no file open."""
    folder = "/proc/self/fd"
    before = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    yield
    if before:
        assert sorted(os.listdir(folder)) == before

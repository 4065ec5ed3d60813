"""A folder of files that grows, and a store to be."""

import numpy as np
import pytest
from kit.growing import NAMES, value


@pytest.fixture
def data(tmp_path):
    """A folder that grows: add(a, b) adds the samples a to b - 1 with their lines of target.csv."""
    (tmp_path / "data/train").mkdir(parents=True)

    def add(first, last, names=NAMES, make=value):
        with open(tmp_path / "data/target.csv", "a") as targets:
            for number in range(first, last):
                np.savetxt(tmp_path / f"data/train/{number:03d}.csv", make(number))
                targets.write(f"{number:03d},{names[number % len(names)]}\n")
        return tmp_path / "data"

    return add


@pytest.fixture
def store(tmp_path):
    return tmp_path / "data.h5"

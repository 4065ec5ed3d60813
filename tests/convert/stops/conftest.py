"""What tests of killed conversions share: one that is killed at every step, and the content of what it leaves."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("kill_process.py")


@pytest.fixture
def content() -> Callable[[Path], str]:
    """Return a function that gives one hash over all files of a store."""

    def hashed(path: Path) -> str:
        files = [path] if path.is_file() else sorted(path.iterdir())
        folder = path.with_name(f"{path.name.removesuffix('.h5')}-shards")
        files += sorted(folder.iterdir()) if folder.is_dir() else []
        digest = hashlib.sha256()
        for file in files:
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()

    return hashed


@pytest.fixture
def kills() -> Callable[..., int]:
    """Return a function that lets kill_process.py do as it is told, checks each end, and gives the number of kills."""

    def run(check: Callable[[str], None], **told: Any) -> int:
        command = [sys.executable, PROGRAM, json.dumps(told, default=str)]
        count = -1
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                word, *numbers = line.split()
                if word == "kills":
                    count = int(numbers[0])
                    break
                assert word == "ended", line
                check(line)
                print(file=child.stdin, flush=True)
        assert child.returncode == 0
        return count

    return run

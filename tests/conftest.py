"""Writing small files by name, the `convert` command, tiny sources and stores made once for all, places behind URLs."""

import faulthandler
import gc
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Any

import pytest

from seekless import testing
from seekless.command import run
from seekless.convert.cli import convert as convert_command

pytest.register_assert_rewrite("kit")


def pytest_collection_finish() -> None:
    """Let no later look for garbage go through TensorFlow's million objects again: it costs 0.3 s each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End a run that left a thread hanging, which the interpreter would wait for at its end, and show where it does."""
    from kit.threads import reading_threads

    end = time.monotonic() + 10
    while reading_threads():
        if time.monotonic() > end:
            faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
            os._exit(1)
        time.sleep(0.05)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a function that gives a fixture of seekless.testing by name, made once in a folder of its own."""
    folder, made = tmp_path_factory.mktemp("tiny"), {}

    def make(name: str) -> Any:
        if name not in made:
            needs = make("tiny_csv") if name.endswith("store") else folder
            made[name] = unwrap(getattr(testing, name))(needs)
        return made[name]

    return make


def copied(source: testing.TinySource, folder: Path) -> testing.TinySource:
    root = folder / source.root.name
    shutil.copytree(source.root, root)
    return replace(source, root=root, images=source.images.copy(), labels=source.labels.copy())


@pytest.fixture
def tiny_csv(tiny: Callable[[str], Any], tmp_path: Path) -> testing.TinySource:
    """A copy of that of seekless.testing, which takes a tenth of the time."""
    return copied(tiny("tiny_csv"), tmp_path)


@pytest.fixture
def tiny_png(tiny: Callable[[str], Any], tmp_path: Path) -> testing.TinySource:
    """A copy of that of seekless.testing."""
    return copied(tiny("tiny_png"), tmp_path)


@pytest.fixture
def tiny_store(tiny: Callable[[str], Any], tiny_csv: testing.TinySource) -> Path:
    """A copy of that of seekless.testing."""
    return Path(shutil.copy(tiny("tiny_store"), tiny_csv.root.parent))


@pytest.fixture
def tiny_sharded_store(tiny: Callable[[str], Any], tiny_csv: testing.TinySource) -> Path:
    """A copy of that of seekless.testing."""
    kept, folder = tiny("tiny_sharded_store"), tiny_csv.root.parent
    shutil.copytree(kept.with_name("sharded-shards"), folder / "sharded-shards")
    return Path(shutil.copy(kept, folder))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Return a function that writes files by name below tmp_path/data, and gives that folder."""

    def make(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "data"

    return make


@pytest.fixture
def convert(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the `convert` command, and gives (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            run(convert_command, [str(argument) for argument in arguments], name="convert")
        return stop.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def memory() -> Iterator[Any]:
    """Return an empty folder in the memory of this process."""
    place = pytest.importorskip("upath").UPath(f"memory://{uuid.uuid4().hex}")
    place.mkdir()
    yield place
    place.fs.rm(place.path, recursive=True)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return the address of an S3 server on this machine."""
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    threaded = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    threaded.start()
    host, port = threaded.get_host_and_port()
    yield f"http://{host}:{port}"
    threaded.stop()


@pytest.fixture
def bucket(s3_server: str) -> Any:
    """Return a folder of an S3 bucket."""
    name = uuid.uuid4().hex
    place = pytest.importorskip("upath").UPath(f"s3://{name}/data", endpoint_url=s3_server, key="a", secret="b")
    place.fs.mkdir(name)
    return place


@pytest.fixture
def copy() -> Callable[..., Any]:
    """Return a function that copies the files below a folder to below a place, and gives the place."""

    def up(folder: Path, place: Any, begin: str = "") -> Any:
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name.startswith(begin):
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        return place

    return up

"""The house stands as it is drawn: which rooms are installed, and which may import which."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"core": "seekless", **{room: f"seekless.{room}" for room in ("source", "store", "convert", "loader", "train")}}

# What every room may import, and what each may import beside that and itself.
EVERYWHERE = {"seekless.errors", "seekless.progress", "seekless.urls"}
ARROWS = {
    "core": set(),
    "source": set(),
    "store": set(),
    "convert": {"seekless.source", "seekless.store"},
    "loader": {"seekless.source", "seekless.store"},
    "train": {"seekless.loader", "seekless.store"},
}
COMMANDS = {
    "convert/cli.py",
    "convert/cli_look.py",
    "convert/cli_options.py",
    "convert/cli_stores.py",
    "core/decoding_options.py",
    "train/cli.py",
}
WORDS = {"seekless.command", "seekless.decoding_options", "seekless.parameters"}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Names of the seekless modules that a file imports when it is itself imported, or inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name == "seekless" or name.startswith("seekless.")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_arrows_allow(room):
    own = ROOMS[room]
    for path in modules(room):
        name = path.relative_to(ROOT).as_posix()
        for module in imported(path):
            allowed = module in EVERYWHERE or any(f"{module}.".startswith(f"{arrow}.") for arrow in ARROWS[room])
            if room != "core":
                allowed |= module.startswith(f"{own}.")
            if name in COMMANDS:
                allowed |= module in WORDS
            if name == "store/store.py":
                allowed |= module == "seekless"  # store.batches(): the face hands on the loader
            if name == "core/testing.py":
                allowed |= module == "seekless"  # the face packs the tiny stores
            if name in {"core/__init__.py", "core/__main__.py", "core/command.py"}:
                allowed = True  # the face names every room
            assert allowed, f"{name} imports {module}"


def test_convert_and_loader_do_not_know_each_other():
    assert not any(module.startswith("seekless.loader") for path in modules("convert") for module in imported(path))
    assert not any(module.startswith("seekless.convert") for path in modules("loader") for module in imported(path))


def test_setup_cfg_installs_every_room():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    packages = config["options"]["packages"].split()
    mapped = dict(line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines())
    folders = [ROOT / room for room in ROOMS]
    found = {path.parent for folder in folders for path in folder.rglob("__init__.py")}
    assert packages == list(ROOMS.values())
    assert mapped == {name: room for room, name in ROOMS.items()}
    assert found == set(folders)  # no package below a room that setup.cfg would miss


def test_no_folder_at_the_root_hides_the_package():
    assert not (ROOT / "seekless").exists()


# What holds of a room as a whole, not of one of its files.
LAWS = {
    "test_faces.py",
    "test_fit.py",
    "test_fit_slices.py",
    "test_law.py",
    "test_plain_tools.py",
    "test_restore.py",
    "test_same_bytes.py",
}


def test_tests_mirror_the_rooms():
    for path in (ROOT / "tests").rglob("test_*.py"):
        room, name = path.parent.name, path.name.removeprefix("test_")
        if room in ROOMS:
            mirrored = {"public.py": "__init__.py", "main.py": "__main__.py"}.get(name, name)
            words = mirrored.removesuffix(".py").split("_")  # the tests of image.py may go on in test_image_bad.py
            begun = any((ROOT / room / f"{'_'.join(words[:count])}.py").exists() for count in range(1, len(words) + 1))
            assert begun or path.name in LAWS, f"{path} mirrors no file"

"""A store in shards takes its place whole or not at all, killed at any moment, and takes nobody's files with it."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import seekless
from seekless.convert import commit as commit_module
from seekless.convert import target as target_module
from seekless.convert.commit import put_in_place, tidy
from seekless.convert.target import writing
from seekless.errors import ConvertError, OptionError
from seekless.store.verify import verify

SHARDS = {"shard_bytes": 600}
CALLS = ("replace", "rename", "unlink", "remove", "rmdir", "mkdir")


class Killed(BaseException):
    """The process is gone: nothing it would still do happens."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Folders of 30 CSV files: two of other values and targets."""
    folders = {}
    for name, seed in (("one", 1), ("other", 2)):
        root = tmp_path_factory.mktemp(name)
        random = np.random.default_rng(seed)
        (root / "train").mkdir()
        for number in range(30):
            np.savetxt(root / "train" / f"{number:02d}.csv", random.integers(0, 256, (4, 6)), fmt="%d")
        (root / "target.csv").write_text("".join(f"{number:02d},{number % 3}\n" for number in range(30)))
        folders[name] = root
    return folders


def pack(source, path, **options):
    return seekless.pack(source, path, workers=0, progress=False, **options)


@pytest.fixture
def partial_of(sources, tmp_path, monkeypatch):
    """Return a function that gives a complete store in the making, as it is before it is put in its place."""

    def make(name, **options):
        kept = tmp_path / "kept" / "ready"

        def keep(partial, path):
            shutil.copytree(partial, kept) if partial.is_dir() else shutil.copy(partial, kept)
            raise Killed

        kept.parent.mkdir(exist_ok=True)
        with monkeypatch.context() as patch:
            patch.setattr(target_module, "put_in_place", keep)
            with pytest.raises(Killed):
                pack(sources[name], kept.with_name("data.h5"), **options)
        assert kept.exists()
        return kept

    return make


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def content(path):
    assert verify(path).bad == ()
    return seekless.open(path)["x"].tobytes()


def run_until(monkeypatch, number, run):
    """Run until the so many-th change of the disk; say whether it was killed there."""
    done = []

    def counted(call):
        def changes(*arguments, **how):
            if len(done) >= number:
                raise Killed
            done.append(call.__name__)
            return call(*arguments, **how)

        return changes

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            run()
        except Killed:
            return True
    return False


CHANGES = {
    "nothing to shards": (None, ("other", SHARDS)),
    "one file to shards": (("one", {}), ("other", SHARDS)),
    "shards to shards": (("one", SHARDS), ("other", SHARDS)),
    "shards to other shards of the same": (("one", SHARDS), ("one", {"shard_bytes": 1200})),
    "shards to the same shards": (("one", SHARDS), ("one", SHARDS)),
    "shards to one file": (("one", SHARDS), ("other", {})),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_killed_at_any_moment(sources, partial_of, tmp_path, monkeypatch, old, new):
    """The old store or the new one opens whole; the next run tidies so that nothing else is left."""
    before = tmp_path / "before"
    before.mkdir()
    allowed = set()
    if old:
        pack(sources[old[0]], before / "data.h5", **old[1])
        allowed.add(content(before / "data.h5"))
    # Files of the user's own, which nothing may touch.
    (before / "data-shards").mkdir(exist_ok=True)
    (before / "data-shards" / "notes.txt").write_text("mine")
    (before / "data-shards" / "photos.h5").write_text("mine")
    mine = {"data-shards/notes.txt", "data-shards/photos.h5"}
    ready = partial_of(new[0], **new[1])
    number, killed = 0, True
    while killed:
        folder = tmp_path / f"killed-{number}"
        shutil.copytree(before, folder)
        path, partial = folder / "data.h5", folder / "data.h5.partial"
        shutil.copytree(ready, partial) if ready.is_dir() else shutil.copy(ready, partial)
        killed = run_until(monkeypatch, number, lambda partial=partial, path=path: put_in_place(partial, path))
        if old or path.exists():
            found = content(path)
            if not killed:
                allowed.add(found)
            tidy(partial, path)
            assert content(path) == found
            left = {str(file.relative_to(folder)) for file in seekless.open(path).files}
        else:
            tidy(partial, path)
            left = set()
        assert set(files(folder)) == left | mine
        # The next run goes through.
        shutil.copytree(ready, partial) if ready.is_dir() else shutil.copy(ready, partial)
        put_in_place(partial, path)
        last = content(path)
        assert {str(file.relative_to(folder)) for file in seekless.open(path).files} | mine == set(files(folder))
        shutil.rmtree(folder)
        number += 1
    assert number > 3
    assert allowed <= {last, *allowed}
    assert len(allowed) == (1 if not old or old[0] == new[0] else 2)


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_killed_while_tidying(sources, partial_of, tmp_path, monkeypatch, old, new):
    """What tidies may be killed too, again and again."""
    path, partial = tmp_path / "data.h5", tmp_path / "data.h5.partial"
    if old:
        pack(sources[old[0]], path, **old[1])
    ready = partial_of(new[0], **new[1])
    (tmp_path / "data-shards").mkdir(exist_ok=True)
    shutil.copytree(ready, partial) if ready.is_dir() else shutil.copy(ready, partial)
    run_until(monkeypatch, 3, lambda: put_in_place(partial, path))
    number = 0
    while run_until(monkeypatch, number, lambda: tidy(partial, path)):
        number += 1
        if old:
            content(path)
    left = {str(file.relative_to(tmp_path)) for file in seekless.open(path).files} if path.exists() else set()
    assert {name for name in files(tmp_path) if not name.startswith("kept")} == left


def test_an_error_on_the_way_leaves_nothing_behind(sources, tmp_path, monkeypatch):
    path, replace = tmp_path / "data.h5", os.replace
    pack(sources["one"], path, **SHARDS)
    before, names = content(path), files(tmp_path)

    def fails(old, new):
        if str(old).endswith("00002.h5") and "-shards" in str(new):
            raise OSError(28, "No space left on device")
        replace(old, new)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        pack(sources["other"], path, overwrite=True, **SHARDS)
    assert content(path) == before
    assert files(tmp_path) == names


def test_the_same_files_give_the_same_bytes(sources, tmp_path):
    sums = set()
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        pack(sources["one"], tmp_path / folder / "data.h5", compression="zstd", **SHARDS)
        sums.add(
            tuple(
                (name, hashlib.sha256((tmp_path / folder / name).read_bytes()).hexdigest())
                for name in files(tmp_path / folder)
            )
        )
    assert len(sums) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_overwriting_with_the_same_content_keeps_the_shards(sources, tmp_path, workers):
    path = tmp_path / "data.h5"
    pack(sources["one"], path, **SHARDS)
    before, names = content(path), files(tmp_path)
    seekless.pack(sources["one"], path, workers=workers, progress=False, overwrite=True, **SHARDS)
    assert content(path) == before
    assert files(tmp_path) == names


class TestShardsOfAnother:
    """A store that the user renamed or copied names shards in the folder of the name that it had."""

    @pytest.fixture(params=["other.h5", "data.h5.bak", "data-old", "my.hdf5"])
    def other(self, request, sources, tmp_path):
        """A store that was data.h5 once."""
        pack(sources["one"], tmp_path / "data.h5", **SHARDS)
        os.replace(tmp_path / "data.h5", tmp_path / request.param)
        return tmp_path / request.param

    @pytest.mark.parametrize("source", ["one", "other"])
    def test_renamed(self, sources, tmp_path, other, source):
        before, path = content(other), tmp_path / "data.h5"
        pack(sources[source], path, **SHARDS)
        assert content(other) == before
        for again in ({}, SHARDS, {"shard_bytes": 1200}):
            pack(sources["other"], path, overwrite=True, **again)
            assert content(other) == before
            content(path)

    def test_copied(self, sources, tmp_path, other):
        shutil.copy(other, tmp_path / "data.h5")
        before = content(other)
        pack(sources["other"], tmp_path / "data.h5", overwrite=True)
        assert content(other) == before
        other.unlink()

    def test_a_killed_run_of_the_same_content(self, partial_of, tmp_path, other, monkeypatch):
        before, partial = content(other), tmp_path / "data.h5.partial"
        shutil.copytree(partial_of("one", **SHARDS), partial)
        assert run_until(monkeypatch, 3, lambda: put_in_place(partial, tmp_path / "data.h5"))
        tidy(partial, tmp_path / "data.h5")
        assert content(other) == before

    def test_one_that_cannot_be_read_may_name_any(self, sources, tmp_path, other):
        names = files(tmp_path)
        shutil.copy(other, tmp_path / "data.h5")
        with open(other, "r+b") as file:
            file.seek(-9, os.SEEK_END)
            file.write(b"!")
        pack(sources["other"], tmp_path / "data.h5", overwrite=True)
        assert set(names) <= set(files(tmp_path))


def test_a_store_that_is_replaced_through_a_link_keeps_its_shards(sources, tmp_path):
    (tmp_path / "far").mkdir()
    pack(sources["one"], tmp_path / "far" / "data.h5", **SHARDS)
    before = content(tmp_path / "far" / "data.h5")
    (tmp_path / "data.h5").symlink_to(tmp_path / "far" / "data.h5")
    pack(sources["other"], tmp_path / "data.h5", overwrite=True, **SHARDS)
    assert content(tmp_path / "far" / "data.h5") == before
    assert content(tmp_path / "data.h5") != before
    assert not (tmp_path / "data.h5").is_symlink()


def test_only_what_is_named_like_a_shard_is_removed(sources, tmp_path, monkeypatch):
    """Whatever the file that is replaced says, or the list that a killed run left."""
    path = tmp_path / "store" / "data.h5"
    path.parent.mkdir()
    mine = [tmp_path / "diary.h5", path.parent / "data-shards" / "photos.h5", path.parent / "mine.h5"]
    mine[1].parent.mkdir()
    for file in mine:
        file.write_text("mine")
    names = ["../diary.h5", str(mine[0]), "data-shards/photos.h5", "mine.h5", "."]
    path.with_name("data.h5.replaced").write_text(json.dumps(names))
    pack(sources["one"], path)
    monkeypatch.setattr(commit_module, "listed_shards", lambda path: tuple(names))
    put_in_place_of = path.with_name("data.h5.partial")
    shutil.copy(path, put_in_place_of)
    put_in_place(put_in_place_of, path)
    assert [file.read_text() for file in mine] == ["mine"] * 3
    assert not path.with_name("data.h5.replaced").exists()


@pytest.mark.parametrize("text", ["", "[", '["data-sh', '["data-shards/x.h5"', '["data-shards/x.h5"]'])
def test_a_list_that_was_half_written_is_no_harm(sources, tmp_path, text):
    path = tmp_path / "data.h5"
    pack(sources["one"], path, **SHARDS)
    before = content(path)
    path.with_name("data.h5.replaced").write_text(text)
    with writing(path, overwrite=True) as target:
        assert content(path) == before
        assert not path.with_name("data.h5.replaced").exists()
        target.partial.write_bytes(path.read_bytes())


@pytest.mark.parametrize("mine", ["my notes", '{"a": 1}', "\x89HDF"])
def test_a_file_of_the_users_own_is_no_list(sources, tmp_path, mine):
    path = tmp_path / "data.h5"
    pack(sources["one"], path, **SHARDS)
    before = content(path)
    path.with_name("data.h5.replaced").write_text(mine)
    message = r"data\.h5\.replaced: found a file of this name, expected none; rename it"
    with pytest.raises(ConvertError, match=message):
        pack(sources["other"], path, overwrite=True, **SHARDS)
    assert path.with_name("data.h5.replaced").read_text() == mine
    assert content(path) == before


def test_the_place_of_the_shards_is_taken_meanwhile(partial_of, tmp_path):
    partial = tmp_path / "data.h5.partial"
    os.replace(partial_of("one", **SHARDS), partial)
    (tmp_path / "data-shards").write_text("mine")
    message = r"data-shards: found a file of this name, expected a folder for the shards of data\.h5; rename it"
    with pytest.raises(ConvertError, match=message):
        put_in_place(partial, partial.with_name("data.h5"))
    tidy(partial, partial.with_name("data.h5"))
    assert files(tmp_path) == ["data-shards"]


class TestBeforeAnythingIsRead:
    """What cannot be is said at once, not after hours of reading."""

    @pytest.fixture(autouse=True)
    def _nothing_is_read(self, monkeypatch):
        def refuse(*_):
            raise AssertionError("something was read")

        monkeypatch.setattr("seekless.convert.run.open_source", refuse)

    @pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
    def test_the_place_of_the_shards_is_taken(self, tmp_path, kind):
        folder, far = tmp_path / "here" / "data-shards", tmp_path / "far"
        folder.parent.mkdir()
        if kind == "file":
            folder.write_text("mine")
        else:
            folder.symlink_to(far)
            if kind == "link":
                far.mkdir()
        what = "a link to another place" if kind == "link" else "something that is no folder"
        message = rf"data-shards: found {what}, expected a folder for the shards of data\.h5, or nothing; rename it"
        with pytest.raises(ConvertError, match=message):
            pack(Path("none"), folder.with_name("data.h5"), **SHARDS)

    @pytest.mark.parametrize("name", ["a\\b.h5", "C:data.h5", "new\nline.h5", "odd\udcff.h5"])
    def test_a_name_that_shards_cannot_have(self, tmp_path, name):
        with pytest.raises(
            OptionError, match=r"--shard-bytes: found a store named '.*', expected a name of letters that"
        ):
            pack(Path("none"), tmp_path / name, **SHARDS)

    @pytest.mark.parametrize("codec", ["zstd", "lz4", "gzip", "blosc2"])
    def test_an_npy_store_with_a_codec(self, tmp_path, codec):
        message = (
            rf"--compression: found {codec} for data\.npy\.d, expected none: \.npy files hold plain arrays; name a"
        )
        with pytest.raises(OptionError, match=message):
            pack(Path("none"), tmp_path / "data.npy.d", compression=codec)

    def test_an_npy_store_in_shards(self, tmp_path):
        message = r"--shard-bytes: found the store data\.npy\.d, expected one that ends in \.h5"
        with pytest.raises(OptionError, match=message):
            pack(Path("none"), tmp_path / "data.npy.d", **SHARDS)


@pytest.mark.parametrize("name", ["50%.h5", "a%b.h5", "100%% sure.h5", "run:1.h5", "día.h5", "with space.h5"])
def test_odd_names_of_stores(sources, tmp_path, name):
    import h5py

    pack(sources["one"], tmp_path / name, compression="none", **SHARDS)
    before = content(tmp_path / name)
    with h5py.File(tmp_path / name) as file:
        assert file["x"][...].tobytes() == seekless.open(tmp_path / name).read("x", 0, 30).tobytes()
        assert file["x"][...].any()
    pack(sources["other"], tmp_path / name, overwrite=True)
    assert content(tmp_path / name) != before
    assert files(tmp_path) == [name]

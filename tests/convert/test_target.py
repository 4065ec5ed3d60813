"""A store appears whole or not at all, beside nothing else of ours, and never over what is not a store."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import seekless
from seekless.convert import commit as commit_module
from seekless.convert import target as target_module
from seekless.convert.target import saved_samples, writing
from seekless.errors import ConvertError, OptionError, ResumeError, StoreExistsError

FILE, FOLDER = "data.h5", "data.npy.d"


@pytest.fixture(autouse=True)
def plain_stores(monkeypatch):
    """A store is what holds the word `store`: this room only asks."""

    def looks_like_a_store(path):
        file = path / "x" if path.is_dir() else path
        return file.is_file() and file.read_text().startswith("store")

    monkeypatch.setattr(target_module, "looks_like_a_store", looks_like_a_store)


@pytest.fixture(params=[FILE, FOLDER])
def path(request, tmp_path):
    """A store to be: a file, or a folder."""
    return tmp_path / request.param


def make(at: Path, text: str) -> None:
    if FOLDER in at.name:
        at.mkdir()
        (at / "x").write_text(text)
    else:
        at.write_text(text)


def text_of(at: Path) -> str:
    return (at / "x" if at.is_dir() else at).read_text()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write(path: Path, text: str = "store 2", *, overwrite: bool = False, then: BaseException | None = None) -> None:
    with writing(path, overwrite=overwrite) as target:
        make(target.partial, text)
        target.parts.mkdir()
        (target.parts / "000000").write_text("half")
        if then is not None:
            raise then


def test_the_store_is_there_in_the_end_and_nothing_else(path, same_open_files):
    write(path)
    assert names(path.parent) == [path.name]
    assert text_of(path) == "store 2"


def test_it_is_not_there_before(path):
    with writing(path, overwrite=False) as target:
        assert not path.exists()
        make(target.partial, "store 2")
        assert {target.partial.parent, target.parts.parent} == {path.parent}
        assert target.partial.name.startswith(path.name)
        assert target.parts.name.startswith(path.name)
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyboardInterrupt(), SystemExit(3)], ids=repr)
@pytest.mark.parametrize("there", [False, True])
def test_after_an_error_nothing_is_left(path, same_open_files, error, there):
    if there:
        make(path, "store 1")
    with pytest.raises(type(error)):
        write(path, overwrite=there, then=error)
    assert names(path.parent) == ([path.name] if there else [])
    if there:
        assert text_of(path) == "store 1"


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_an_error_at_the_very_end_leaves_the_old_store(path, monkeypatch, call):
    make(path, "store 1")

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(target_module.os, call, fails)
    with pytest.raises(OSError, match="No space left"):
        write(path, overwrite=True)
    monkeypatch.undo()
    assert text_of(path) in ("store 1", "store 2")
    assert names(path.parent) == [path.name]


def test_what_is_there_is_refused(path, same_open_files):
    make(path, "store 1")
    message = rf"{path.name}: found something there; name another store, or replace it by --overwrite"
    with pytest.raises(StoreExistsError, match=message):
        write(path)
    assert names(path.parent) == [path.name]
    assert text_of(path) == "store 1"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder", "empty folder", "link to nothing", "link to a file"])
def test_what_is_no_store_is_never_replaced(path, overwrite, kind):
    if kind == "file":
        path.write_text("my diary")
    elif kind.endswith("folder"):
        path.mkdir()
        if kind == "folder":
            (path / "photo").write_text("my cat")
    else:
        mine = path.with_name("mine")
        if kind == "link to a file":
            mine.write_text("my diary")
        path.symlink_to(mine)
    before = names(path.parent)
    words = "that is no store, expected a store to replace; remove it yourself" if overwrite else "replace it by"
    with pytest.raises(StoreExistsError, match=words):
        write(path, overwrite=overwrite)
    assert names(path.parent) == before
    assert os.path.lexists(path)


def test_what_appears_meanwhile_is_not_replaced(path):
    def write_while_it_appears():
        with writing(path, overwrite=False) as target:
            make(target.partial, "store 2")
            make(path, "store of another")

    with pytest.raises(StoreExistsError, match="found something there; name another"):
        write_while_it_appears()
    assert text_of(path) == "store of another"
    assert names(path.parent) == [path.name]


def test_the_old_store_can_be_read_until_the_new_one_is_there(path, same_open_files):
    make(path, "store 1")
    with writing(path, overwrite=True) as target:
        make(target.partial, "store 2")
        assert text_of(path) == "store 1"
    assert text_of(path) == "store 2"
    assert names(path.parent) == [path.name]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    make(tmp_path / FILE, "store 1")
    with open(tmp_path / FILE) as old:
        write(tmp_path / FILE, overwrite=True)
        assert old.read() == "store 1"


def test_overwriting_nothing_is_writing(path):
    write(path, overwrite=True)
    assert text_of(path) == "store 2"


def test_a_store_may_become_one_of_the_other_kind(tmp_path):
    """Not by --overwrite: the names of the kinds differ. But a user may have renamed one."""
    (tmp_path / FOLDER).write_text("store 1")
    write(tmp_path / FOLDER, overwrite=True)
    assert text_of(tmp_path / FOLDER) == "store 2"
    assert names(tmp_path) == [FOLDER]


def test_a_folder_to_write_to_must_be_there(tmp_path):
    with pytest.raises(
        ConvertError, match=r"data\.h5: found no folder .*none, expected one to write to; make it first"
    ):
        write(tmp_path / "none" / FILE)


@pytest.mark.parametrize("suffix", [".old", ".bak", ".partial.mine", ".1"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_backup_of_the_users_own_is_left_alone(path, suffix, overwrite):
    """`mv data.h5 data.h5.old`, then convert: the backup must stay what it is and where it is."""
    backup = path.with_name(path.name + suffix)
    make(backup, "store of last year")
    for _ in range(2):
        write(path, overwrite=overwrite)
        assert text_of(path) == "store 2"
        assert text_of(backup) == "store of last year"
        overwrite = True
    assert names(path.parent) == sorted([path.name, backup.name])


class TestTwoRuns:
    def test_the_second_is_refused_and_names_the_first(self, path, same_open_files):
        message = rf"{path.name}: found another conversion \(process {os.getpid()}\) writing this store; wait for it"
        with writing(path, overwrite=False) as target:
            make(target.partial, "store of the first")
            with pytest.raises(ConvertError, match=message):
                write(path, "store of the second")
        assert text_of(path) == "store of the first"
        assert names(path.parent) == [path.name]

    def test_a_second_thread_is_refused_as_well(self, path):
        inside, finish, errors = threading.Event(), threading.Event(), []

        def first():
            with writing(path, overwrite=False) as target:
                make(target.partial, "store of the first")
                inside.set()
                finish.wait(10)

        thread = threading.Thread(target=first)
        thread.start()
        inside.wait(10)
        try:
            write(path)
        except ConvertError as error:
            errors.append(error)
        finish.set()
        thread.join()
        assert len(errors) == 1
        assert text_of(path) == "store of the first"

    def test_stores_beside_each_other_do_not_meet(self, tmp_path):
        with writing(tmp_path / "a.h5", overwrite=False) as a, writing(tmp_path / "b.h5", overwrite=False) as b:
            make(a.partial, "store a")
            make(b.partial, "store b")
        assert (text_of(tmp_path / "a.h5"), text_of(tmp_path / "b.h5")) == ("store a", "store b")

    def test_a_lock_whose_file_its_owner_removed_does_not_count(self, path, monkeypatch, same_open_files):
        """Between our opening the lock file and locking it, its owner ended and a third run began."""
        lock, flock, calls = path.with_name(f"{path.name}.lock"), target_module.fcntl.flock, []

        def late(descriptor, how):
            if not calls:
                lock.unlink()
            calls.append(how)
            flock(descriptor, how)

        monkeypatch.setattr(target_module.fcntl, "flock", late)
        with writing(path, overwrite=False) as target:
            make(target.partial, "store")
            assert len(calls) == 2
            assert lock.read_text() == str(os.getpid())
            with pytest.raises(ConvertError, match="found another conversion"):
                write(path)


PROGRAM = """
import sys
from pathlib import Path
from seekless.convert.target import writing
path = Path(sys.argv[1])
with writing(path, overwrite=True) as target:
    half = target.partial
    if path.suffix == ".d":
        half.mkdir()
        half = half / "x"
    half.write_text("half")
    target.parts.mkdir()
    (target.parts / "000001").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def another_run(path):
    """Another process in the midst of writing the store."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill")
def test_what_a_killed_run_left_is_replaced(path, another_run, same_open_files):
    with pytest.raises(
        ConvertError, match=rf"found another conversion \(process {another_run.pid}\) writing this store"
    ):
        write(path)
    another_run.send_signal(signal.SIGKILL)
    another_run.wait()
    assert names(path.parent) == [f"{path.name}.{end}" for end in ("lock", "partial", "parts")]
    write(path)
    assert text_of(path) == "store 2"
    assert names(path.parent) == [path.name]


class TestAFolderKilledBetweenTwoRenames:
    """No rename replaces a folder that holds files: the old one is moved aside first, and a run may be killed then."""

    def killed(self, tmp_path, monkeypatch, after):
        """Overwrite a store, and die after the given number of renames."""
        path, replace, renames = tmp_path / FOLDER, os.replace, []
        make(path, "store 1")

        class Killed(BaseException):
            pass

        def counted(old, new):
            if len(renames) == after:
                raise Killed
            replace(old, new)
            renames.append(new)

        def remove(*_):
            raise Killed

        def overwrite(patch):
            with writing(path, overwrite=True) as target:
                make(target.partial, "store 2")
                patch.setattr(os, "replace", counted)
                patch.setattr(target_module.Target, "forget", remove)
                patch.setattr(commit_module, "_finish", remove)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            overwrite(patch)
        return path

    @pytest.mark.parametrize("after", [0, 1, 2])
    def test_the_next_run_goes_on(self, tmp_path, monkeypatch, after):
        path = self.killed(tmp_path, monkeypatch, after)
        write(path, "store 3", overwrite=True)
        assert text_of(path) == "store 3"
        assert names(tmp_path) == [FOLDER]

    def test_an_error_between_the_renames_puts_the_old_one_back(self, tmp_path, monkeypatch):
        path, replace = tmp_path / FOLDER, os.replace
        make(path, "store 1")

        def fails_once(old, new):
            if old.name.endswith(".partial"):
                raise OSError(28, "No space left on device")
            replace(old, new)

        monkeypatch.setattr(os, "replace", fails_once)
        with pytest.raises(OSError, match="No space left"):
            write(path, overwrite=True)
        assert text_of(path) == "store 1"
        assert names(tmp_path) == [FOLDER]

    @pytest.mark.parametrize(("after", "left"), [(0, "store 1"), (1, "store 1"), (2, "store 2")])
    def test_the_next_run_finds_the_store(self, tmp_path, monkeypatch, after, left):
        path = self.killed(tmp_path, monkeypatch, after)
        with pytest.raises(StoreExistsError, match="replace it by --overwrite"):
            write(path, "store 3")
        assert text_of(path) == left

    def test_a_run_that_is_refused_does_not_meddle_with_one_that_swaps(self, tmp_path, monkeypatch):
        """In the moment between the two renames another run must not take the old folder for one left behind."""
        path, replace = tmp_path / FOLDER, os.replace
        make(path, "store 1")

        def meddled(old, new):
            replace(old, new)
            if not path.exists():
                monkeypatch.setattr(os, "replace", replace)
                with pytest.raises((ConvertError, StoreExistsError)):
                    write(path, "store of the second", overwrite=True)

        monkeypatch.setattr(os, "replace", meddled)
        write(path, "store 2", overwrite=True)
        assert text_of(path) == "store 2"
        assert names(tmp_path) == [FOLDER]


class TestTemp:
    """Partition files in a folder that is named: found again whichever way the next run names it, or not."""

    @pytest.fixture
    def temp(self, tmp_path):
        (tmp_path / "temp").mkdir()
        return tmp_path / "temp"

    @pytest.fixture
    def source(self, write_source):
        return write_source({f"{n:02d}": np.full((3, 3), n) for n in range(20)})

    def left(self, tmp_path):
        return [entry for folder in (tmp_path, tmp_path / "temp") for entry in names(folder)]

    def test_it_must_be_there(self, path, tmp_path):
        with (
            pytest.raises(
                OptionError, match=r"--temp: found no folder .*none, expected one for passing files; make it"
            ),
            writing(path, overwrite=False, temp=tmp_path / "none"),
        ):
            pytest.fail("began")
        assert names(tmp_path) == []

    def test_stores_of_one_name_may_share_it(self, tmp_path, temp):
        for name in "ab":
            (tmp_path / name).mkdir()
        a = writing(tmp_path / "a" / FILE, overwrite=False, temp=temp)
        b = writing(tmp_path / "b" / FILE, overwrite=False, temp=temp)
        with a as first, b as second:
            for target in (first, second):
                target.parts.mkdir()
                assert target.parts.parent == temp
                make(target.partial, "store")
            assert len(names(temp)) == 2
        assert names(temp) == []

    @pytest.mark.parametrize("then", [None, "temp", "other"])
    @pytest.mark.parametrize("first", [None, "temp"])
    def test_saved_work_is_gone_on_with_wherever_it_lies(
        self, tmp_path, temp, source, stop, monkeypatch, first, then, same_open_files
    ):
        monkeypatch.undo()
        (tmp_path / "other").mkdir()
        before, after = ({} if name is None else {"temp": tmp_path / name} for name in (first, then))
        stop(source, tmp_path / FILE, 1, **before)
        assert saved_samples(tmp_path / FILE, after.get("temp")) == 20
        assert len(names(temp)) == (first is not None)
        with pytest.raises(ResumeError, match="found the work of a run that was stopped, 20 samples read and saved"):
            seekless.pack(source, tmp_path / FILE, workers=0, progress=False, **after)
        summary = seekless.pack(source, tmp_path / FILE, resume=True, workers=0, progress=False, **after)
        assert summary.resumed == (20, 0)
        assert self.left(tmp_path) == sorted(["data", FILE, "other", "temp"])

    def test_what_was_left_there_is_removed_by_a_run_that_does_not_name_it(self, tmp_path, temp):
        def killed():
            with writing(tmp_path / FILE, overwrite=False, temp=temp) as target:
                target.parts.mkdir()
                target.keep = True
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            killed()
        (left,) = names(temp)
        with writing(tmp_path / FILE, overwrite=False) as target:
            assert left in target.removed
            make(target.partial, "store")
        assert self.left(tmp_path) == [FILE, "temp"]

    def test_a_folder_that_is_gone_is_nothing_to_go_on_with(self, tmp_path, temp, source, stop, monkeypatch):
        monkeypatch.undo()
        stop(source, tmp_path / FILE, 1, temp=temp)
        temp.rename(tmp_path / "away")
        assert seekless.pack(source, tmp_path / FILE, resume=True, workers=0, progress=False).resumed == (0, 0)
        assert names(tmp_path) == sorted(["away", "data", FILE])


def test_a_folder_that_cannot_be_written_to_is_said(path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(target_module.os, "open", refused)
    message = (
        r"found that nothing can be written to .* \(Permission denied\), expected to; name a store in another folder"
    )
    with pytest.raises(ConvertError, match=message):
        write(path)

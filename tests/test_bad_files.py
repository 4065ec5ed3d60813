"""Bad files are listed or left out, all the way: what is said, in which words, and what is left."""

import io
import os
import re
import shutil

import numpy as np
import pytest
from kit.converting import contents, during, listed, names, pack
from PIL import Image

import seekless
from seekless.errors import SourceError
from seekless.source import samples as samples_module
from seekless.source.read import FilesAhead

ONE, TWO, THREE = "1 2\n3 4\n", "5 6\n7 8\n", "9 1\n2 3\n"


def arrays(path):
    """The values of a store's fields as bytes: what must not differ in a bit."""
    store = seekless.open(path)
    return {name: (store[name].dtype, store[name].shape, store[name].tobytes()) for name in store.fields}


def picture(form, **options):
    """The bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.arange(np.prod(form), dtype=np.uint8).reshape(form)).save(file, "png", **options)
    return file.getvalue()


@pytest.fixture
def store(tmp_path):
    """A store to be."""
    return tmp_path / "a.h5"


def eio(path):
    """A file that opens, and fails where it is read."""
    if not os.path.exists("/proc/self/mem"):
        pytest.skip("needs /proc")
    path.symlink_to("/proc/self/mem")


def linked(to):
    return lambda path: path.symlink_to(to)


def written(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


PNG = "a PNG, JPEG, BMP, GIF, TIFF or WebP picture"
GZ = b"\x1f\x8b\x08\0\0\0\0\0\0\x033T0\xe2\x02"  # the beginning of one
READABLE = "a readable file"

# name: (suffix, how the file is made, options, found, expected)
BAD = {
    "empty": (".csv", written(""), (), "an empty file", "rows of numbers"),
    "blank": (".csv", written("\n \n"), (), "no line of numbers", "rows of numbers"),
    "ragged": (".csv", written("1 2\n3\n"), (), "1 value in line 2", "2 as in line 1"),
    "text": (".csv", written("1 2\n3 x\n"), (), "text 'x' in line 2, column 2", "a number"),
    "nan": (
        ".csv",
        written("1 2\n3 nan\n"),
        (),
        "'nan' in line 2, column 2",
        "finite numbers; --allow-nan takes nan and i",
    ),
    "infinity": (
        ".csv",
        written("-inf 2\n3 4\n"),
        (),
        "'-inf' in line 1, column 1",
        "finite numbers; --allow-nan takes",
    ),
    "count": (".csv", written("1 2 3\n"), ("--shape", "4"), "3 values", "4 (--shape 4)"),
    "shape": (".csv", written("1 2 3\n"), (), "shape 3", "shape 2 x 2 as in 6 samples"),
    "one more row": (".csv", written("1 2\n3 4\n5 6\n"), (), "shape 3 x 2", "shape 2 x 2 as in 6 samples"),
    "UTF-16": (".csv", written("1 2\n".encode("utf-16")), (), "UTF-16 text", "UTF-8 text; save the file as UTF-8"),
    "gzip cut short": (".csv", written(GZ), (), "a gzip file that ends too soon", "a whole one"),
    "dangling link": (".csv", linked("none"), (), "a file that cannot be read (No such file or directory)", READABLE),
    "link to itself": (".csv", linked("bad.csv"), (), "a file that cannot be read (Too many levels of ", READABLE),
    "read error": (".csv", eio, (), "a file that cannot be read (Input/output error)", READABLE),
    "empty image": (".png", written(""), (), "an empty file (0 bytes)", PNG),
    "HTML": (".png", written("<html>404"), (), "text that begins with '<html'", PNG),
    "truncated image": (".png", written(picture((9, 9))[:-20]), (), "a PNG picture that breaks off", "a whole PNG"),
    "color": (".png", written(picture((2, 3, 3))), (), "shape 2 x 3 x 3", "shape 2 x 3 x 1 as in 6 samples"),
    "size": (".png", written(picture((3, 2))), (), "shape 3 x 2 x 1", "shape 2 x 3 x 1 as in 6 samples"),
}


class TestBadFiles:
    @pytest.fixture
    def good(self, write, request):
        """Six good files in two classes; the bad one comes between them, as b/bad."""
        suffix = request.param

        def content(number):
            return picture((2, 3)) if suffix == ".png" else f"{number} 2\n3 4\n"

        return write({f"{'ab'[number % 2]}/{'az'[number > 2]}{number}{suffix}": content(number) for number in range(6)})

    @pytest.mark.parametrize(("good", "make", "options", "found", "expected"), BAD.values(), ids=BAD, indirect=["good"])
    def test_it_is_listed_or_left_out(self, good, store, convert, make, options, found, expected):
        command = "png-to-h5" if (good / "a" / "a0.png").exists() else "csv-to-h5"
        pack(good, store.with_name("good.h5"))
        bad = good / "b" / ("bad.png" if command == "png-to-h5" else "bad.csv")
        make(bad)
        code, out, err = convert(command, good, store, "--quiet", *options)
        assert (code, out) == (1, "")
        first, second, *rest = err.splitlines()
        assert first == f"error: {good}: found 1 bad of 7 samples; no store was written"
        assert second.startswith(f"  b/{bad.name}: found {found}")
        assert f", expected {expected}" in second
        assert rest == [
            f"  all are listed in {store}.errors.csv; mend or remove them, or leave them out by --on-error skip"
        ]
        header, (key, *words) = listed(f"{store}.errors.csv")
        assert header == ["key", "found", "expected"]
        assert f"  {key}: found {words[0]}, expected {words[1]}" == second
        assert names(store.parent) == ["a.h5.errors.csv", "data", "good.h5"]

        code, out, err = convert(command, good, store, "--on-error", "skip", *options)
        assert code == 0
        assert f"  skipped  1, listed in {store}.skipped.csv\n" in out
        assert listed(f"{store}.skipped.csv") == [header, [key, *words]]
        assert names(store.parent) == ["a.h5", "a.h5.skipped.csv", "data", "good.h5"]
        if not options:
            assert arrays(store) == arrays(store.with_name("good.h5"))

    @pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read every file")
    def test_a_file_that_may_not_be_read(self, write, store):
        root = write({"a/1.csv": ONE, "b/2.csv": TWO})
        (root / "b" / "2.csv").chmod(0)
        with pytest.raises(SourceError, match=r"b/2\.csv: found a file that cannot be read \(Permission denied\)"):
            pack(root, store)

    def test_a_file_that_may_not_be_read_by_an_error_of_its_own(self, write, store, monkeypatch):
        root = write({"a/1.csv": ONE, "b/2.csv": TWO})
        read = FilesAhead.read

        def refused(files):
            if files._paths[files._next].endswith("2.csv"):
                raise PermissionError(13, "Permission denied", files._paths[files._next])
            return read(files)

        monkeypatch.setattr(FilesAhead, "read", refused)
        with pytest.raises(SourceError, match=r"b/2\.csv: found a file that cannot be read \(Permission denied\)"):
            pack(root, store)

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (
                lambda path: path.unlink(),
                r"a file that cannot be read \(No such file or directory\), expected a readable",
            ),
            (lambda path: path.write_text(""), r"an empty file, expected rows of numbers"),
            (lambda path: path.write_text(TWO[:5]), r"1 value in line 2, expected 2 as in line 1"),
            (lambda path: path.write_text(TWO + ONE), r"shape 4 x 2, expected shape 2 x 2 as in 2 samples"),
            (lambda path: (path.unlink(), path.mkdir()), r"a file that cannot be read \(Is a directory\)"),
        ],
        ids=["vanishes", "emptied", "cut short", "grows", "becomes a folder"],
    )
    def test_a_file_that_changes_after_it_was_listed(self, write, store, monkeypatch, change, found):
        root = write({"a/1.csv": ONE, "b/2.csv": TWO, "b/3.csv": THREE})
        during(monkeypatch, lambda: change(root / "b" / "2.csv"))
        with pytest.raises(
            SourceError, match=rf"found 1 bad of 3 samples; no store was written\n  b/2\.csv: found {found}"
        ):
            pack(root, store)
        assert names(store.parent) == ["a.h5.errors.csv", "data"]

    @pytest.mark.parametrize(("count", "more"), [(20, None), (25, "  and 5 more")])
    def test_the_first_twenty_are_said_and_all_are_listed(self, write, store, convert, count, more):
        root = write({"a/1.csv": ONE, "b/2.csv": TWO, **{f"b/bad{number:02d}.csv": "x" for number in range(count)}})
        code, _, err = convert("csv-to-h5", root, store, "--quiet")
        assert code == 1
        assert f"found {count} bad of {count + 2} samples" in err
        assert re.findall(r"^  (b/bad\d+\.csv): ", err, re.MULTILINE) == [
            f"b/bad{number:02d}.csv" for number in range(20)
        ]
        assert (more in err.splitlines()) if more else ("more" not in err)
        assert [row[0] for row in listed(f"{store}.errors.csv")] == [
            "key",
            *(f"b/bad{n:02d}.csv" for n in range(count)),
        ]

    def test_nothing_good_is_listed_too(self, write, store, convert):
        root = write({"a/1.csv": "", "b/2.csv": "x"})
        code, out, err = convert("csv-to-h5", root, store, "--on-error", "skip")
        assert (code, out) == (1, "")
        assert "found 2 bad of 2 samples; no store was written\n  a/1.csv: found an empty file" in err
        assert len(listed(f"{store}.errors.csv")) == 3
        assert names(store.parent) == ["a.h5.errors.csv", "data"]

    def test_files_and_targets_without_each_other_are_left_out(self, write, store):
        root = write({"a.csv": ONE, "b.csv": TWO, "c.csv": "x", "target.csv": "a,1\nz,0\nc,0\n"})
        assert pack(root, store, on_error="skip").skipped == 3
        assert contents(store) == {"a.csv": ([[1, 2], [3, 4]], 1)}
        assert listed(f"{store}.skipped.csv")[1:] == [
            ["b.csv", "no target in target.csv", "one line for each sample"],
            ["c.csv", "text 'x' in line 1, column 1", "a number"],
            ["z", "a target in target.csv without a file", "a sample file"],
        ]

    def test_lists_of_earlier_runs_go(self, write, store):
        root = write({"a/1.csv": ONE, "b/2.csv": TWO, "b/3.csv": ""})
        with pytest.raises(SourceError, match="found 1 bad"):
            pack(root, store)
        pack(root, store, on_error="skip")
        assert names(store.parent) == ["a.h5", "a.h5.skipped.csv", "data"]
        (root / "b" / "3.csv").unlink()
        pack(root, store, overwrite=True)
        assert names(store.parent) == ["a.h5", "data"]


class TestMajority:
    """The right shape is the one most files have; of equally many, that of the first key."""

    def make(self, write, forms):
        """Write files of one or two values; the first of the string is what the disk gives first."""
        root = write({f"{'ab'[number % 2]}/{number}.csv": "0" for number in range(len(forms))})
        files = sorted(root.rglob("*.csv"), key=lambda file: file.stat().st_ino)
        for file, form in zip(files, forms, strict=True):
            file.write_text({"s": "7\n", "l": "7 8\n"}[form])  # the inode stays
        return root, {
            form: {f.relative_to(root).as_posix() for f, g in zip(files, forms, strict=True) if g == form}
            for form in "sl"
        }

    @pytest.mark.parametrize("files", [1, 2, 3, 256])
    @pytest.mark.parametrize(("forms", "most"), [("ssllll", "l"), ("sslll", "l"), ("llllss", "l"), ("lsssl", "s")])
    def test_it_decides(self, write, store, monkeypatch, files, forms, most):
        monkeypatch.setattr(samples_module, "RUN_FILES", files)
        root, keys = self.make(write, forms)
        odd = keys["s" if most == "l" else "l"]
        with pytest.raises(SourceError, match=f"found {len(odd)} bad of {len(forms)} samples") as refused:
            pack(root, store, labels="none")
        for key in odd:
            shape = "2" if most == "s" else "of one value"
            assert f"  {key}: found shape {shape}, expected shape" in str(refused.value)
        summary = pack(root, store, on_error="skip", labels="none")
        assert (summary.samples, summary.skipped) == (len(keys[most]), len(odd))
        assert contents(store).keys() == keys[most]
        for key in odd:
            (root / key).unlink()
        pack(root, store.with_name("good.h5"), labels="none")
        assert arrays(store) == arrays(store.with_name("good.h5"))

    @pytest.mark.parametrize("files", [1, 256])
    @pytest.mark.parametrize("forms", ["sl", "ls", "slls", "llss", "ssll"])
    def test_ties_go_to_the_first_key(self, write, store, monkeypatch, files, forms):
        monkeypatch.setattr(samples_module, "RUN_FILES", files)
        root, keys = self.make(write, forms)
        first = min(key for group in keys.values() for key in group)
        expected = next(group for group in keys.values() if first in group)
        pack(root, store, on_error="skip", labels="none")
        assert contents(store).keys() == expected


LISTING = {
    "no folder": (
        shutil.rmtree,
        r"data: found no such folder, expected a folder of samples \(\.csv",
    ),
    "nothing": (lambda root: [shutil.rmtree(f) for f in root.iterdir()], r"data: found no sample files, expected some"),
    "circle": (
        lambda root: (root / "a" / "again").symlink_to(root),
        r"data/a/again: found a link back to a folder it lies in, expected no circle; remove the link",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), LISTING.values(), ids=LISTING)
def test_a_folder_that_cannot_be_listed(write, store, convert, spoil, message):
    root = write({"a/1.csv": ONE, "b/2.csv": TWO})
    try:
        spoil(root)
    except OSError:
        pytest.skip("this file system takes no such name")
    code, out, err = convert("csv-to-h5", root, store, "--quiet")
    assert (code, out) == (1, "")
    assert re.fullmatch(rf"error: .*{message}.*\n", err)
    assert not {"a.h5", "a.h5.errors.csv"} & set(names(store.parent))


def test_a_name_that_is_not_utf8_is_listed_or_left_out(write, store):
    root = write({"a/1.csv": ONE, "b/2.csv": TWO})
    try:
        (root / "a" / os.fsdecode(b"\xff.csv")).write_text(ONE)
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(SourceError, match=r"found 1 bad of 3 samples.*\n.*xff\.csv'?: found a name that is not UTF-8"):
        pack(root, store)
    pack(root, store, on_error="skip")
    assert sorted(seekless.open(store).keys) == ["a/1.csv", "b/2.csv"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_no_sample(write, store):
    root = write({"a/1.csv": ONE, "b/2.csv": TWO})
    os.mkfifo(root / "a" / "3.csv")
    (root / "a" / "4.csv").symlink_to("3.csv")
    pack(root, store)
    assert sorted(seekless.open(store).keys) == ["a/1.csv", "b/2.csv"]


def test_what_desktops_leave_behind_is_no_sample(write, store):
    root = write(
        {"a/1.csv": ONE, "b/2.csv": TWO, "b/.3.csv": "", "a/._1.csv": "x", "Thumbs.db": "", ".git/c/4.csv": "x"}
    )
    (root / "more.csv").symlink_to(root / "a" / "1.csv")
    (root / "more.csv").rename(root / "b" / "more.csv")
    pack(root, store)
    assert sorted(contents(store)) == ["a/1.csv", "b/2.csv", "b/more.csv"]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_nan_is_stored_where_it_is_allowed(write, store, convert, value):
    root = write({"a/1.csv": f"1 {value}\n", "b/2.csv": "3 4\n"})
    assert convert("csv-to-h5", root, store, "--allow-nan", "--quiet")[0] == 0
    np.testing.assert_array_equal(
        seekless.open(store)["x"][seekless.open(store).keys.index("a/1.csv")], [1, float(value)]
    )

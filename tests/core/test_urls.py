"""What is a path and what a URL, and what tells a changed file."""

from pathlib import Path

import pytest

from seekless.errors import OptionError
from seekless.urls import is_remote, is_url, mark_of, place_of, written_to


def test_paths_and_urls_of_files_here_are_paths(tmp_path):
    for where in (tmp_path / "a.h5", str(tmp_path / "a.h5"), f"file://{tmp_path}/a.h5"):
        assert place_of(where) == written_to(where) == tmp_path / "a.h5"
        assert not is_url(where)
    upath = pytest.importorskip("upath").UPath
    for where in (upath(tmp_path / "a.h5"), upath(f"file://{tmp_path}/a.h5")):
        assert (place_of(where), is_url(where)) == (tmp_path / "a.h5", False)
        assert isinstance(place_of(where), Path)


def test_what_fsspec_reaches_is_no_path_and_not_written_to():
    upath = pytest.importorskip("upath").UPath
    for where in ("memory://a/b.h5", upath("memory://a/b.h5")):
        assert is_url(where)
        assert is_remote(place_of(where))
        with pytest.raises(
            OptionError, match=r"memory://a/b\.h5: found a URL to write to, expected a path: stores are"
        ):
            written_to(where)


@pytest.mark.parametrize("name", ["ETag", "mtime", "LastModified", "Last-Modified", "created"])
def test_another_version_has_another_mark(name):
    assert mark_of({"size": 5, name: 1}) != mark_of({"size": 5, name: 2})
    assert mark_of({"size": 5, name: 1}) != mark_of({"size": 6, name: 1})
    assert mark_of({"size": 5, name: 1, "islink": True}) == mark_of({"size": 5, name: 1})

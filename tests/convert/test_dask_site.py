"""What a process of a cluster does not see, or has in another version, it says."""

import re

import pytest

from seekless.convert import dask_site
from seekless.errors import ConvertError


def test_a_site_that_cannot_be_seen(tmp_path, monkeypatch):
    site = dask_site.Site(tmp_path, "sign", versions=dask_site.versions_here())
    assert re.fullmatch(r"no .*/sign, expected a folder that all workers see at the same path", site.complaint())
    with pytest.raises(ConvertError, match=r"^--dask: found on .* no .*/sign, expected a folder that all workers see"):
        site.check()
    with pytest.raises(ConvertError, match="sign: found it gone, expected it while the run goes on"):
        site.goes_on()
    (tmp_path / "sign").touch()
    assert site.complaint() is None
    assert dask_site.look(site, (tmp_path,)) is None
    assert dask_site.look(site, (tmp_path / "missing",)).startswith("that nothing can be written to ")
    unseen = dask_site.Site(tmp_path, "sign", tmp_path / "a.csv", 7)
    assert re.fullmatch(r"no .*/a.csv, or another one, expected a source that all .*", unseen.complaint())
    assert unseen.complaint(reading=False) is None
    other = dask_site.Site(tmp_path, "sign", versions=(("seekless", "9.9"),))
    assert re.fullmatch(r"seekless \S+, expected 9.9, as another one may write other bytes", other.complaint())

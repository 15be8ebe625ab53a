"""The page of a retraining in Chromium: it is quiet, needs no network, and fits on a phone."""

import shutil
from pathlib import Path

import pytest

from tests.browser import browser
from tests.registry_project import registry_project, select, train
from transferline.registry.promotion import promote
from transferline.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.thorough
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_it_is_quiet_needs_no_network_and_does_not_scroll_sideways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    params = registry_project(tmp_path / "project", monkeypatch)
    for phase, kernel in (("head", "fair"), ("fine_tune", "good")):
        select(params, train(params, phase, kernel))
        promote(params, Path.cwd())
    page = write_page(params, Path.cwd())
    with browser(str(CHROMIUM), tmp_path / "profile") as tab:
        for width in (390, 1400):
            for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")):
                tab.open(page, width, scheme)
                assert tab.messages == []
                assert tab.requests == [page.resolve().as_uri()]
                assert tab.value("document.documentElement.scrollWidth") == width
                assert tab.value("document.images.length") > 10
                assert tab.value("[...document.images].filter(one => !one.alt || !one.naturalWidth).length") == 0
                assert tab.value("getComputedStyle(document.body).backgroundColor") == paper

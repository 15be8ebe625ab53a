"""The page of a retraining in projects that lack files, were edited, or went back to an earlier champion."""

import shutil
from pathlib import Path

import pytest

from tests.registry_project import registry_project, select, train
from tests.test_report import read
from transferline.params import Params


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return registry_project(tmp_path, monkeypatch)


def test_without_models_and_photographs_each_section_names_what_it_lacks(params: Params) -> None:
    select(params, train(params, "head", "fair"))
    for folder in ("models", "data/raw"):
        shutil.rmtree(folder)
    _, page = read(params)
    assert "models/small/head/card.json cannot be read" in page.sections["Calibration and rejection"]
    assert "8 of 24 images" in page.sections["Mistakes"]

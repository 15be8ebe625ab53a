"""The page of a retraining in projects that lack files, were edited, or went back to an earlier champion."""

import html
import shutil
import sys
from pathlib import Path

import pytest

from tests.registry_project import select, train, validation_report, write_lock
from tests.test_report import read
from transferline.atomic_files import write_json
from transferline.cli import main as cli
from transferline.errors import TransferlineError
from transferline.params import Params
from transferline.registry.promotion import promote
from transferline.registry.rollback import rollback


def test_without_models_and_photographs_each_section_names_what_it_lacks(params: Params) -> None:
    select(params, train(params, "head", "fair"))
    for folder in ("models", "data/raw"):
        shutil.rmtree(folder)
    _, page = read(params)
    assert "models/small/head/card.json cannot be read" in page.sections["Calibration and rejection"]
    assert "8 of 24 images" in page.sections["Mistakes"]


def promote_two(params: Params, root: Path) -> None:
    """Makes a fair model version 1 and then a good one version 2; the good one is selected."""
    write_lock(root, "a" * 32)
    select(params, train(params, "head", "fair"))
    promote(params, root)
    select(params, train(params, "fine_tune", "good"))
    promote(params, root)


@pytest.mark.slow
def test_the_lineage_of_a_registered_model_is_that_of_its_registration(params: Params, tmp_path: Path) -> None:
    promote_two(params, tmp_path)
    write_lock(tmp_path, "b" * 32)
    lineage = read(params)[1].sections["Lineage"]
    assert "As registered" in lineage and "a" * 32 in lineage and "b" * 32 not in lineage
    (tmp_path / "models/small/fine_tune/model.keras").write_bytes(b"another")
    lineage = read(params)[1].sections["Lineage"]
    assert "Of the project when this page was written" in lineage and "b" * 32 in lineage


@pytest.mark.slow
def test_after_a_rollback_the_page_names_the_champion_and_why(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_two(params, tmp_path)
    read(params)
    monkeypatch.setattr(sys, "argv", ["transferline", "rollback", "--reason", "confuses glass and metal"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (
        not end.value.code
        and "small, fine_tune was the champion, and version 1 replaced it." in Path("reports/index.html").read_text()
    )
    rollback(params, tmp_path, "no, it does not", to="2")
    assert (
        "Version 2 (small, fine_tune) is the champion again, after a rollback from version 1 (no, it does not)."
        in html.unescape(read(params)[0])
    )


@pytest.mark.slow
def test_the_data_section_names_the_versions_after_a_promotion(params: Params, tmp_path: Path) -> None:
    promote_two(params, tmp_path)
    text, page = read(params)
    data = page.sections["Data"]
    assert "accuracy gain over version 1" in text, "version 2 is the champion now"
    select_by_loss = params.select.model_copy(update={"metric": "log_loss"})
    evaluate = params.evaluate.model_copy(update={"confidence": 0.8})
    changed, page_after = read(params.model_copy(update={"select": select_by_loss, "evaluate": evaluate}))
    assert "test accuracy" in page_after.sections["Decision"] and "the 95% interval" in page_after.sections["Decision"]
    assert "accuracy gain over version 1" in changed, "the decision was made before params.yaml changed"
    assert "The model was trained on colors" in data and "Version 1 was trained on colors" in data
    assert "the difference to the data of version 1." in data and "champion" not in data


def test_params_that_no_longer_fit_the_selected_model_are_named(params: Params) -> None:
    select(params, train(params, "head", "fair"))
    shutil.copytree("evaluations/small", "evaluations/smaller")
    renamed = params.model_copy(update={"candidates": {"smaller": params.candidates["smaller"]}})
    with pytest.raises(TransferlineError, match=r"metrics\.json selects small, head, which params\.yaml does not name"):
        read(renamed)
    with pytest.raises(TransferlineError, match=r"metrics\.json selects small, head, which params\.yaml does not name"):
        promote(renamed, Path.cwd())
    mistyped = params.model_copy(update={"select": params.select.model_copy(update={"metric": "acuracy"})})
    with pytest.raises(TransferlineError, match="acuracy is not a metric of a multiclass problem"):
        read(mistyped)


def test_only_verdicts_have_the_colour_of_verdicts(params: Params, tmp_path: Path) -> None:
    report = validation_report(12)
    report["counts"]["classes"]["failed"] = {}  # type: ignore[index]
    write_json(tmp_path / "reports/validation.json", report)
    select(params, train(params, "head", "good"))
    assert "<span>failed</span>" in read(params)[0]
    promote(params, tmp_path)
    text = read(params)[0]
    assert '<span class="good">passed</span>' in text and "<span>failed</span>" in text

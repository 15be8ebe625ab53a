"""The model card of a version, which MLflow's page shows."""

import html
import json
from pathlib import Path

import pytest

from tests.registry_project import LATENCY, registry_project, select, train
from transferline.atomic_files import write_json
from transferline.datasets.tables import read_table, write_table
from transferline.metrics.intervals import wilson
from transferline.metrics.rejection import promise
from transferline.models.exported import Rejection, read_card, write_card
from transferline.registry.promotion import promote
from transferline.registry.run_pages import describe_run
from transferline.registry.trained_data import trained_data
from transferline.registry.version_pages import model_card
from transferline.report.page import write_page


@pytest.mark.parametrize(
    ("tested", "untested"), [("corruption_accuracy", "attacked"), ("adversarial_accuracy", "damaged")]
)
def test_it_names_only_the_robustness_that_was_not_tested(
    tested: str, untested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = registry_project(tmp_path, monkeypatch)
    folder = train(params, "head", "good")
    select(params, folder)
    evaluation = Path("evaluations/small/head")
    metrics = json.loads((evaluation / "metrics.json").read_text())
    metrics["test"][tested] = 0.5
    write_json(evaluation / "metrics.json", metrics)
    card = model_card(params, read_card(folder), evaluation, trained_data(tmp_path, "colors"))
    assert card.count("were not tried") == 1 and f"- {untested} images were not tried" in card
    assert "- test: accuracy 1.0000 (" in card and "- fewest images: blue: 12" in card


def test_the_weakest_classes_of_a_segmentation_are_by_iou(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = registry_project(tmp_path, monkeypatch)
    folder = train(params, "head", "good")
    select(params, folder)
    evaluation = Path("evaluations/small/head")
    metrics = json.loads((evaluation / "metrics.json").read_text())
    metrics["test"]["per_class"] = {
        "a": {"iou": 0.5, "recall": 0.1},
        "b": {"iou": 0.25, "iou_low": 0.125, "iou_high": 0.5, "recall": 0.9},
        "c": {"iou": None},
    }
    write_json(evaluation / "metrics.json", metrics)
    card = model_card(params, read_card(folder), evaluation, trained_data(tmp_path, "colors"))
    assert "- weakest classes (iou on test): b: 0.25 (0.12 to 0.50), a: 0.50\n" in card


def test_report_and_pages_name_the_groups_behind_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = registry_project(tmp_path, monkeypatch)
    manifest = read_table(Path("data/manifest.parquet"))
    manifest.rows["group"] = [f"{Path(path).parent}{int(Path(path).stem) // 4}" for path in manifest.rows["path"]]
    write_table(manifest, Path("data/manifest.parquet"))
    folder = train(params, "head", "good")
    select(params, folder)
    assert promote(params, tmp_path).promoted
    decision = json.loads(Path("reports/decision/decision.json").read_text())
    assert (decision["images"], decision["groups"]) == (24, 6)
    assert decision["challenger"]["low"] == pytest.approx(wilson(1, 6, params.evaluate.confidence)[0])
    assert "The test split has 24 images in 6 groups." in write_page(params, tmp_path).read_text()
    card = model_card(params, read_card(folder), Path("evaluations/small/head"), trained_data(tmp_path, "colors"))
    assert "- test: accuracy 1.0000 (0.6097 to 1.0000) on 24 images in 6 groups" in card


def test_decision_and_pages_show_the_promise_and_what_test_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = registry_project(tmp_path, monkeypatch)
    folder = train(params, "head", "good")
    rejection = Rejection(wanted_error=0.02, error=0.05, limit=0.4, coverage=0.9, images=80, possible_limit=0.1)
    write_card(read_card(folder).model_copy(update={"temperature": 1.5, "rejection": rejection}), folder)
    select(params, folder)
    evaluation = Path("evaluations/small/head")
    metrics = json.loads((evaluation / "metrics.json").read_text())
    metrics["test"]["expected_calibration_error_without_temperature"] = 0.25
    write_json(evaluation / "metrics.json", metrics | {"temperature": 1.5, "rejection": rejection.model_dump()})
    assert promote(params, tmp_path).promoted
    decision = json.loads(Path("reports/decision/decision.json").read_text())
    assert decision["rejection"]["limit"] == 0.4
    assert 0 < decision["challenger"]["coverage"] <= 1 and decision["challenger"]["answered_error"] == 0
    page = write_page(params, tmp_path).read_text()
    assert '<th scope="col">coverage</th><th scope="col">answered error</th>' in page
    assert f"Its promise: {promise(rejection)}." in html.unescape(page)
    card = model_card(params, read_card(folder), evaluation, trained_data(tmp_path, "colors"))
    assert "- temperature 1.500; expected calibration error 0.2500 → " in card and f"- {promise(rejection)}" in card
    metrics = json.loads((evaluation / "metrics.json").read_text())
    described = describe_run("accuracy", metrics, LATENCY, trained_data(tmp_path, "colors"))
    assert "temperature 1.500" in described and promise(rejection) in described

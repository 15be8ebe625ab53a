"""The page of a retraining: its sections from files, before and after promotion."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import run_in_process
from tests.registry_project import registry_project, select, train, write_lock
from transferline.atomic_files import write_json
from transferline.datasets.images import read_batch
from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.insight.insight_table import insight_table, read_insight_table, write_insight_table
from transferline.insight.mistakes import mistake_heat_maps
from transferline.insight.novelty import training_distance
from transferline.insight.weak_slices import weak_slices
from transferline.models.exported import load_model, read_card
from transferline.params import Novelty, Params
from transferline.paths import PAGE
from transferline.registry.promotion import promote
from transferline.registry.tracking import connect
from transferline.report import page_pictures
from transferline.report.page import SECTIONS, write_page

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """A page that is checked while it is read: tags are closed in their order, and pictures have alternative text.

    Attributes:
        sections: the text of each section by its title.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.sources: list[str] = []
        self._open: list[str] = []
        self._title = ""
        self.feed(text)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "section":
            self._title = ""
        if tag == "img":
            assert found.get("alt"), found
        if tag == "svg":
            assert found.get("role") == "img" and found.get("aria-label"), found
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID and self.get_starttag_text()[-2:] != "/>":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect",):
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "h2" in self._open:
            self._title = data
            self.sections[data] = ""
        elif self._title:
            self.sections[self._title] += data


def read(params: Params) -> tuple[str, Page]:
    text = write_page(params, Path.cwd()).read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return registry_project(tmp_path, monkeypatch)


def test_before_promotion_the_page_says_that_nothing_is_decided(params: Params) -> None:
    with pytest.raises(TransferlineError, match="no model is selected yet"):
        write_page(params, Path.cwd())
    select(params, train(params, "head", "fair"))
    text, page = read(params)
    assert list(page.sections) == list(SECTIONS)
    assert "Not decided yet: small, head is selected" in text
    assert "Not applicable: promotion has not checked the selected model yet" in page.sections["Gates"]
    assert "Not applicable: there is no champion of colors yet." in page.sections["Champions so far"]
    assert "Not applicable: evaluate.robustness is null" in page.sections["Robustness"]
    assert "8 of 24 images of test are predicted wrongly" in page.sections["Mistakes"]
    assert "blue" in page.sections["Classes"] and "0.000" in page.sections["Classes"]


@pytest.mark.slow
def test_the_verdict_says_what_happened_by_how_much_and_on_what(params: Params, tmp_path: Path) -> None:
    write_lock(tmp_path, "a" * 32)
    select(params, train(params, "head", "fair"))
    low = params.model_copy(update={"promote": params.promote.model_copy(update={"min_value": 0.3})})
    first = promote(low, tmp_path)
    assert first.promoted
    text, _ = read(low)
    assert f'<h1 class="good">Version 1 (small, head) is the champion: {first.reason}.</h1>' in text
    select(params, train(params, "fine_tune", "good"))
    assert "Not decided yet" in read(params)[0], "the decision is about another model"
    second = promote(params, tmp_path)
    text, page = read(params)
    assert second.promoted
    assert f"Version 2 (small, fine_tune) is the champion: {second.reason}." in html.unescape(text)
    assert "champion, version 1" in page.sections["Decision"] and "+0.3333" in page.sections["Decision"]
    assert "24 images" in page.sections["Decision"] and "accuracy" in page.sections["Gates"]
    assert "Improvements: 8" in page.sections["Gates"] and "No mistake on the 24 images" in page.sections["Mistakes"]
    assert "aaaaaaaa" in page.sections["Lineage"]
    assert re.search(r"promotion\s*2\s*small, fine_tune", page.sections["Champions so far"])


def test_promote_and_report_render_the_page_and_mlflow_keeps_a_copy(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "head", "good"))
    for command in ("promote", "report"):
        assert run_in_process(command) == 0
        assert "Version 1 (small, head) is the champion" in (tmp_path / PAGE).read_text()
        (tmp_path / PAGE).unlink()
    client = connect(params.record, tmp_path)
    run = client.get_model_version("colors", "1").run_id
    assert [file.path for file in client.list_artifacts(run, "report")] == ["report/index.html"]


@pytest.mark.slow
def test_a_refused_model_is_not_promoted_and_the_page_says_why(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "head", "good"))
    assert promote(params, tmp_path).promoted
    select(params, train(params, "fine_tune", "fair"))
    refused = promote(params, tmp_path)
    text, page = read(params)
    assert f"small, fine_tune was not promoted: {refused.reason}" in html.unescape(text)
    assert "failed" in page.sections["Gates"] and "Regressions: 8" in page.sections["Gates"]


@pytest.mark.slow
def test_the_page_needs_no_network_and_is_small(params: Params, tmp_path: Path) -> None:
    Image.effect_noise((4000, 3000), 90).save(tmp_path / "noise.png")
    select(params, train(params, "head", "fair"))
    for name in ("confusion.png", "gallery.png", "reliability.png", "corruptions.png", "adversarial.png"):
        (tmp_path / "evaluations" / "small" / "head" / name).write_bytes((tmp_path / "noise.png").read_bytes())
    text, page = read(params)
    for alt in ("under each corruption by severity", "under attacks against the largest change", "Reliability diagram"):
        assert re.search(f'alt="[^"]*{alt}', text), alt
    assert len(text) < 3_000_000 and "http" not in re.sub(r'base64,[^"]+', "", text)
    assert all(one.startswith(("data:", "#", "data_docs/")) for one in page.sources), page.sources
    (stored,) = page_pictures.stored(tmp_path / "noise.png", "noise")
    assert len(stored.source) < 1.4 * page_pictures.MOST_BYTES


def test_names_that_look_like_html_are_text(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "head", "fair"))
    report = {"success": True, "counts": {"kept": 1, "classes": {"<b>x</b>": {"train": 1}}, "rules": {}}}
    change = {"path": "<script>alert(1)</script>", "change": "relabelled", "from": "a", "to": "b", "why": "&"}
    write_json(tmp_path / "reports" / "validation.json", report | {"findings": [], "corrections": [change]})
    text, page = read(params)
    assert "<script" not in text and "<script>alert(1)</script>" in page.sections["Data"]


def test_duplicates_are_beside_each_other(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "head", "fair"))
    finding = {"path": "blue/1.png", "rule": "duplicate", "severity": "quarantine", "of": "blue/2.png", "detail": "x"}
    report = {"success": True, "counts": {"kept": 1, "classes": {}, "rules": {"duplicate": 1}}, "findings": [finding]}
    write_json(tmp_path / "reports" / "validation.json", report)
    text, page = read(params)
    assert "Quarantined files: 1" in page.sections["Data"]
    assert re.search(r'duplicate: blue/1\.png"[^<]*><figcaption>.*?</figcaption></figure><figure><img[^>]*blue/2', text)


def with_insight(params: Params, root: Path, phase: str) -> None:
    """What the stage insight would write about a model, with features that are the mean colours."""
    folder, models = root / "insight" / "small", root / "models" / "small" / phase
    folder.mkdir(parents=True)
    card, model = read_card(models), load_model(models)
    rows = pd.read_parquet(root / "data" / "manifest.parquet")[["path", "split", "label", "group", "sha256"]]
    rows.loc[rows.index[:3], "split"] = "train"
    images = read_batch(root / "data/raw/colors", rows["path"].tolist(), card.image)
    features = images.mean(axis=(1, 2)).astype(np.float16)
    table = insight_table(rows, card, model.probabilities(images), features, file_sha256(models / "model.tflite"))
    write_insight_table(table, {}, folder)
    training_distance(table, Novelty(false_alarms=0.1), 0).write(folder)
    forecast = {"more": 50, "gain": 0.04, "low": -0.01, "high": 0.06}
    write_json(folder / "learning_curves.json", {"overall": {"forecast": forecast}, "classes": []})
    Image.new("RGB", (9, 9)).save(folder / "learning_curves.png")
    predictions = pd.read_parquet(root / "evaluations" / "small" / phase / "predictions.parquet")
    found = mistake_heat_maps(predictions, model, card, root / "data/raw/colors")
    found.to_parquet(folder / "mistakes.parquet", index=False)
    doubt = {"path": "red/1.png", "split": "test", "label": "red", "suggested": "blue", "asked": "", "score": 0.125}
    doubt |= {"probability": 0.75, "confident": True, "nearest": ["blue/1.png", "blue/2.png"]}
    pd.DataFrame([doubt]).to_parquet(folder / "doubtful.parquet", index=False)
    numbers = rows.assign(predicted=rows["label"].replace("blue", "green"), certainty=0.5)
    numbers[["contrast", "sharpness", "width", "height"]] = 1.0
    numbers["brightness"] = np.arange(len(numbers), dtype=float)
    numbers = pd.concat([numbers] * 2, ignore_index=True)
    write_json(folder / "slices.json", weak_slices(numbers, None, params.evaluate))


def test_what_the_stage_insight_found_is_on_the_page_of_the_selected_model_only(params: Params, tmp_path: Path) -> None:
    select(params, train(params, "head", "fair"))
    with_insight(params, tmp_path, "head")
    text, page = read(params)
    assert "Labels that are probably wrong: 1; others that may be wrong: 0." in page.sections["Doubtful labels"]
    assert "red 12%or blue 75%?" in page.sections["Doubtful labels"]
    assert page.sections["Doubtful labels"].count("nearest: blue") == 2
    assert "of the other images" in page.sections["Weak slices"]
    more = page.sections["What more images would bring"]
    assert "50 more images of all classes change the share of right predictions by +4.0 points [-1.0, +6.0]." in more
    assert 'alt="Learning curves, overall and of the weakest classes' in text
    calibration = page.sections["Calibration and rejection"]
    assert re.search(r"The expected calibration error on test is 0\.\d{4} \(0\.\d{4} to 0\.\d{4}\)\.", calibration)
    assert "The model gives every image a label; thresholds.reject.error sets a limit." in calibration
    novelty = page.sections["Unlike the training images"]
    assert re.search(r"\d+ of 21 images of test are beyond the limit and get no label\.", novelty)
    assert novelty.count("farther than") == 8
    assert text.count('alt="Heat map of blue/') == 8 and page.sections["Mistakes"].count("what supports red") == 8
    assert 'alt="Training image blue/0.png of blue"' in text
    folder = tmp_path / "insight" / "small"
    write_insight_table(read_insight_table(folder), {"learning_curves": "there are too few images"}, folder)
    _, page = read(params)
    assert "Not applicable: there are too few images." in page.sections["What more images would bring"]
    select(params, train(params, "fine_tune", "good"))
    _, page = read(params)
    assert "the stage insight has not run for the selected model" in page.sections["Doubtful labels"]

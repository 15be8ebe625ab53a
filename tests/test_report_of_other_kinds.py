"""The page of a retraining, for segmentation and several labels."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import COLORS, ROOT, make_images
from tests.registry_project import validation_report
from tests.segmentation_case import make_case, save_colour_model
from tests.test_evaluate import save_model
from tests.test_report import read
from transferline.atomic_files import write_json
from transferline.datasets.tables import ImageTable, write_table
from transferline.params import Params, load_params
from transferline.report.page import SECTIONS
from transferline.stages import evaluate


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["segmentation", "multilabel"])
def test_other_kinds_of_problem_have_the_same_page_with_their_tables(
    problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = {"segmentation": segmentation, "multilabel": multilabel}[problem](tmp_path)
    text, page = read(params)
    assert list(page.sections) == list(SECTIONS)
    if problem == "segmentation":
        assert "IoU" in page.sections["Classes"] and "pixels" in page.sections["Classes"]
        assert "their masks, the predicted masks" in text and "Not applicable: the calibration of masks" in text
    else:
        assert "average precision" in page.sections["Classes"] and "threshold" in page.sections["Classes"]
        assert "every image a label" not in page.sections["Calibration and rejection"]
        assert re.search(r"green((0\.\d{3}( \(.*\))?|–)\s*){4}0\.5003\s", page.sections["Classes"]), "threshold, images"
        assert 'alt="Precision against recall' in text
        assert re.search(r"true: (no label|blue).*(wrong|missing): (blue|green) \d+%", page.sections["Mistakes"])


def segmentation(root: Path) -> Params:
    params = make_case(root)
    save_colour_model(root / "models" / "tiny" / "train", "blue")
    folders = {"raw": root / "data/raw/tiny", "models": root / "models/tiny"}
    evaluate.run(params, manifest=root / "data/manifest.parquet", evaluation=root / "evaluations/tiny", **folders)
    chosen = {"candidate": "tiny", "phase": "train"}
    write_json(root / "metrics.json", {"selected": chosen})
    write_json(root / "reports" / "validation.json", validation_report(12))
    return params.model_copy(update={"candidates": {"tiny": next(iter(params.candidates.values()))}})


def multilabel(root: Path) -> Params:
    make_images(root / "data" / "raw" / "colors", count=6, side=32)
    labels = {"blue": "blue", "green": "blue|green", "red": ""}
    rows = [
        {"path": f"{name}/{number}.png", "sha256": f"{name}{number}", "label": labels[name], "group": f"{name}{number}",
         "split": "test" if number % 2 else "validation", "kept": True}
        for name in COLORS for number in range(6)
    ]  # fmt: skip
    table = ImageTable(pd.DataFrame(rows), ("blue", "green"))
    write_table(table, root / "data" / "manifest.parquet")
    paths = [row["path"] for row in rows[:5]]
    save_model(root / "models/tiny/head", root / "data/raw/colors", paths, table.classes, "head", 5, (0.5, 0.5))
    params = load_params(ROOT / "params.yaml")
    params = params.model_copy(update={
        "data": params.data.model_copy(update={"dataset": "colors", "problem": "multilabel"}),
        "select": params.select.model_copy(update={"metric": "mean_average_precision"}),
        "candidates": {"tiny": next(iter(params.candidates.values()))},
    })  # fmt: skip
    evaluate.run(params, manifest=root / "data/manifest.parquet", raw=root / "data/raw/colors",
                 models=root / "models/tiny", evaluation=root / "evaluations/tiny")  # fmt: skip
    write_json(root / "metrics.json", {"selected": {"candidate": "tiny", "phase": "head"}})
    (root / "reports").mkdir()
    write_json(root / "reports" / "validation.json", validation_report(12))
    return params

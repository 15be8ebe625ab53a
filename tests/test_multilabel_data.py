"""The stages validate and augment on multilabel datasets."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import edit_yaml, make_multilabel
from tests.test_validate import RECIPE, found, kept
from transferline.datasets.tables import ImageTable, read_table
from transferline.datasets.views import draw_views
from transferline.errors import TransferlineError
from transferline.params import Params, load_params
from transferline.stages import augment
from transferline.stages import validate as stage


def params(folder: Path, layout: dict[str, Any], **rules: str) -> Params:
    def change(tree: Any) -> None:
        tree["data"].update(problem="multilabel", layout=layout)
        tree["thresholds"] = {"kind": "fixed", "value": 0.5}
        tree["select"]["metric"] = "micro_f1"
        tree["validate"].update(min_images=2, near_duplicate_bits=0)
        tree["validate"]["rules"].update(rules)

    shutil.copy(RECIPE, folder / "params.yaml")
    edit_yaml(folder / "params.yaml", change)
    return load_params(folder / "params.yaml")


def run(raw: Path, layout: dict[str, Any], **rules: str) -> tuple[dict[str, Any], ImageTable]:
    """Runs the stage; the report and the manifest."""
    out = raw.parent / "out"
    files = {"manifest": out / "manifest.parquet", "report": out / "report.json"}
    typed = params(raw.parent, layout, **rules)
    stage.run(typed, raw=raw, corrections=raw.parent, docs=out / "docs", quarantined=out / "quarantined.png", **files)
    return pd.read_json(files["report"], typ="series").to_dict(), read_table(files["manifest"])


def by_class(table: ImageTable) -> dict[str, dict[str, int]]:
    splits = {split: table.of_split(split)["label"].str.split("|") for split in ("train", "validation", "test")}
    return {
        name: {split: sum(name in of for of in labels) for split, labels in splits.items()} for name in table.classes
    }


@pytest.mark.parametrize("kind", ["csv", "voc"])
def test_images_count_for_each_of_their_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    report, table = run(tmp_path / "raw", make_multilabel(tmp_path / "raw", kind))
    assert report["findings"] == [] and table.classes == ("blue", "green", "red")
    assert list(table.rows["label"][:8]) == [
        *("", "blue", "green", "blue|green", "red", "blue|red", "green|red", "blue|green|red")
    ]
    counts = report["counts"]
    assert counts["kept"] == 120 and counts["without_label"] == 15 and counts["classes"] == by_class(table)
    assert [sum(of_class.values()) for of_class in counts["classes"].values()] == [60, 60, 60]
    assert "15 images have none of the labels" in capsys.readouterr().out


def test_rules_about_classes_judge_each_label(tmp_path: Path) -> None:
    layout = make_multilabel(tmp_path / "raw", "csv", count=60)
    table = pd.read_csv(tmp_path / "raw" / "labels.csv")
    table["red"] = [int(number == 4) for number in range(60)]
    table.assign(white=0).to_csv(tmp_path / "raw" / "labels.csv", index=False)
    layout["label_columns"].append("white")
    report, manifest = run(tmp_path / "raw", layout, few_images="warn")
    assert manifest.classes == ("blue", "green", "red")
    assert {(path, rule) for path, rule, _ in found(report)} == {
        ("red", "few_images"),
        ("red", "imbalance"),
        ("white", "empty_class"),
    }


def test_same_bytes_with_other_labels_are_a_conflict_and_with_the_same_ones_a_duplicate(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    layout = make_multilabel(raw, "voc")
    for number, new in (("00003", "00200"), ("00005", "00201")):
        shutil.copy(raw / f"JPEGImages/{number}.png", raw / f"JPEGImages/{new}.png")
    objects = ["<object><name>green</name></object>", "<object><name>blue</name></object>"]
    (raw / "Annotations/00200.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    (raw / "Annotations/00201.xml").write_text(f"<annotation>{objects[1]}</annotation>")
    report, table = run(raw, layout)
    assert found(report) == [
        ("JPEGImages/00005.png", "label_conflict", "quarantine"),
        ("JPEGImages/00200.png", "duplicate", "quarantine"),
        ("JPEGImages/00201.png", "label_conflict", "quarantine"),
    ]
    assert len(kept(table)) == 119


def test_what_voc_does_not_know_is_a_finding(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    layout = make_multilabel(raw, "voc")
    (raw / "Annotations/00001.xml").unlink()
    (raw / "JPEGImages/00002.png").unlink()
    (raw / "SegmentationClass").mkdir()
    shutil.copy(raw / "JPEGImages/00003.png", raw / "SegmentationClass/00003.png")
    report, _ = run(raw, layout)
    assert found(report) == [
        ("JPEGImages/00001.png", "unlabelled", "warn"),
        ("JPEGImages/00002.jpg", "unreadable", "quarantine"),
    ]


def test_a_dataset_without_any_label_is_refused(tmp_path: Path) -> None:
    layout = make_multilabel(tmp_path / "raw", "voc", count=24)
    for file in (tmp_path / "raw" / "Annotations").iterdir():
        file.write_text("<annotation/>")
    with pytest.raises(TransferlineError, match="there are no labels; a classifier needs at least two classes"):
        run(tmp_path / "raw", layout)


def test_views_keep_the_labels_and_are_drawn(tmp_path: Path) -> None:
    layout = make_multilabel(tmp_path / "raw", "csv", count=24)
    _, table = run(tmp_path / "raw", layout, few_images="warn")
    views = draw_views(table, params(tmp_path, layout).augment)
    untouched = views.rows[views.rows["view"] == 0].set_index("path")["label"]
    assert untouched.to_dict() == table.rows.set_index("path")["label"].to_dict()
    out = tmp_path / "out"
    files = {"manifest": out / "manifest.parquet", "views": out / "views.parquet", "preview": out / "views.png"}
    augment.run(params(tmp_path, layout), raw=tmp_path / "raw", **files)
    assert read_table(files["views"]).rows["label"].equals(views.rows["label"]) and files["preview"].is_file()

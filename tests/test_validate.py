"""The whole stage validate, on datasets of tiny images: its outputs, its order, layouts, and when it fails."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transferline.datasets.checks.validation import Validation
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.params import Params, load_params
from transferline.stages import validate as stage

RECIPE = Path(__file__).parents[1] / "params.yaml"
SPLIT_FOLDERS = {"kind": "split_class_folders", "train": "TRAIN", "validation": None, "test": "TEST"}
CSV = {"kind": "csv", "file": "labels.csv", "path_column": "file", "label_column": "class", "split_column": None}


def picture(seed: int, side: int = 24) -> Image.Image:
    """Noise: no two seeds look alike."""
    return Image.fromarray(np.random.default_rng(seed).integers(16, 240, (side, side, 3), dtype=np.uint8))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **{"compress_level": 0, **options})  # PNGs of the same bytes, and so splits, with every zlib
    return path


def make_raw(folder: Path) -> Path:
    """Two classes of 20 good images."""
    for index in range(40):
        save(folder / ("cat", "dog")[index % 2] / f"{index}.png", picture(index))
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw")


def params(**changes: Any) -> Params:
    """The default recipe with `few_images` at 1; keys are sections with two underscores between, as data__layout."""
    tree = load_params(RECIPE).model_dump(mode="json", by_alias=True)
    for keys, value in {"validate__min_images": 1, "validate__max_quarantined": 0.5, **changes}.items():
        *sections, last = keys.split("__")
        section = tree
        for name in sections:
            section = section[name]
        section[last] = value
    return Params.model_validate_json(json.dumps(tree))


def run(raw: Path, **changes: Any) -> tuple[dict[str, Any], ImageTable]:
    """Runs the stage; the report and the manifest."""
    out = raw.parent / "out"
    paths = {"manifest": out / "manifest.parquet", "report": out / "report.json"}
    stage.run(
        params(**changes),
        raw=raw,
        corrections=raw.parent,
        docs=out / "docs",
        quarantined=out / "quarantined.png",
        **paths,
    )
    return json.loads(paths["report"].read_text()), read_table(paths["manifest"])


def found(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(finding["path"], finding["rule"], finding["severity"]) for finding in report["findings"]]


def kept(table: ImageTable) -> set[str]:
    return set(table.rows.loc[table.rows["kept"], "path"])


def test_clean_dataset_gives_one_row_per_image_and_no_finding(raw: Path) -> None:
    report, table = run(raw)
    assert report["success"] and report["findings"] == [] and table.classes == ("cat", "dog")
    assert report["counts"]["files"] == report["counts"]["kept"] == len(table.rows) == 40
    row = table.rows.iloc[0]
    assert (row["path"], row["label"], row["format"], row["mode"]) == ("cat/0.png", "cat", "PNG", "RGB")
    assert (row["width"], row["height"], row["bytes"]) == (24, 24, (raw / "cat/0.png").stat().st_size)
    grey = np.asarray(Image.open(raw / "cat/0.png").convert("L"), float)
    assert (row["luminance_mean"], row["luminance_std"]) == pytest.approx((grey.mean(), grey.std()))
    assert sum(len(table.of_split(split)) for split in ("train", "validation", "test")) == 40


def save_nothing(path: Path) -> None:
    path.write_bytes(b"")


def test_classes_and_rows_are_in_natural_order(tmp_path: Path) -> None:
    for index in range(36):
        save(tmp_path / "raw" / ("10", "2", "1")[index % 3] / f"{index}.png", picture(index))
    _, table = run(tmp_path / "raw", validate__rules__few_images="warn")
    assert table.classes == ("1", "2", "10")
    assert list(table.rows["path"][:3]) == ["1/2.png", "1/5.png", "1/8.png"]
    assert list(table.rows["label"].unique()) == ["1", "2", "10"]


def test_orientation_and_16_bits_are_read_as_shown(raw: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(raw / "cat/turned.jpg", picture(1000).resize((40, 20)), exif=exif)
    save(raw / "cat/deep.png", Image.fromarray((np.arange(24 * 24).reshape(24, 24) * 100).astype(np.uint16)))
    _, table = run(raw)
    rows = table.rows.set_index("path")
    assert tuple(rows.loc["cat/turned.jpg", ["width", "height", "orientation"]]) == (20, 40, 6)
    assert rows.loc["cat/deep.png", "luminance_mean"] == pytest.approx(575 / 2 * 100 / 257, abs=1)


def test_same_dataset_gives_the_same_bytes(raw: Path) -> None:
    save_nothing(raw / "cat/x.png")
    out = raw.parent / "out"
    run(raw)
    first = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    run(raw)
    assert first == {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    assert {path.name for path in first} == {"manifest.parquet", "report.json", "index.html", "quarantined.png"}


def test_data_docs_stand_alone_and_escape_names(raw: Path) -> None:
    save_nothing(raw / "cat" / "<b>x.png")
    run(raw)
    page = (raw.parent / "out" / "docs" / "index.html").read_text()
    assert "empty_file (quarantine)" in page and "&lt;b&gt;x.png" in page and "<b>x.png" not in page
    assert "://" not in page and str(raw.parent) not in page


def test_failed_validation_leaves_a_report_and_no_manifest(raw: Path) -> None:
    run(raw)
    for index in range(30):
        (raw / "cat" / f"bad{index}.jpg").write_text("not a picture")
    with pytest.raises(
        TransferlineError, match=r"30 of 70 images .* are faulty; validate.max_quarantined allows 5.0%"
    ) as error:
        run(raw, validate__max_quarantined=0.05)
    out = raw.parent / "out"
    assert str(error.value).count("undecodable") == 10 and "20 more findings in" in str(error.value)
    assert not (out / "manifest.parquet").exists()
    report = json.loads((out / "report.json").read_text())
    assert not report["success"] and len(report["findings"]) == 30
    assert (out / "docs" / "index.html").exists() and Image.open(out / "quarantined.png").height > 500


@pytest.mark.parametrize("change", ["photograph", "correction", "edit", "deletion"])
def test_what_changes_during_the_validation_is_not_recorded_as_validated(
    change: str, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC hashes the files after the stage. Without a manifest it records nothing, and the next run validates again."""
    corrections = raw.parent / f"{params().data.dataset}.csv"
    changes: dict[str, tuple[Path, Callable[[Path], object]]] = {
        "photograph": (raw / "cat/new.png", lambda path: save(path, picture(1000))),
        "correction": (
            corrections,
            lambda path: path.write_text("image,label,who,when,why,never_test\ncat/0.png,dog,me,2026-01-01,a dog,\n"),
        ),
        "edit": (raw / "cat/0.png", lambda path: save(path, picture(1000))),
        "deletion": (raw / "cat/0.png", Path.unlink),
    }
    path, act = changes[change]
    validate_dataset = stage.validate_dataset

    def change_after_reading(*arguments: Any) -> Validation:
        validation = validate_dataset(*arguments)
        act(path)
        return validation

    monkeypatch.setattr(stage, "validate_dataset", change_after_reading)
    with pytest.raises(TransferlineError, match=rf"^1 file was added, .*: {re.escape(str(path))}; run this again"):
        run(raw)
    assert not (raw.parent / "out/manifest.parquet").exists()
    monkeypatch.undo()
    run(raw)


def test_redundant_images_are_no_faults(raw: Path) -> None:
    for index in range(20):
        shutil.copy(raw / "cat/0.png", raw / "cat" / f"copy{index}.png")
    report, _ = run(raw, validate__max_quarantined=0.0)
    assert report["counts"]["quarantined"] == 20


def test_one_class_or_no_image_is_an_error(raw: Path) -> None:
    shutil.rmtree(raw / "dog")
    with pytest.raises(TransferlineError, match="only one class, cat"):
        run(raw)
    shutil.rmtree(raw / "cat")
    with pytest.raises(TransferlineError, match="no images"):
        run(raw)


def test_missing_folders_are_named(raw: Path) -> None:
    with pytest.raises(TransferlineError, match="no folder TRAIN and no folder TEST; there are: cat, dog"):
        run(raw, data__layout=SPLIT_FOLDERS)
    with pytest.raises(TransferlineError, match="nowhere: no such folder"):
        run(raw.parent / "nowhere")

"""The stage validate, on datasets of tiny images with one fault each."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transferline.data.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.params import Params, load_params
from transferline.stages import validate as stage

RECIPE = Path(__file__).parents[1] / "recipes" / "digits.yaml"
SPLIT_FOLDERS = {"kind": "split_class_folders", "train": "TRAIN", "validation": None, "test": "TEST"}
CSV = {"kind": "csv", "file": "labels.csv", "path_column": "file", "label_column": "class", "split_column": None}


def picture(seed: int, side: int = 24) -> Image.Image:
    """Noise: no two seeds look alike."""
    return Image.fromarray(np.random.default_rng(seed).integers(16, 240, (side, side, 3), dtype=np.uint8))


def brighter(image: Image.Image) -> Image.Image:
    """Nobody sees the difference, but the bytes are others."""
    return image.point(lambda value: min(value + 2, 255))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **{"compress_level": 0, **options})  # PNGs of the same bytes, and so splits, with every zlib
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two classes of 20 good images."""
    for index in range(40):
        save(tmp_path / "raw" / ("cat", "dog")[index % 2] / f"{index}.png", picture(index))
    return tmp_path / "raw"


@pytest.fixture
def split_raw(tmp_path: Path) -> Path:
    """Two classes of 20 good images in TRAIN and 5 in TEST."""
    for index in range(50):
        folder = tmp_path / "raw" / ("TRAIN" if index < 40 else "TEST") / ("cat", "dog")[index % 2]
        save(folder / f"{index}.png", picture(index))
    return tmp_path / "raw"


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
    stage.run(params(**changes), raw=raw, docs=out / "docs", quarantined=out / "quarantined.png", **paths)
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


def broken_png(path: Path) -> None:
    save(path, picture(1000))
    path.write_bytes(path.read_bytes()[:-200])


def repeat(path: Path) -> None:
    shutil.copy(path.parents[1] / "cat" / "0.png", path)


def save_nothing(path: Path) -> None:
    path.write_bytes(b"")


FAULTS: dict[str, tuple[str, Callable[[Path], Any], str, str]] = {
    "undecodable": ("cat/undecodable.jpg", lambda path: path.write_text("not a picture"), "quarantine", "not an image"),
    "empty_file": ("cat/empty_file.jpg", save_nothing, "quarantine", "0 bytes"),
    "not_an_image": ("README.md", lambda path: path.write_text("about"), "warn", "ignored"),
    "truncated": ("cat/truncated.png", broken_png, "quarantine", "truncated"),
    "too_small": ("cat/too_small.png", lambda path: save(path, picture(1001, 7)), "quarantine", "7 × 7 pixels"),
    "too_large": ("cat/too_large.png", lambda path: save(path, picture(1002, 65)), "quarantine", "65 × 65 pixels"),
    "format": ("cat/format.gif", lambda path: save(path, picture(1003)), "quarantine", "GIF is not allowed"),
    "extension": ("cat/extension.jpg", lambda path: save(path, picture(1004), format="PNG"), "warn", "content is PNG"),
    "blank": ("cat/blank.png", lambda path: save(path, Image.new("RGB", (24, 24), "grey")), "warn", "deviates by 0.0"),
    "duplicate": ("cat/duplicate.png", repeat, "quarantine", "same bytes as cat/0.png"),
    "unreadable": ("cat/unreadable.png", lambda path: path.symlink_to("nowhere.png"), "quarantine", "No such file"),
    "unlabelled": ("x.png", lambda path: save(path, picture(1005)), "warn", "no label"),
}


def test_each_fault_of_a_file_is_found_once_and_all_in_one_run(raw: Path) -> None:
    for path, make, *_ in FAULTS.values():
        make(raw / path)
    report, table = run(raw, validate__max_side=64, validate__formats=["PNG", "JPEG"])
    assert sorted(found(report)) == sorted((path, rule, severity) for rule, (path, _, severity, _) in FAULTS.items())
    details = {finding["rule"]: finding["detail"] for finding in report["findings"]}
    assert [rule for rule, (*_, detail) in FAULTS.items() if detail not in details[rule]] == []
    good = {f"{('cat', 'dog')[index % 2]}/{index}.png" for index in range(40)}
    assert kept(table) - good == {FAULTS["extension"][0], FAULTS["blank"][0]} and good <= kept(table)
    assert len(table.rows) == 40 + len(FAULTS)


def test_severity_comes_from_params(raw: Path) -> None:
    save(raw / "cat/x.jpg", picture(1000), format="PNG")
    report, table = run(raw, validate__rules__extension="quarantine")
    assert found(report) == [("cat/x.jpg", "extension", "quarantine")] and "cat/x.jpg" not in kept(table)
    with pytest.raises(TransferlineError, match=r"cat/x\.jpg: its content is PNG \(extension, fail\)"):
        run(raw, validate__rules__extension="fail")


def test_hidden_files_are_counted_once_per_folder_and_not_opened(raw: Path) -> None:
    for path in ("cat/._0.png", ".git/a", ".git/b/c", "__MACOSX/cat/._1.png"):
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).write_text("x")
    report, table = run(raw)
    assert found(report) == [(path, "hidden", "warn") for path in (".git", "__MACOSX", "cat/._0.png")]
    assert report["counts"]["hidden"] == 4 and report["findings"][0]["detail"] == "hidden, 2 file(s) ignored"
    assert table.classes == ("cat", "dog") and table.rows["sha256"].isna().sum() == 4


def test_links_to_folders_and_pipes_are_reported_and_do_not_hang(raw: Path) -> None:
    (raw / "cat" / "loop").symlink_to(raw)
    os.mkfifo(raw / "cat" / "pipe.png")
    report, _ = run(raw)
    assert found(report) == [(path, "unreadable", "quarantine") for path in ("cat/loop", "cat/pipe.png")]


def test_decompression_bomb_is_not_decoded(raw: Path) -> None:
    (raw / "cat/bomb.ppm").write_bytes(b"P6 20000 20000 255\n")  # decoding it would find it truncated
    report, _ = run(raw)
    assert found(report) == [("cat/bomb.ppm", "too_large", "quarantine")]


def test_same_bytes_under_two_labels_leave_both_out(raw: Path) -> None:
    shutil.copy(raw / "cat/0.png", raw / "dog/x.png")
    report, table = run(raw)
    assert found(report) == [(path, "label_conflict", "quarantine") for path in ("cat/0.png", "dog/x.png")]
    assert [finding["of"] for finding in report["findings"]] == ["dog/x.png", "cat/0.png"]
    assert not kept(table) & {"cat/0.png", "dog/x.png"}


def test_same_bytes_across_given_splits_leave_train(split_raw: Path) -> None:
    shutil.copy(split_raw / "TEST/cat/40.png", split_raw / "TRAIN/cat/x.png")
    report, table = run(split_raw, data__layout=SPLIT_FOLDERS)
    assert found(report) == [("TRAIN/cat/x.png", "split_duplicate", "quarantine")]
    assert report["findings"][0]["of"] == "TEST/cat/40.png" and "TEST/cat/40.png" in kept(table)


def test_images_without_a_group_are_counted_and_named(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, table = run(raw, data__split__group=r"^(cat/\d)")
    assert report["counts"]["without_group"] == 20
    assert "20 images do not match data.split.group" in capsys.readouterr().out
    cats = table.rows[table.rows["label"] == "cat"]
    assert set(cats["group"]) == {f"cat/{digit}" for digit in (0, 1, 2, 3, 4, 6, 8)}


def test_empty_files_are_no_duplicates(raw: Path) -> None:
    for path in ("cat/x.png", "dog/x.png"):
        save_nothing(raw / path)
    report, _ = run(raw)
    assert found(report) == [(path, "empty_file", "quarantine") for path in ("cat/x.png", "dog/x.png")]


def test_near_duplicate_across_given_splits_is_only_reported(split_raw: Path) -> None:
    save(split_raw / "TRAIN/cat/x.png", brighter(picture(40)))
    report, table = run(split_raw, data__layout=SPLIT_FOLDERS)
    assert found(report) == [("TRAIN/cat/x.png", "near_duplicate", "warn")]
    assert report["findings"][0]["of"] == "TEST/cat/40.png" and len(kept(table)) == 51


def test_near_duplicate_across_our_splits_leaves_the_lower_one(raw: Path) -> None:
    for index in range(40):
        save(raw / ("cat", "dog")[index % 2] / f"{index}_again.png", brighter(picture(index)))
    report, table = run(raw)
    split = table.rows.set_index("path")["split"]
    rank = {"train": 0, "validation": 1, "test": 2}
    pairs = [(f"{('cat', 'dog')[i % 2]}/{i}.png", f"{('cat', 'dog')[i % 2]}/{i}_again.png") for i in range(40)]
    lower = {min(pair, key=lambda path: rank[split[path]]) for pair in pairs if split[pair[0]] != split[pair[1]]}
    assert lower and {finding["path"] for finding in report["findings"]} == lower == set(split.index) - kept(table)
    assert set(report["counts"]["rules"]) == {"near_duplicate"}


def test_blank_images_are_no_near_duplicates(raw: Path) -> None:
    for value in range(30):
        save(raw / "cat" / f"blank{value}.png", Image.new("L", (24, 24), value))
    report, table = run(raw)
    assert set(report["counts"]["rules"]) == {"blank"} and len(kept(table)) == 70


def test_few_images_names_class_and_split(split_raw: Path) -> None:
    for path in (split_raw / "TEST/cat").iterdir():
        path.unlink()
    with pytest.raises(TransferlineError, match=r"cat: 0 image\(s\) in test, fewer than 5 \(few_images, fail\)"):
        run(split_raw, data__layout=SPLIT_FOLDERS, validate__min_images=5)


def test_imbalance_names_the_small_class(split_raw: Path) -> None:
    for index in range(100, 160):
        save(split_raw / "TRAIN/cat" / f"{index}.png", picture(index))
    report, _ = run(split_raw, data__layout=SPLIT_FOLDERS, validate__max_imbalance=2.0)
    assert found(report) == [("dog", "imbalance", "warn")]


def test_empty_class_folder_is_no_class(raw: Path) -> None:
    (raw / "bird").mkdir()
    report, table = run(raw, data__problem="binary")
    assert found(report) == [("bird", "empty_class", "warn")] and table.classes == ("cat", "dog")


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


def test_all_reasons_are_named_at_once(split_raw: Path) -> None:
    for folder in ("TRAIN/bird", "TEST/bird"):
        save_nothing(save(split_raw / folder / "0.png", picture(1000)))
    shutil.rmtree(split_raw / "TRAIN/dog")
    with pytest.raises(TransferlineError) as error:
        run(split_raw, data__layout=SPLIT_FOLDERS, data__problem="binary")
    for reason in (
        "data.problem is binary, but there are 3 classes: bird, cat, dog",
        "train has no usable image of bird, dog",
    ):
        assert reason in str(error.value)


def test_redundant_images_are_no_faults(raw: Path) -> None:
    for index in range(20):
        shutil.copy(raw / "cat/0.png", raw / "cat" / f"copy{index}.png")
    report, _ = run(raw, validate__max_quarantined=0.0)
    assert report["counts"]["quarantined"] == 20


def test_one_class_or_no_image_is_an_error(raw: Path) -> None:
    shutil.rmtree(raw / "dog")
    with pytest.raises(TransferlineError, match="one class only, cat"):
        run(raw)
    shutil.rmtree(raw / "cat")
    with pytest.raises(TransferlineError, match="no images"):
        run(raw)


def test_missing_folders_are_named(raw: Path) -> None:
    with pytest.raises(TransferlineError, match="no folder TRAIN and no folder TEST; there are: cat, dog"):
        run(raw, data__layout=SPLIT_FOLDERS)
    with pytest.raises(TransferlineError, match="nowhere: no such folder"):
        run(raw.parent / "nowhere")


def write_csv(raw: Path, **columns: list[str]) -> None:
    pd.DataFrame(columns).to_csv(raw / "labels.csv", index=False)


def test_csv_gives_labels_and_names_what_is_missing(raw: Path) -> None:
    files = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("*.png"))]
    write_csv(raw, file=[*files[1:], "gone.png"], **{"class": ["a", "b"] * 20})
    report, table = run(raw, data__layout=CSV)
    assert found(report) == [(files[0], "unlabelled", "warn"), ("gone.png", "unreadable", "quarantine")]
    assert table.classes == ("a", "b") and len(kept(table)) == 39


def test_csv_split_column_is_kept(raw: Path) -> None:
    files = [path.relative_to(raw).as_posix() for path in sorted(raw.rglob("*.png"))]
    splits = [("train", "validation", "test", "train")[index % 4] for index in range(40)]
    write_csv(raw, file=files, split=splits, **{"class": [file[:3] for file in files]})
    _, table = run(raw, data__layout={**CSV, "split_column": "split"})
    assert dict(zip(files, splits, strict=True)) == dict(zip(table.rows["path"], table.rows["split"], strict=True))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": ["cat/0.png"], "class": ["a"]}, "no column file; its columns are name, class"),
        ({"file": ["../x.png", "/y.png"], "class": ["a", "b"]}, r"leave the dataset's folder: '\.\./x.png', '/y.png'"),
        ({"file": ["cat/0.png", "cat/0.png"], "class": ["a", "b"]}, "listed more than once: 'cat/0.png'"),
    ],
)
def test_wrong_csv_is_an_error(raw: Path, columns: dict[str, list[str]], message: str) -> None:
    write_csv(raw, **columns)
    with pytest.raises(TransferlineError, match=message):
        run(raw, data__layout=CSV)

"""The rules of the stage validate, on datasets of tiny images with one fault each."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.test_validate import SPLIT_FOLDERS, found, kept, make_raw, params, picture, run, save, save_nothing
from transferline.datasets.checks.rules import RULES
from transferline.datasets.checks.validation import validate_dataset
from transferline.errors import TransferlineError
from transferline.params import Rules


def brighter(image: Image.Image) -> Image.Image:
    """Nobody sees the difference, but the bytes are others."""
    return image.point(lambda value: min(value + 2, 255))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_raw(tmp_path / "raw")


@pytest.fixture
def split_raw(tmp_path: Path) -> Path:
    """Two classes of 20 good images in TRAIN and 5 in TEST."""
    for index in range(50):
        folder = tmp_path / "raw" / ("TRAIN" if index < 40 else "TEST") / ("cat", "dog")[index % 2]
        save(folder / f"{index}.png", picture(index))
    return tmp_path / "raw"


def broken_png(path: Path) -> None:
    save(path, picture(1000))
    path.write_bytes(path.read_bytes()[:-200])


def repeat(path: Path) -> None:
    shutil.copy(path.parents[1] / "cat" / "0.png", path)


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


def test_each_rule_but_that_of_corrections_has_a_severity_in_the_params() -> None:
    assert set(RULES) - set(Rules.model_fields) == {"excluded"} and set(Rules.model_fields) < set(RULES)


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


@pytest.mark.parametrize("group", [None, r"(\d)\.png$"], ids=["images", "groups"])
def test_no_tested_image_is_trained_on_when_a_dataset_with_faults_grows(raw: Path, group: str | None) -> None:
    """The images that are left out are blank, broken, near duplicates or copies; some come back."""
    splits: dict[str, str] = {}
    rules = {"validate__rules__blank": "quarantine", "validate__rules__few_images": "warn"}
    for size in (40, 55, 75):
        for index in range(size):
            folder = raw / ("cat", "dog")[index % 2]
            save(folder / f"{index}.png", picture(index))
            if index % 7 == 0:
                save(folder / f"again{index + 1}.png", brighter(picture(index)))
        for index in range(5):
            save(raw / "cat" / f"blank{size + index}.png", Image.new("L", (24, 24), index))
        broken_png(raw / "dog" / f"broken{size}.png")
        settings = params(data__split__group=group, **rules)
        tested = {sha256: "0" * 12 for sha256, split in splits.items() if split == "test"}
        found = validate_dataset(raw, settings.data, settings.validate_, tested)
        assert not found.reasons and "former_test_image" not in found.counts["rules"]
        kept = found.table.rows[found.table.rows["kept"]]
        for sha256, split in zip(kept["sha256"], kept["split"], strict=True):
            assert {split, splits.get(sha256, "validation")} != {"train", "test"}
            splits[sha256] = split if split != "validation" else splits.get(sha256, split)
    assert {"near_duplicate", "blank", "truncated"} <= set(found.counts["rules"]) and len(tested) > 3
    rows = validate_dataset(raw, settings.data, settings.validate_, dict.fromkeys(kept["sha256"], "0" * 12)).table.rows
    is_validation = rows["kept"] & (rows["split"] == "validation")
    assert is_validation.any() and (rows["tested"] & rows["kept"]).equals(is_validation), "a refit leaves them out"


def test_blank_images_are_no_near_duplicates(raw: Path) -> None:
    for value in range(30):
        save(raw / "cat" / f"blank{value}.png", Image.new("L", (24, 24), value))
    report, table = run(raw)
    assert set(report["counts"]["rules"]) == {"blank"} and len(kept(table)) == 70


def test_few_images_names_class_and_split(split_raw: Path) -> None:
    for path in (split_raw / "TEST/cat").iterdir():
        path.unlink()
    changes = {"data__layout": SPLIT_FOLDERS, "validate__min_images": 5}
    report, _ = run(split_raw, **changes)
    assert [(one["detail"], one["severity"]) for one in report["findings"] if "in test" in one["detail"]] == [
        ("0 image(s) in test, fewer than validate.min_images = 5: add 5 image(s) of it to test", "warn")
    ]
    for path in sorted((split_raw / "TRAIN/cat").iterdir())[4:]:
        path.unlink()
    found = r"cat: \d image\(s\) in train, fewer than validate.min_images = 5: add about \d+ .+ \(few_images, fail\)"
    with pytest.raises(TransferlineError, match=found):
        run(split_raw, **changes)


def test_no_image_in_train_is_one_message(split_raw: Path) -> None:
    for path in (split_raw / "TRAIN").glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(TransferlineError, match=r"no image that can be used: add images, or put some into") as error:
        run(split_raw, data__layout=SPLIT_FOLDERS)
    assert str(error.value).count("train has no") == 1


def test_imbalance_names_the_small_class(split_raw: Path) -> None:
    for index in range(100, 160):
        save(split_raw / "TRAIN/cat" / f"{index}.png", picture(index))
    report, _ = run(split_raw, data__layout=SPLIT_FOLDERS, validate__max_imbalance=2.0)
    assert found(report) == [("dog", "imbalance", "warn")]


def test_empty_class_folder_is_no_class(raw: Path) -> None:
    (raw / "bird").mkdir()
    report, table = run(raw, data__problem="binary")
    assert found(report) == [("bird", "empty_class", "warn")] and table.classes == ("cat", "dog")


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


def test_without_validation_nothing_can_be_chosen(raw: Path) -> None:
    """A class of one group is in train."""
    with pytest.raises(TransferlineError, match=r"validation has no image .* data.split.validation, or add groups"):
        run(raw, data__split__group="^(cat|dog)", validate__min_images=1)

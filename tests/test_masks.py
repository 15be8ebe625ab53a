"""Masks: layouts and rules of `validate`, reading, sizes, colours, and views."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.conftest import ROOT
from tests.test_views import view_rows
from tests.tiny_masks import CLASSES, FOLDERS, MASKS, VOC, make_pair, make_segmented
from transferline import params
from transferline.datasets.checks.validation import Validation, validate_dataset
from transferline.datasets.images import read_image
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.mask_proposal import propose_masks
from transferline.datasets.mask_values import VOID, read_values
from transferline.datasets.masks import (
    classes_in_original,
    colors,
    overlay,
    read_mask,
    read_whole_mask,
    to_original,
)
from transferline.datasets.show import layout_of, look
from transferline.datasets.transforms import apply_views, apply_views_to_masks
from transferline.errors import TransferlineError
from transferline.params import Data, ImageMaskFolders, Voc, load_params

RECIPE = load_params(ROOT / "recipes" / "digits.yaml").validate_
RULES = RECIPE.rules.model_copy(update={"few_images": "warn"})
VALIDATE = RECIPE.model_copy(update={"near_duplicate_bits": 0, "min_images": 1, "rules": RULES})


def data_of(layout: dict[str, Any], masks: dict[str, Any] | None = MASKS, problem: str = "segmentation") -> Data:
    split = {"validation": 0.2, "test": 0.2, "group": None}
    tree = {"dataset": "tiny", "problem": problem, "layout": layout, "split": split, "masks": masks}
    return Data.model_validate_json(json.dumps(tree))


def validated(raw: Path, layout: dict[str, Any], masks: dict[str, Any] | None = MASKS) -> Validation:
    return validate_dataset(raw, data_of(layout, masks), VALIDATE)


@pytest.mark.parametrize("layout", [VOC, FOLDERS], ids=["voc", "folders"])
def test_labels_masks_and_pixel_counts(layout: dict[str, Any], tmp_path: Path) -> None:
    make_segmented(tmp_path, layout, 24)
    validation = validated(tmp_path, layout)
    assert {finding.rule for finding in validation.findings} <= {"few_images"} and validation.reasons == ()
    assert validation.table.classes == CLASSES
    rows = validation.table.rows
    assert len(rows) == 24 and rows["kept"].all() and {"pixels", "mask_error"}.isdisjoint(rows)
    masks = [np.asarray(Image.open(tmp_path / mask)) for mask in rows["mask"]]
    for mask, label in zip(masks, rows["label"], strict=True):
        assert label.split("|") == [name for value, name in enumerate(CLASSES) if (mask == value).any()]
    counts = np.bincount(np.ravel(masks), minlength=256)
    assert validation.counts["pixels"] == dict(zip(CLASSES, counts, strict=False)) | {"(void)": counts[255]}
    assert validation.counts["classes"]["background"]["train"] == (rows["split"] == "train").sum()
    if layout is VOC:
        assert (rows["split"] == "test").tolist() == [False] * 16 + [True] * 8


def test_every_fault_of_a_mask_is_named(tmp_path: Path) -> None:
    make_segmented(tmp_path, VOC, 12)
    folder = tmp_path / "SegmentationClass"
    (folder / "00.png").unlink()
    (folder / "01.png").write_bytes(b"no picture")
    Image.fromarray(make_pair(2, 40)[1]).save(folder / "02.png")
    Image.fromarray(np.where(make_pair(3)[1] == 255, 77, make_pair(3)[1])).save(folder / "03.png")
    Image.fromarray(np.full((36, 48), 255, np.uint8)).save(folder / "04.png")
    Image.fromarray(np.zeros((36, 48), np.uint8)).save(folder / "05.png")
    Image.fromarray(make_pair(6)[0]).save(folder / "06.png")
    (tmp_path / "JPEGImages" / "07.png").unlink()
    Image.fromarray(make_pair(99)[0]).save(tmp_path / "JPEGImages" / "not_listed.png")
    validation = validated(tmp_path, VOC)
    faults = [finding for finding in validation.findings if finding.rule != "few_images"]
    found = {(Path(finding.path).stem, finding.rule): finding.detail for finding in faults}
    assert set(found) == {
        *((name, "mask_missing") for name in ("00", "01", "06")),
        *(("02", "mask_size"), ("03", "mask_values"), ("04", "mask_empty"), ("05", "mask_empty")),
        *(("07", "unreadable"), ("not_listed", "unlabelled")),
    }
    assert found["00", "mask_missing"] == "there is no mask SegmentationClass/00.png"
    assert "its mode is RGB" in found["06", "mask_missing"]
    assert found["02", "mask_size"] == "48 × 36 pixels, its mask 40 × 36"
    assert "holds 77; the classes are 0 to 3, void is 255" in found["03", "mask_values"]
    assert "nothing but background" in found["05", "mask_empty"] and "but void" in found["04", "mask_empty"]
    assert validation.table.rows["kept"].sum() == 4 and "8 of 13 images" in validation.reasons[0]


def test_another_void_and_masks_of_values(tmp_path: Path) -> None:
    make_segmented(tmp_path, FOLDERS, 8)
    for file in (tmp_path / "masks").iterdir():
        values = read_values(file)
        Image.fromarray(np.where(values == 255, 11, values).astype(np.uint8)).save(file)
    assert {finding.rule for finding in validated(tmp_path, FOLDERS, MASKS | {"void": 11}).findings} <= {"few_images"}
    assert {finding.rule for finding in validated(tmp_path, FOLDERS).findings} >= {"mask_values"}
    mask = read_whole_mask(tmp_path / "masks" / "00.png", (0, 1, 2, 3))
    np.testing.assert_array_equal(mask, make_pair(0)[1])


def test_folders_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(TransferlineError, match=r"no folder images\n  no folder masks"):
        validated(tmp_path, FOLDERS)
    make_segmented(tmp_path, FOLDERS, 8)
    (tmp_path / "images" / "03.png").unlink()
    (tmp_path / "images" / "notes.txt").write_text("a word")
    findings = [(finding.path, finding.rule) for finding in validated(tmp_path, FOLDERS).findings]
    findings = [finding for finding in findings if finding[1] != "few_images"]
    assert findings == [("images/notes.txt", "not_an_image"), ("masks/03.png", "unlabelled")]
    (tmp_path / "images" / "04.jpg").write_bytes((tmp_path / "images" / "04.png").read_bytes())
    with pytest.raises(TransferlineError, match=r"images/04\.jpg and images/04\.png have the same name"):
        validated(tmp_path, FOLDERS)
    with pytest.raises(TransferlineError, match="no folder SegmentationClass"):
        validated(tmp_path, VOC)


def test_a_file_that_is_no_image_can_have_the_name_of_an_image(tmp_path: Path) -> None:
    folders = ImageMaskFolders.model_validate(FOLDERS)
    make_segmented(tmp_path / "folders", FOLDERS, 2)
    make_segmented(tmp_path / "voc", VOC, 2)
    for folder in (tmp_path / "folders" / "images", tmp_path / "voc" / "JPEGImages"):
        for name in ("00.json", "01.txt", "README.md", "._00.png"):
            (folder / name).write_text("{}")
        (folder / "01.png").rename(folder / "01")
    assert inspect_folder(tmp_path / "folders").layout == folders
    for name, layout in (("folders", folders), ("voc", Voc.model_validate(VOC))):
        files = list_dataset(tmp_path / name, layout).files.set_index("path").dropna(subset="label")
        assert [Path(path).name for path in files.index] == ["00.png", "01"]
        assert [Path(mask).name for mask in files["mask"]] == ["00.png", "01.png"]


def test_data_show_counts_the_classes_of_masks(tmp_path: Path) -> None:
    make_segmented(tmp_path, FOLDERS, 6)
    data = data_of(FOLDERS)
    found = look(tmp_path, data.layout, data.masks)
    assert found.classes == tuple(sorted(CLASSES)) and found.counts().loc["background"].sum() == 6
    with pytest.raises(TransferlineError, match="its layout gives masks, but not their classes"):
        layout_of(tmp_path, data)


@pytest.mark.parametrize("layout", [VOC, FOLDERS], ids=["voc", "folders"])
def test_a_survey_finds_the_layout(layout: dict[str, Any], tmp_path: Path) -> None:
    make_segmented(tmp_path, layout, 6)
    found = inspect_folder(tmp_path)
    assert found.layout is not None and found.layout.model_dump(exclude_unset=True) == layout
    text = describe_folder("tiny", found)
    assert "problem: segmentation" in text and "void: 255" in text


def test_params_of_masks() -> None:
    for changes, match in (
        ({"masks": None}, "masks is missing: it names the classes"),
        ({"layout": {"kind": "class_folders"}}, "layout gives no masks"),
        ({"problem": "multiclass"}, "layout gives masks"),
        ({"masks": MASKS | {"void": 2}}, "void is 2, which is the value of green"),
        ({"masks": MASKS | {"classes": ["a", "b", "a"]}}, "more than once: a"),
        ({"masks": MASKS | {"classes": ["a|b", "b"]}}, r"names in the manifest: a\|b"),
    ):
        with pytest.raises(ValidationError, match=match):
            data_of(**{"layout": FOLDERS} | changes)


@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize(("width", "height"), [(48, 36), (30, 41), (32, 32), (20, 9)])
def test_a_mask_gets_the_size_of_its_image_and_back(resize: Any, width: int, height: int, tmp_path: Path) -> None:
    """A bright square in the image is where the mask says, and comes back to where it was."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 :, width // 4 : width // 2] = 1
    for name, values in (("image", mask * 255), ("mask", mask)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    image = params.Image(size=64, color="grayscale", resize=resize)
    pixels = read_image(tmp_path / "image.png", image)[..., 0]
    sized = read_mask(tmp_path / "mask.png", image, (0, 1))
    known = sized != VOID
    assert known.mean() == pytest.approx(min(width, height) / max(width, height) if resize == "pad" else 1, abs=0.03)
    assert ((pixels > 127) == (sized == 1))[known].mean() > 0.95 and pixels[~known].max(initial=0) == 0
    back = to_original(np.stack([sized == 0, sized == 1], axis=-1), width, height, resize)
    assert back.shape == (height, width, 2)
    assert (back.argmax(axis=-1) == mask).mean() > 0.93
    values = np.random.default_rng(0).random((64, 64, 5)).astype(np.float32)
    whole = to_original(values, width, height, resize).argmax(axis=-1)
    np.testing.assert_array_equal(classes_in_original(values, width, height, resize), whole)


def test_colours_can_be_told_apart_and_background_is_black() -> None:
    assert colors(("background", *"abc")).tolist() == [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115]]
    assert colors(("sky", "road")).tolist() == [[230, 159, 0], [86, 180, 233]]
    grey = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[0, 1], [2, VOID]], np.uint8)
    drawn = overlay(grey, mask, ("background", "a", "b"))
    assert (drawn[0, 0] == 100).all() and (drawn[1, 1] == 100).all() and drawn[0, 1].tolist() == [172, 132, 45]


FLIPS_AND_TURNS = {
    "flip_horizontal": ({"flip_horizontal": True}, lambda masks: masks[:, :, ::-1]),
    "flip_vertical": ({"flip_vertical": True}, lambda masks: masks[:, ::-1]),
    "rotation 90": ({"rotation": 90.0}, lambda masks: np.rot90(masks, 1, (1, 2))),
    "rotation 180": ({"rotation": 180.0}, lambda masks: np.rot90(masks, 2, (1, 2))),
    "rotation -90": ({"rotation": -90.0}, lambda masks: np.rot90(masks, 3, (1, 2))),
    "both flips": ({"flip_horizontal": True, "flip_vertical": True}, lambda masks: masks[:, ::-1, ::-1]),
    "nothing": ({}, lambda masks: masks),
}


@pytest.mark.parametrize("name", FLIPS_AND_TURNS)
@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
def test_masks_follow_flips_and_quarter_turns_exactly(name: str, fill: str) -> None:
    settings, wanted = FLIPS_AND_TURNS[name]
    for side in (12, 17):
        masks = np.random.default_rng(1).choice(np.array([0, 1, 2, 7, VOID], np.uint8), (3, side, side))
        rows = view_rows(3, fill, **settings)
        drawn = apply_views_to_masks(masks, rows)
        assert drawn.dtype == np.uint8
        np.testing.assert_array_equal(drawn, wanted(masks))
        if fill == "reflect":
            np.testing.assert_array_equal(apply_views(masks[..., None], rows)[..., 0], drawn)


@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
def test_masks_follow_their_images_everywhere(fill: str) -> None:
    """An image that is its mask: both stay the same but at edges, where the image is blurred."""
    mask = np.kron(np.random.default_rng(2).integers(0, 2, (1, 8, 8)), np.ones((1, 8, 8))).astype(np.uint8)
    view = {"rotation": 33.0, "zoom": 0.7, "shift_x": 0.1, "shift_y": -0.2, "shear": 12.0, "flip_horizontal": True}
    rows = view_rows(1, fill, **view)
    drawn, image = apply_views_to_masks(mask, rows), apply_views(mask[..., None], rows)[..., 0]
    clear = (image < 0.02) | (image > 0.98)
    same = np.where(drawn == VOID, 0, drawn) == image.round()
    assert clear.mean() > 0.6 and same[clear].mean() > 0.995
    assert (drawn == VOID).any() == (fill == "constant")


def test_a_proposal_draws_masks_evenly(tmp_path: Path) -> None:
    for number in range(150):
        mask = np.arange(12, dtype=np.uint8) % (2 if number < 120 else 3)
        Image.fromarray(mask[None]).save(tmp_path / f"{number:03}.png")
    found = propose_masks(tmp_path, sorted(path.name for path in tmp_path.iterdir()))
    assert "values in 75 masks" in found.lines[0] and len(found.block["classes"]) == 3

"""Cut-outs and icons: brightness, hashes and duplicates follow the pixels that training sees.

Then the handed cases in `../shared/cases` about pixels and masks, if they are there. The tests before them and
`test_mask_files.py` need no such files.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.conftest import ROOT
from tests.test_mask_files import faults
from tests.test_masks import VALIDATE, data_of, validated
from tests.tiny_masks import FOLDERS
from transferline.datasets.checks.scan import scan
from transferline.datasets.checks.validation import Validation, validate_dataset
from transferline.datasets.images import read_image
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
from transferline.errors import TransferlineError
from transferline.params import Data
from transferline.params import Image as ImageParams

CASES = ROOT.parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="needs the scripts in ../shared/cases")
RULES = VALIDATE.model_copy(update={"near_duplicate_bits": 10})  # the default
LESION = {"classes": ["background", "lesion"], "void": 255}


def shape(seed: int, size: int = 96) -> Image.Image:
    """A white disc on black, at a place of its own."""
    picture = Image.new("L", (size, size))
    x, y, side = np.random.default_rng(seed).integers((20, 20, 10), (76, 76, 20))
    ImageDraw.Draw(picture).ellipse((x - side, y - side, x + side, y + side), fill=255)
    return picture


@pytest.mark.parametrize("color", [(0, 0, 0), (200, 30, 90)])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_pictures_that_differ_only_in_alpha_differ(color: Any, suffix: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    for number in range(20):
        picture = Image.new("RGBA", (96, 96), color)
        picture.putalpha(shape(number))
        picture.save(tmp_path / "ab"[number % 2] / f"{number}{suffix}", quality=95)
    validation = validate_dataset(tmp_path, Data(dataset="a", problem="binary"), RULES)
    assert faults(validation) == {} and validation.table.rows["kept"].all()


def test_brightness_and_hash_are_those_of_the_pixels_of_training(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (128, 128, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "alpha.png", exif=exif)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.tif")
    Image.fromarray(pixels[..., :3].copy()).quantize(9).save(tmp_path / "palette.png", transparency=3)
    Image.new("RGBA", (128, 128)).save(tmp_path / "invisible.png")
    names = ["alpha.png", "deep.tif", "palette.png", "invisible.png"]
    seen = [read_image(tmp_path / name, ImageParams(size=128, color="grayscale"))[..., 0] for name in names]
    for number, picture in enumerate(seen):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    found = scan(tmp_path, names)
    of_seen = scan(tmp_path, [f"{number}.png" for number in range(len(names))])
    columns = ["luminance_mean", "luminance_std", "phash"]
    assert found[columns].equals(of_seen[columns])
    assert found["luminance_mean"].tolist() == pytest.approx([picture.mean() for picture in seen])
    assert tuple(found.loc[3, ["luminance_mean", "luminance_std"]]) == (255, 0)


def made(case: str, folder: Path) -> Path:
    """The input of a handed case."""
    subprocess.run([sys.executable, str(next(CASES.glob(f"{case}-*.py"))), str(folder)], check=True)
    return folder


def classes_of(raw: Path) -> Validation:
    return validate_dataset(raw, Data(dataset="case", problem="binary"), RULES)


@needs_cases
def test_case_02_cut_outs_are_kept(tmp_path: Path) -> None:
    validation = classes_of(made("02", tmp_path / "raw"))
    assert faults(validation) == {} and validation.table.rows["kept"].sum() == 40


@needs_cases
def test_case_03_icons_are_no_finding_and_invisible_pictures_are_blank(tmp_path: Path) -> None:
    raw = made("03", tmp_path / "raw")
    assert faults(classes_of(raw / "icons")) == {}
    blank = [finding for finding in classes_of(raw / "invisible").findings if finding.rule == "blank"]
    assert [finding.path for finding in blank] == [f"a/{number}.png" for number in range(20)]


@pytest.mark.slow
@needs_cases
def test_case_10_255_is_a_class(tmp_path: Path) -> None:
    raw = made("10", tmp_path / "raw")
    detail = faults(validated(raw / "b255", FOLDERS, LESION))["mask_empty"]
    assert "nothing but background and void (255, 17 % of its pixels); if 255 is a class" in detail
    assert "data.masks.values: [0, 255]" in detail
    named = {"classes": ["skin", "lesion"], "values": [0, 255], "void": None}
    assert faults(validated(raw / "b255", FOLDERS, named)) == {}
    with pytest.raises(TransferlineError, match=r"set data\.layout\.mask_suffix to _segmentation"):
        validated(raw / "isic", FOLDERS, named)
    assert faults(validated(raw / "isic", FOLDERS | {"mask_suffix": "_segmentation"}, named)) == {}
    for folder in ("b255", "isic"):
        text = describe_folder(folder, inspect_folder(raw / folder))
        assert "values: [0, 255]" in text and "values in 16 masks: 0 (82.6%), 255 (17.4%)" in text
    assert "mask_suffix: _segmentation" in text


@pytest.mark.slow
@needs_cases
def test_case_11_values_from_1(tmp_path: Path) -> None:
    raw = made("11", tmp_path / "raw")
    classes = ["pet", "background", "border"]
    for void in (0, 255, None):
        validation = validated(raw, FOLDERS, {"classes": classes, "values": [1, 2, 3], "void": void})
        assert faults(validation) == {} and (validation.table.rows["label"] == "|".join(classes)).all()
    with pytest.raises(ValueError, match=r"void is 0, which is the value of pet; .* set values, such as"):
        data_of(FOLDERS, {"classes": classes, "void": 0})
    reasons = validated(raw, FOLDERS, {"classes": ["unused", *classes], "void": 255}).reasons
    assert "no usable image of unused: its classes have the values 0, 1, 2, 3 in the masks" in reasons[-1]

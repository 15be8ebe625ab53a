"""Masks as people bring them: values, bit depths, colours, names, smoothed edges, EXIF."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.test_masks import data_of, validated
from tests.tiny_masks import FOLDERS
from transferline import params
from transferline.datasets.checks.validation import Validation
from transferline.datasets.layout_proposal import describe_folder, inspect_folder
from transferline.datasets.mask_values import VOID, read_values
from transferline.datasets.masks import read_masks, read_whole_mask, write_mask
from transferline.errors import TransferlineError

TWO = {"classes": ["skin", "lesion"]}
RED, BLACK = (255, 0, 0), (0, 0, 0)


def numbers(count: int = 2) -> np.ndarray:
    return (np.indices((36, 48)).sum(axis=0) // 7 % count).astype(np.uint8)


def make_images(folder: Path, count: int = 12) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (36, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:02}.jpg")


def make(folder: Path, mask: Image.Image, ending: str = ".png", **options: Any) -> None:
    """Images and masks that all look alike."""
    make_images(folder)
    for number in range(12):
        mask.save(folder / "masks" / f"{number:02}{ending}", **options)


def faults(validation: Validation) -> dict[str, str]:
    """The findings by rule, without those about the numbers of images."""
    return {finding.rule: finding.detail for finding in validation.findings if finding.rule != "few_images"}


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["palette", "grey"])
def test_values_are_those_of_the_file_at_all_bit_depths(bits: int, kind: str, tmp_path: Path) -> None:
    values = numbers(min(2**bits, 7))
    if kind == "palette":
        picture = Image.fromarray(values)
        picture.putpalette([200, 100, 0] * 2**bits)
        picture.save(tmp_path / "a.png", bits=bits)
    elif bits == 1:
        Image.fromarray(values.astype(bool)).save(tmp_path / "a.png")
    else:
        (tmp_path / "a.png").write_bytes(grey_png(values, bits))
    with (tmp_path / "a.png").open("rb") as file:
        assert file.read(25)[24] == bits
    np.testing.assert_array_equal(read_values(tmp_path / "a.png"), values)
    np.testing.assert_array_equal(read_whole_mask(tmp_path / "a.png", (1, 0)), np.array([1, 0, *[VOID] * 5])[values])


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """Pillow writes no grey PNG of 2 or 4 bits from an array, so the rows are packed here."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    height, width = values.shape
    of_bits = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(of_bits, axis=1))
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_values_of_16_bits(tmp_path: Path) -> None:
    Image.fromarray(numbers(3).astype(np.uint16) * 1000).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_whole_mask(tmp_path / "a.png", (2000, 0)), np.array([1, VOID, 0])[numbers(3)])


@pytest.mark.parametrize(
    ("values", "void", "in_file"),
    [
        ([0, 255], None, (0, 255)),
        ([255, 0], None, (255, 0)),
        ([1, 2], 0, (1, 2)),
        ([[0, 0, 0], [255, 0, 0]], None, (BLACK, RED)),
        ([[255, 0, 0], [0, 0, 0]], [9, 9, 9], (RED, BLACK)),
    ],
)
def test_each_class_has_the_value_that_params_give(values: Any, void: Any, in_file: Any, tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(np.array(in_file, np.uint8)[numbers()]))
    masks = TWO | {"values": values, "void": void}
    validation = validated(tmp_path, FOLDERS, masks)
    assert faults(validation) == {} and (validation.table.rows["label"] == "skin|lesion").all()
    counts = np.bincount(numbers().ravel())
    assert validation.counts["pixels"] == {"skin": counts[0] * 12, "lesion": counts[1] * 12, "(void)": 0}
    read = read_masks(tmp_path, validation.table.rows, params.Image(size=32))
    nearest = np.asarray(Image.fromarray(numbers()).resize((32, 32), Image.Resampling.NEAREST))
    assert (read == nearest).all()


@pytest.mark.parametrize("values", [(0, 255), (1, 3), (7, 40_000), (BLACK, RED)])
def test_a_predicted_mask_has_the_values_of_the_dataset(values: Any, tmp_path: Path) -> None:
    write_mask(numbers(), ("skin", "lesion"), tmp_path / "a.png", values)
    np.testing.assert_array_equal(read_whole_mask(tmp_path / "a.png", values), numbers())


def test_a_palette_with_colours_can_be_named_by_them(tmp_path: Path) -> None:
    picture = Image.fromarray(numbers())
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_whole_mask(tmp_path / "a.png", (RED, BLACK)), 1 - numbers())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"values": [0, 255]}, "void is 255, which is the value of lesion; .* set void to null"),
        ({"void": 0}, "void is 0, which is the value of skin; .* set values"),
        ({"values": [1, 2, 3], "void": None}, "values has 3 entries for 2 classes"),
        ({"values": [1, 1]}, "values has more than once: 1"),
        ({"values": [[0, 0, 0], [1, 1, 1]]}, "all numbers or all colours"),
        ({"values": [[0, 0, 0], [1, 1, 256]], "void": None}, "less than or equal to 255"),
        ({"values": [0, 70_000], "void": None}, "less than or equal to 65535"),
    ],
)
def test_params_of_values(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        data_of(FOLDERS, TWO | changes)


def test_255_as_a_class_is_explained(tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers() * 255))
    detail = faults(validated(tmp_path, FOLDERS, {"classes": ["background", "lesion"], "void": 255}))["mask_empty"]
    share = round(100 * numbers().mean())
    assert f"nothing but background and void (255, {share} % of its pixels); if 255 is a class" in detail
    assert "data.masks.values: [0, 255] with void: null" in detail
    reasons = validated(tmp_path, FOLDERS, TWO | {"void": 255}).reasons
    wanted = f"no usable image of lesion: its classes have the values 0, 1 in the masks, void is 255 ({share} %"
    assert wanted in reasons[-1]


@pytest.mark.parametrize("kind", ["smoothed", "jpeg as png"])
def test_smoothed_masks_are_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    mask = Image.fromarray(numbers() * 255)
    if kind == "smoothed":
        mask = mask.resize((96, 72)).resize((48, 36), Image.Resampling.BICUBIC)
    else:
        mask.save(tmp_path / "mask.jpg", quality=60)
        mask = Image.open(tmp_path / "mask.jpg")
    make(tmp_path / "raw", mask)
    detail = faults(validated(tmp_path / "raw", FOLDERS, TWO | {"values": [0, 255], "void": None}))["mask_values"]
    assert "smoothed edges (anti-aliasing) or from JPEG" in detail and "the classes are 0, 255, void is null" in detail


def test_jpeg_masks_are_refused_with_the_reason(tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()), ".jpg")
    detail = faults(validated(tmp_path, FOLDERS, TWO))["mask_missing"]
    assert ".jpg cannot be read as a mask: its content is JPEG, whose compression changes values" in detail
    assert "its content is JPEG" in describe_folder("x", inspect_folder(tmp_path))


@pytest.mark.parametrize("ending", [".PNG", ".gif", ".bmp", ".tif"])
def test_masks_have_any_suffix_of_a_format_that_keeps_values(ending: str, tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()), ending)
    validation = validated(tmp_path, FOLDERS, TWO)
    assert faults(validation) == {} and validation.table.rows["mask"][0] == f"masks/00{ending}"


@pytest.mark.parametrize("ending", ["_mask", "_segmentation", "-gt", "_L"])
def test_masks_with_an_ending_are_found_or_asked_for(ending: str, tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()), f"{ending}.png")
    with pytest.raises(TransferlineError, match=rf"00{ending}; set data\.layout\.mask_suffix to {ending}"):
        validated(tmp_path, FOLDERS, TWO)
    assert faults(validated(tmp_path, FOLDERS | {"mask_suffix": ending}, TWO)) == {}
    layout = inspect_folder(tmp_path).layout
    assert isinstance(layout, params.ImageMaskFolders) and layout.mask_suffix == ending


def test_masks_are_found_in_any_unicode_form_and_with_a_slash_after_the_folder(tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()))
    (tmp_path / "images" / "03.jpg").rename(tmp_path / "images" / "e\u0301.jpg")
    (tmp_path / "masks" / "03.png").rename(tmp_path / "masks" / "\u00e9.png")
    assert faults(validated(tmp_path, FOLDERS | {"images": "./images", "masks": "masks/"}, TWO)) == {}


def test_findings_name_files_that_exist(tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()))
    (tmp_path / "masks" / "03.png").rename(tmp_path / "masks" / "extra.png")
    found = {finding.path: finding for finding in validated(tmp_path, FOLDERS, TWO).findings}
    assert found["images/03.jpg"].detail == "there is no mask masks/03.png"
    assert found["masks/extra.png"].rule == "unlabelled"
    assert all((tmp_path / path).exists() for path in found if "/" in path)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_that_is_not_upright_as_its_image_is_found(orientation: int, tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(numbers()))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = tmp_path / "images" / "00.jpg"
    Image.open(image).save(image, exif=exif)
    found = faults(validated(tmp_path, FOLDERS, TWO))
    if orientation == 3:  # the size does not tell whether the mask is turned
        assert "EXIF orientation 3 turns the image" in found["mask_orientation"]
    else:
        assert "its mask 48 × 36: the image is turned by its EXIF orientation" in found["mask_size"]
    Image.fromarray(numbers()).save(tmp_path / "masks" / "00.png", exif=exif)
    assert faults(validated(tmp_path, FOLDERS, TWO)) == {}  # turned as the image is
    turned = Image.fromarray(numbers()).transpose(Image.Transpose.ROTATE_270)
    turned.save(tmp_path / "masks" / "00.png")
    assert set(faults(validated(tmp_path, FOLDERS, TWO))) == ({"mask_size"} if orientation == 3 else set())


@pytest.mark.parametrize(
    ("in_file", "wanted"),
    [
        ((0, 1), "void: 255"),
        ((0, 1, 2, 255), "void: 255"),
        ((0, 255), "values: [0, 255]"),
        ((1, 2, 3), "values: [1, 2, 3]"),
        ((0, 4), "values: [0, 4]"),
        ((BLACK, RED), "- [255, 0, 0]"),
    ],
)
def test_data_add_counts_the_values_and_proposes_masks(in_file: Any, wanted: str, tmp_path: Path) -> None:
    make(tmp_path, Image.fromarray(np.array(in_file, np.uint8)[numbers(len(in_file))]))
    found = inspect_folder(tmp_path)
    text = describe_folder("x", found)
    assert wanted in text and "values in 12 masks: " in text and found.masks is not None
    data = data_of(FOLDERS, found.masks.block)
    assert faults(validated(tmp_path, FOLDERS, found.masks.block)) == {}
    assert data.masks is not None and len(data.masks.classes) == len(in_file) - (255 in in_file and len(in_file) > 2)


def test_data_add_says_that_masks_are_smoothed(tmp_path: Path) -> None:
    smooth = Image.fromarray(numbers() * 255).resize((480, 360), Image.Resampling.BICUBIC)
    make(tmp_path, smooth)
    text = describe_folder("x", inspect_folder(tmp_path))
    assert "come from smoothed edges" in text and "name of value 0, name of value 1" in text

"""Small pictures with masks: coloured squares on grey, in both layouts."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import COLORS

CLASSES = ("background", *COLORS)
MASKS = {"classes": list(CLASSES), "void": 255}
VOC = {"kind": "voc", "labels": "masks", "train": "Segmentation/train", "validation": None, "test": "Segmentation/test"}
FOLDERS = {"kind": "image_mask_folders", "images": "images", "masks": "masks"}


def make_pair(number: int, width: int = 48, height: int = 36) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture with two of three squares, and its mask, in which a pixel around each square is void."""
    random = np.random.default_rng(number)
    pixels, mask = random.normal(110, 15, (height, width, 3)), np.zeros((height, width), np.uint8)
    for place, value in enumerate(random.permutation([1, 2, 3])[:2]):
        side, left = random.integers(12, 17), width // 2 * place + random.integers(2, 6)
        top = random.integers(2, height - 18)
        mask[top - 1 : top + side + 1, left - 1 : left + side + 1] = 255
        mask[top : top + side, left : left + side] = value
        pixels[top : top + side, left : left + side] += np.subtract(COLORS[CLASSES[value]], 110)
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


def make_segmented(
    folder: Path, layout: dict[str, Any], count: int = 24, void: int = 255, classes: int = len(CLASSES)
) -> None:
    """Pictures and masks in a layout; of the lists of `voc` the last third is test. Classes beyond those of the squares
    have four pixels at the top each."""
    names = ("JPEGImages", "SegmentationClass") if layout["kind"] == "voc" else (layout["images"], layout["masks"])
    images, masks = (folder / name for name in names)
    images.mkdir(parents=True)
    masks.mkdir()
    for number in range(count):
        pixels, mask = make_pair(number)
        Image.fromarray(pixels).save(images / f"{number:02}.png")
        mask = np.where(mask == 255, 255, np.minimum(mask, classes - 1))  # squares beyond the classes are the last one
        more = np.arange(len(CLASSES), classes).repeat(2)
        mask[:2, : len(more)] = more
        Image.fromarray(np.where(mask == 255, void, mask).astype(np.uint8)).save(masks / f"{number:02}.png")
    if layout["kind"] != "voc":
        return
    numbers = np.arange(count)
    of_list = {layout["train"]: numbers < count * 2 // 3, layout["test"]: numbers >= count * 2 // 3}
    if layout["validation"]:
        of_list[layout["validation"]] = of_list[layout["train"]] & (numbers % 4 == 0)
        of_list[layout["train"]] &= numbers % 4 != 0
    for name, chosen in of_list.items():
        file = folder / "ImageSets" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{number:02}\n" for number in numbers[chosen]))

"""Recognises labels in formats that no layout reads: COCO, YOLO and others for the detection of objects."""

import re
from pathlib import PurePosixPath

from transferline.datasets.layouts.contents import Contents

HEAD = 65_536  # characters of a file that are looked at
COCO = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
BOX = re.compile(r"\s*\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}\s*", re.IGNORECASE)
MOST_FILES = 20
WHAT_TO_DO = (
    "no layout reads it. Make a table with a row for each image and a column path: one column label, or a column with "
    "0 and 1 for each class (layout csv); or masks (layout image_mask_folders)"
)


def recognise_format(contents: Contents) -> str | None:
    """Returns a message that names the format of labels that no layout reads; None if there are no such labels."""
    by_suffix: dict[str, list[str]] = {}
    for path in contents.files:
        by_suffix.setdefault(PurePosixPath(path).suffix.lower(), []).append(path)
    for path in by_suffix.get(".json", [])[:MOST_FILES]:
        if len({found[1] for found in COCO.finditer(_head(contents, path))}) > 1:
            return f"{path} has labels in the format of COCO; {WHAT_TO_DO}"
    images = {
        path.rpartition(".")[0].replace("/images/", "/labels/").removeprefix("images/") for path in contents.images
    }
    for path in by_suffix.get(".txt", [])[:MOST_FILES]:
        lines = [line for line in _head(contents, path).splitlines() if line.strip()]
        of_image = path.removesuffix(".txt").removeprefix("labels/") in images
        if lines and of_image and all(map(BOX.fullmatch, lines)):
            return f"{path} and others have labels in the format of YOLO; {WHAT_TO_DO}"
    for path in contents.files:
        if PurePosixPath(path).name in ("data.yaml", "data.yml", "dataset.yaml") and "names:" in _head(contents, path):
            return f"{path} describes labels in the format of YOLO; {WHAT_TO_DO}"
    return None


def _head(contents: Contents, path: str) -> str:
    try:
        with (contents.folder / path).open(encoding="utf-8", errors="replace") as file:
            return file.read(HEAD)
    except OSError:
        return ""

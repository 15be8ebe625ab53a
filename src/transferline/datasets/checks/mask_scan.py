"""Reads the masks of a dataset once, counts their values and finds their faults."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array
from transferline.datasets.images import orientation_of
from transferline.datasets.mask_values import are_colors, as_number, decode_values, open_mask, values_as_text
from transferline.datasets.masks import BACKGROUND
from transferline.datasets.tables import SEPARATOR
from transferline.params import MAX_PIXELS, Masks, MaskValue
from transferline.progress import progress
from transferline.text import first_of, reason_of

VOID_PIXELS = "(void)"
SHOWN = 10  # unknown values
ROWS_BECOME_COLUMNS = 5  # the first EXIF orientation with which they do


def scan_masks(raw: Path, rows: pd.DataFrame, masks: Masks) -> pd.DataFrame:
    """Reads the masks of all images that should have one, on all cores.

    Args:
        raw: the dataset's folder.
        rows: columns `mask`, a path or null, and `width`, `height` and `orientation` of the image.
        masks: the meaning of the masks' values.

    Returns:
        A row for each of `rows`, with null where `mask` is null. Columns: `label`, the names of the classes in the mask
        with `SEPARATOR` between them; `mask_error`, whose first word is the rule that the mask breaks; `pixels`,
        (classes + 1,), the number of pixels of each class and of void; `mask_values`, the values of the classes as
        text, see `mask_values.py`.
    """
    text = values_as_text(masks.value_of_class)

    def look_at(row: Any) -> tuple[str | None, str | None, Any, str | None]:
        return (*_look_at(raw / row.mask, row, masks), text) if pd.notna(row.mask) else (None, None, None, None)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        table = list(progress(pool.map(look_at, rows.itertuples()), len(rows), "masks read"))
    return pd.DataFrame(table, rows.index, ["label", "mask_error", "pixels", "mask_values"], dtype=object)


def _look_at(file: Path, image: Any, masks: Masks) -> tuple[str, str | None, Any]:
    size = (int(image.width), int(image.height)) if pd.notna(image.width) else None
    in_colors = are_colors((*masks.value_of_class, masks.void))
    try:
        with open_mask(file, in_colors, None if size else MAX_PIXELS) as opened:
            if size and sorted(opened.size) != sorted(size):
                return "", _wrong_size(size, opened.size, image), None
            values = decode_values(opened, file, in_colors)
            is_turned = orientation_of(opened) > 1
    except FileNotFoundError:
        return "", f"mask_missing: there is no mask {file.parent.name}/{file.name}", None
    except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
        return "", f"mask_missing: {file.name} cannot be read as a mask: {reason_of(error)}", None
    counts = counts_of_values(values, in_colors)
    known = np.array([counts.pop(as_number(value), 0) for value in masks.value_of_class])
    void = counts.pop(as_number(masks.void), 0) if masks.void is not None else 0
    label = SEPARATOR.join(name for name, count in zip(masks.classes, known, strict=True) if count)
    if size and values.shape != size[::-1]:
        fault: str | None = _wrong_size(size, values.shape[::-1], image)
    elif counts:
        fault = _unknown_values([as_value(number, in_colors) for number in counts], masks)
    elif label.lower() in ("", BACKGROUND):
        fault = _empty(label, void / values.size, masks)
    else:
        fault = None if is_turned else _maybe_not_upright(image)
    return label, fault, np.append(known, void)


def counts_of_values(values: Array, in_colors: bool) -> dict[int, int]:
    """Returns how often each value occurs, in the order of the values."""
    if in_colors:
        found, times = np.unique(values, return_counts=True)
    else:
        times = np.bincount(values.ravel())
        found = np.flatnonzero(times)
        times = times[found]
    return dict(zip(found.tolist(), times.tolist(), strict=True))


def as_value(number: int, is_color: bool) -> MaskValue:
    """Returns a value of a mask as in the params; the inverse of `as_number`."""
    return (number >> 16, number >> 8 & 255, number & 255) if is_color else number


def _wrong_size(size: tuple[int, int], of_mask: tuple[int, ...], image: Any) -> str:
    fault = f"mask_size: {size[0]} × {size[1]} pixels, its mask {of_mask[0]} × {of_mask[1]}"
    if of_mask == size[::-1] and _orientation(image) >= ROWS_BECOME_COLUMNS:
        return f"{fault}: the image is turned by its EXIF orientation, its mask is not; save the mask upright"
    return fault


def _maybe_not_upright(image: Any) -> str | None:
    """Returns a fault if EXIF turns the image, and the mask's size does not tell whether the mask is turned."""
    orientation = _orientation(image)
    if orientation == 1 or (orientation >= ROWS_BECOME_COLUMNS and image.width != image.height):
        return None
    return (
        f"mask_orientation: EXIF orientation {orientation} turns the image, and its mask has no orientation; if the "
        "mask is not upright, turn it"
    )


def _orientation(image: Any) -> int:
    return int(image.orientation) if pd.notna(image.orientation) else 1


def _unknown_values(unknown: list[MaskValue], masks: Masks) -> str:
    values = masks.value_of_class
    classes = f"0 to {len(values) - 1}" if masks.values is None else ", ".join(map(shown_value, values))
    void = "null" if masks.void is None else shown_value(masks.void)
    fault = (
        f"mask_values: its mask holds {first_of([shown_value(value) for value in unknown], SHOWN)}; the classes are "
    )
    if len(unknown) > SHOWN:
        return (
            f"{fault}{classes}, void is {void}. So many values come from smoothed edges (anti-aliasing) or from JPEG; "
            "save masks as PNG, without smoothing"
        )
    return f"{fault}{classes}, void is {void}; data.masks.values can give the classes other values"


def _empty(label: str, void: float, masks: Masks) -> str:
    if not label or not void:
        return f"mask_empty: its mask holds nothing but {label or 'void'}"
    value = shown_value(masks.void)
    example = ", ".join([*map(shown_value, masks.value_of_class[:-1]), value])
    return (
        f"mask_empty: its mask holds nothing but {label} and void ({value}, {100 * void:.0f} % of its pixels); if "
        f"{value} is a class, give each class its value, such as data.masks.values: [{example}] with void: null"
    )


def shown_value(value: MaskValue | None) -> str:
    """Returns a value as it is written in the params."""
    return str(list(value) if isinstance(value, tuple) else value)


def count_pixels(rows: pd.DataFrame, masks: Masks) -> dict[str, int]:
    """Counts the pixels of each class and of void in the masks of kept images; see `scan_masks` for the columns."""
    counts = np.sum([np.zeros(len(masks.classes) + 1, int), *rows.loc[rows["kept"], "pixels"]], axis=0)
    return dict(zip((*masks.classes, VOID_PIXELS), map(int, counts), strict=True))

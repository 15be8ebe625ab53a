"""Counts the values in the masks of a dataset, and proposes `data.masks` for them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferline.datasets.checks.mask_scan import as_value, counts_of_values, shown_value
from transferline.datasets.mask_values import VOID, decode_values, open_mask
from transferline.params import MAX_PIXELS, MaskValue
from transferline.text import first_of, reason_of

READ = 100  # masks, evenly drawn
MOST_CLASSES, SHOWN = 200, 12
SMOOTHED_VALUES, SMOOTHED_SHARE = 10, 0.8  # so many values, of which two have most of the pixels: smoothed edges
COLORED = ("RGB", "RGBA")


@dataclass(frozen=True)
class ProposedMasks:
    """What masks hold.

    Attributes:
        lines: the values with their shares of the pixels, and why masks cannot be read.
        block: the proposal for `data.masks`.
    """

    lines: tuple[str, ...]
    block: dict[str, Any]


def propose_masks(folder: Path, paths: list[str]) -> ProposedMasks:
    """Reads up to `READ` of the masks `folder / path`; those that cannot be read are named."""
    chosen = paths[:: -(-len(paths) // READ) or 1]
    counts: Counter[MaskValue] = Counter()
    faults = []
    for path in chosen:
        try:
            counts += _count(folder / path)
        except Exception as error:  # Pillow's decoders raise many kinds of exceptions for a broken file
            faults.append(f"{path}: {reason_of(error)}")
    if len({isinstance(value, int) for value in counts}) > 1:
        faults.append("some masks have colours, others numbers; save all in one way")
    lines = [f"masks that cannot be read: {first_of(faults, 1)}"] if faults else []
    if counts and not faults:
        lines.append(_summary(counts, len(chosen)))
    return ProposedMasks(tuple(lines), _block([] if faults or _are_smoothed(counts) else sorted(counts)))


def _count(file: Path) -> Counter[MaskValue]:
    in_colors = _has_colors(file)
    with open_mask(file, in_colors, MAX_PIXELS) as opened:
        counts = counts_of_values(decode_values(opened, file, in_colors), in_colors)
    return Counter({as_value(number, in_colors): count for number, count in counts.items()})


def _has_colors(file: Path) -> bool:
    try:
        with open_mask(file, True, MAX_PIXELS) as opened:
            return opened.mode in COLORED
    except ValueError:  # a mask that cannot have colours
        return False


def _are_smoothed(counts: Counter[MaskValue]) -> bool:
    """Returns whether so many values can only come from smoothed edges or from JPEG."""
    values = sorted(value for value in counts if value != VOID)
    if len(values) <= SMOOTHED_VALUES or (_are_numbered(values) and len(values) <= MOST_CLASSES):
        return False
    most = sum(count for _, count in counts.most_common(2))
    return most >= SMOOTHED_SHARE * counts.total() or len(values) > MOST_CLASSES


def _are_numbered(values: list[Any]) -> bool:
    """Returns whether values are numbers of classes from 0, of which some can be missing in these masks."""
    return bool(values) and values[0] == 0 and values[-1] < 2 * len(values)


def _summary(counts: Counter[MaskValue], masks: int) -> str:
    shares = [f"{shown_value(value)} ({count / counts.total():.1%})" for value, count in counts.most_common(SHOWN)]
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    smoothed = "; so many come from smoothed edges (anti-aliasing) or JPEG: save masks as PNG, without smoothing"
    return f"values in {masks} masks: {', '.join(shares)}{more}{smoothed if _are_smoothed(counts) else ''}"


def _block(found: list[Any]) -> dict[str, Any]:
    """Returns the proposal for the values that masks hold, in order. 255 is void beside two other values or more."""
    has_void = VOID in found and len(found) > 2
    values = [value for value in found if value != VOID or not has_void]
    if len(values) < 2:
        return {"classes": ["name of value 0", "name of value 1"], "void": VOID}
    if _are_numbered(values):
        values = list(range(values[-1] + 1))
    classes = [f"name of value {shown_value(value)}" for value in values]
    given = {} if values == list(range(len(values))) else {"values": [_plain(value) for value in values]}
    return {"classes": classes, **given, "void": VOID if has_void or not given else None}


def _plain(value: MaskValue) -> Any:
    return list(value) if isinstance(value, tuple) else value

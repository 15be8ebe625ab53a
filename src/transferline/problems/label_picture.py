"""Predictions as a picture: each image with its predicted label; wrong predictions are marked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.models.exported import ModelCard
from transferline.params.problem_kinds import KINDS
from transferline.plots import ORANGE
from transferline.problems.label_predictions import Prediction
from transferline.text import first_of

MOST, COLUMNS, FEWEST = 120, 10, 5  # five columns are as wide as a title
LABELS = 4  # that a caption names, of a multilabel problem


def draw_grid(predictions: Sequence[Prediction], card: ModelCard, path: Path) -> None:
    """Draws up to `MOST` images with predicted labels and probabilities as a PNG; the title counts those left out.

    If the folder of a file has the name of a class, in any case, that class is the true one. Wrong predictions come
    first, framed in orange, the highest probability first. Correct predictions follow, then images whose folder names
    no class; of both, the lowest probability first. For a multilabel problem no true class is known. Without any true
    class, the images with the lowest probabilities are taken and sorted by label, those without a label first. An image
    without a label counts as neither right nor wrong.
    """
    readable = [found for found in predictions if not found.error]
    truth = {} if KINDS[card.problem].several_labels else _truth(readable, card.classes)
    wrong = [found for found in readable if _is_wrong(found, truth)]
    right = [found for found in readable if not _is_wrong(found, truth)]
    right.sort(key=lambda found: (bool(truth) and found.path not in truth, -_doubt(found)))
    without = sum(found.reason is not None for found in readable)
    shown = [*sorted(wrong, key=_doubt), *right][:MOST]
    if not truth:
        shown.sort(key=lambda found: (found.labels, -_doubt(found)))
    left_out, unreadable = len(readable) - len(shown), len(predictions) - len(readable)
    parts = [f"{card.candidate}: {len(readable):,} image{'s' if len(readable) != 1 else ''}"]
    parts += [f"{without:,} without a label"] if without else []
    answered = [found for found in readable if not found.reason]
    known = sum(found.path in truth for found in answered)
    parts += [_accuracy(known, len(wrong), len(answered))] if known else []
    parts += [f"{unreadable:,} more could not be read"] if unreadable else []
    lowest = "the lowest probability first"
    order = f"wrong predictions first, then correct ones, {lowest}" if truth else f"by predicted label, {lowest}"
    order += ", then those of unknown class" if truth and len(truth) < len(readable) else ""
    cut = f"; {MOST} are shown, {left_out:,} with higher probabilities are left out" if left_out else ""
    tiles = [_tile(found, card, truth.get(found.path)) for found in shown]
    contact_sheet(tiles, path, min(COLUMNS, max(FEWEST, len(tiles))), f"{', '.join(parts)}\n{order}{cut}")


def _accuracy(known: int, wrong: int, images: int) -> str:
    which = " whose folder names the class" if known < images else ""
    others = f", {images - known:,} in folders that name no class" if known < images else ""
    return f"{known - wrong:,} of {known:,}{which} are predicted correctly (accuracy {1 - wrong / known:.1%}){others}"


def _is_wrong(found: Prediction, truth: Mapping[str, str]) -> bool:
    return not found.reason and truth.get(found.path, found.label) != found.label


def _doubt(found: Prediction) -> float:
    return 1 - (found.probability or 0)


def _truth(predictions: Sequence[Prediction], classes: tuple[str, ...]) -> dict[str, str]:
    """Returns the true class by path, for files whose folder has the name of a class; an exact match is preferred."""
    by_name = {name.casefold(): name for name in classes} | {name: name for name in classes}
    folders = {found.path: Path(found.path).parent.name for found in predictions}
    names = {path: by_name.get(folder) or by_name.get(folder.casefold()) for path, folder in folders.items()}
    return {path: name for path, name in names.items() if name}


def _tile(found: Prediction, card: ModelCard, truth: str | None) -> Tile:
    named = found.possible_labels or () if found.reason else found.labels
    surest = sorted(named, key=lambda name: -found.probabilities[name])
    shown = first_of([f"{name} {found.probabilities[name]:.1%}" for name in surest], LABELS, "\n")
    lines = [line for line in (found.reason, shown) if line] or ["no label"]
    is_wrong = not found.reason and truth not in (None, found.label)
    lines += [f"true: {truth}"] if is_wrong else []
    path = Path(found.path)
    return Tile(path, "\n".join([*lines, path.name]), ORANGE if is_wrong else None)

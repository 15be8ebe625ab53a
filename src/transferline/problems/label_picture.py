"""Predictions as a picture: each image with its label, the wrong ones marked."""

from collections.abc import Sequence
from pathlib import Path

from transferline.datasets.contact_sheet import Tile, contact_sheet
from transferline.models.exported import ModelCard
from transferline.params.problem_kinds import KINDS
from transferline.problems.label_predictions import Prediction
from transferline.text import first_of

MOST, COLUMNS, FEWEST = 120, 10, 5  # five columns are as wide as a title
LABELS = 4  # of a multilabel problem, that a caption names
WRONG = "#c00000"


def draw_grid(predictions: Sequence[Prediction], card: ModelCard, path: Path) -> None:
    """Draws up to `MOST` images with predicted labels and probabilities as a PNG; the title says how many are left out.

    Where the folder of a file has the name of a class, upper or lower case, that is its true class: the wrong answers
    come first, the surest of them at the top, framed in red, then the others, the least sure first. Without any true
    class, and always for a multilabel problem, whose folders name none, the least sure are taken and sorted by label.
    """
    readable = [found for found in predictions if found.probability is not None]
    truth = {} if KINDS[card.problem].several_labels else _truth(readable, card.classes)
    wrong = [found for found in readable if truth.get(found.path, found.label) != found.label]
    right = [found for found in readable if truth.get(found.path, found.label) == found.label]
    shown = [*sorted(wrong, key=_doubt), *sorted(right, key=_doubt, reverse=True)][:MOST]
    if not truth:
        shown.sort(key=lambda found: (found.labels, -_doubt(found)))
    left_out, unreadable = len(readable) - len(shown), len(predictions) - len(readable)
    parts = [f"{card.candidate}: {len(readable):,} image{'s' if len(readable) != 1 else ''}"]
    parts += [_accuracy(len(truth), len(wrong), len(readable))] if truth else []
    parts += [f"{unreadable:,} more could not be read"] if unreadable else []
    order = "wrong ones first, then the least sure" if truth else "by predicted label, the least sure first"
    cut = f"; shown are {MOST}, {left_out:,} surer ones are left out" if left_out else ""
    tiles = [_tile(found, card, truth.get(found.path)) for found in shown]
    contact_sheet(tiles, path, min(COLUMNS, max(FEWEST, len(tiles))), f"{', '.join(parts)}\n{order}{cut}")


def _accuracy(known: int, wrong: int, images: int) -> str:
    which = " whose folder names the class" if known < images else ""
    return f"{known - wrong:,} of {known:,}{which} right (accuracy {1 - wrong / known:.1%})"


def _doubt(found: Prediction) -> float:
    return 1 - (found.probability or 0)


def _truth(predictions: Sequence[Prediction], classes: tuple[str, ...]) -> dict[str, str]:
    """The true class by path, of the files whose folder is called like a class; an exact name goes first."""
    by_name = {name.casefold(): name for name in classes} | {name: name for name in classes}
    folders = {found.path: Path(found.path).parent.name for found in predictions}
    names = {path: by_name.get(folder) or by_name.get(folder.casefold()) for path, folder in folders.items()}
    return {path: name for path, name in names.items() if name}


def _tile(found: Prediction, card: ModelCard, truth: str | None) -> Tile:
    surest = sorted(found.labels, key=lambda name: -found.probabilities[name])
    lines = [first_of([f"{name} {found.probabilities[name]:.1%}" for name in surest], LABELS, "\n") or "no label"]
    is_wrong = truth not in (None, found.label)
    lines += [f"true: {truth}"] if is_wrong else []
    path = Path(found.path)
    return Tile(path, "\n".join([*lines, path.name]), WRONG if is_wrong else None)

"""The command `transferline predict`."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferline.cli.arguments import Commands, add_command, png
from transferline.errors import TransferlineError

if TYPE_CHECKING:
    from transferline.models.exported import ModelCard

OF_MASKS, OF_LABELS = ("masks", "rle"), ("submission", "grid")


def add_commands(commands: Commands) -> None:
    """Adds the command of this group."""
    predict = add_command(commands, "predict", _predict, "predict image files with the champion")
    predict.add_argument("paths", nargs="+", help="files, folders or globs")
    predict.add_argument(
        "--model",
        default="champion",
        help="an alias, a version's number, a model folder, or imagenet:BACKBONE for a first look at new photographs "
        "(imagenet:efficientnet_lite0 needs no download)",
    )
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--csv", type=Path, help="write everything to this file")
    predict.add_argument("--submission", type=Path, help="write Id and run-length encoded labels, as Kaggle takes them")
    predict.add_argument("--grid", type=png, help="draw the images with their labels into this PNG")
    predict.add_argument("--masks", type=Path, metavar="DIR", help="write masks, and overlays, into this folder")
    predict.add_argument("--rle", type=Path, help="write masks run-length encoded, a row for each image and class")


def _predict(options: argparse.Namespace) -> int:
    """`transferline predict`: prints or writes the answers; exits with 1 if a file cannot be read."""
    from transferline.params.problem_kinds import KINDS
    from transferline.prediction.named_model import open_model
    from transferline.prediction.predict import find_images

    named = (*OF_MASKS, *OF_LABELS, "csv")
    targets = {name: getattr(options, name).resolve() for name in named if getattr(options, name)}
    paths = [path.resolve() for path in find_images(options.paths)]
    card, model = open_model(options.model)
    is_segmentation = KINDS[card.problem].has_masks
    if wrong := [f"--{name}" for name in (OF_LABELS if is_segmentation else OF_MASKS) if name in targets]:
        raise TransferlineError(f"{card.candidate} is a {card.problem} model, for which there is no {', '.join(wrong)}")
    answer = _segment if is_segmentation else _classify
    unreadable = answer(card, model, paths, targets, options.json)
    for reason in unreadable:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if unreadable else 0


def _classify(card: "ModelCard", model: Any, paths: list[Path], targets: dict[str, Path], is_json: bool) -> list[str]:
    from transferline.prediction.output import predictions_as_text, write_csv, write_submission
    from transferline.prediction.predict import predict_images
    from transferline.prediction.prediction_picture import draw_grid

    found = list(predict_images(card, model, paths))
    for name, write in (("csv", write_csv), ("submission", write_submission), ("grid", draw_grid)):
        if name in targets:
            with _writing(targets[name]):
                write(found, card, targets[name])
    _print(
        json.dumps([asdict(one) for one in found], indent=2) if is_json else predictions_as_text(found, card),
        targets,
        is_json,
    )
    return [one.error for one in found if one.error]


def _segment(card: "ModelCard", model: Any, paths: list[Path], targets: dict[str, Path], is_json: bool) -> list[str]:
    from transferline.prediction.mask_files import (
        Writer,
        require_names,
        segment,
        shares_as_json,
        shares_as_text,
        write_shares,
    )

    folder, rle, table = (targets.get(name) for name in ("masks", "rle", "csv"))
    if folder or rle:
        require_names(paths)
    with contextlib.ExitStack() as stack:
        if rle:
            stack.enter_context(_writing(rle))
            rle.parent.mkdir(parents=True, exist_ok=True)
        rows = stack.enter_context(rle.open("w", encoding="utf-8", newline="")) if rle else None
        with _writing(folder or Path()):
            found = list(segment(card, model, paths, Writer(card, folder, rows)))
    if table:
        with _writing(table):
            write_shares(found, card, table)
    _print(shares_as_json(found) if is_json else shares_as_text(found), targets, is_json)
    return [one.error for one in found if one.error]


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransferlineError(f"{path} cannot be written: {error.strerror}") from error


def _print(text: str, targets: dict[str, Path], is_json: bool) -> None:
    print(f"written: {', '.join(map(str, targets.values()))}" if targets and not is_json else text)

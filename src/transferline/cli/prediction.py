"""The command `transferline predict`."""

import argparse
import json
import sys
from pathlib import Path

from transferline.cli.arguments import Commands, add_command, png
from transferline.errors import TransferlineError


def add_commands(commands: Commands) -> None:
    """Adds the command of this group."""
    predict = add_command(
        commands, "predict", _predict, "predict image files with the champion", "photos/ --csv out.csv --grid out.png"
    )
    predict.add_argument("paths", nargs="+", help="files, folders or globs")
    predict.add_argument(
        "--model",
        default="champion",
        help="an alias, a version's number, a model folder, or imagenet:BACKBONE to try a model of ImageNet "
        "(imagenet:efficientnet_lite0 needs no download)",
    )
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--csv", type=Path, help="write everything to this file")
    predict.add_argument("--submission", type=Path, help="write Id and run-length encoded labels in Kaggle's format")
    predict.add_argument("--grid", type=png, help="draw the images with their labels into this PNG")
    predict.add_argument("--masks", type=Path, metavar="DIR", help="write masks and overlays into this folder")
    predict.add_argument("--rle", type=Path, help="write run-length encoded masks, a row for each image and class")


def _predict(options: argparse.Namespace) -> int:
    """`transferline predict`: prints or writes predictions; exits with 1 if a file cannot be read."""
    from transferline.prediction.found_images import find_images
    from transferline.prediction.named_model import open_model
    from transferline.problems.prediction import PREDICTIONS

    named = sorted({name for kind in PREDICTIONS.values() for name in kind.outputs})
    targets = {name: getattr(options, name).resolve() for name in named if getattr(options, name)}
    paths = [path.resolve() for path in find_images(options.paths)]
    card, model, name = open_model(options.model)
    kind = PREDICTIONS[card.problem]
    if wrong := [f"--{name}" for name in targets if name not in kind.outputs]:
        allowed = ", ".join(f"--{name}" for name in kind.outputs)
        raise TransferlineError(
            f"{', '.join(wrong)}: {card.candidate} is a {card.problem} model, which does not write this; allowed are "
            f"{allowed}"
        )
    found = kind.predict(card, model, paths, targets, name)
    if options.json:
        print(json.dumps([{**row, "model": name} for row in found.rows], indent=2))
    else:
        print(f"written: {', '.join(map(str, targets.values()))}" if targets else found.text)
        print(f"predicted by {name} ({card.candidate}, {card.phase})")
    for reason in found.errors:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if found.errors else 0

"""The commands that use a model on image files: predict, explain, attack."""

import argparse
import json
import sys
from pathlib import Path

from transferline.cli.arguments import Commands, add_command, html, png
from transferline.errors import TransferlineError
from transferline.registry.aliases import CHAMPION
from transferline.text import printable

MODEL_HELP = (
    "an alias, a version's number, a model folder, or imagenet:BACKBONE to try a model of ImageNet "
    "(imagenet:efficientnet_lite0 needs no download); champion by default"
)


def add_commands(commands: Commands) -> None:
    """Adds the commands of this group."""
    _add_predict(commands)
    _add_explain(commands)
    _add_attack(commands)


def _add_predict(commands: Commands) -> None:
    predict = add_command(
        commands, "predict", _predict, "predict image files with the champion", "photos/ --csv out.csv --grid out.png"
    )
    predict.add_argument("paths", nargs="+", help="files, folders or globs")
    predict.add_argument("--model", default=CHAMPION, help=MODEL_HELP)
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--csv", type=Path, help="write everything to this file")
    predict.add_argument("--submission", type=Path, help="write Id and run-length encoded labels in Kaggle's format")
    predict.add_argument(
        "--masks-by", metavar="MODEL", help="with --submission: also write the masks of this segmentation model"
    )
    predict.add_argument("--grid", type=png, help="draw the images with their labels into this PNG")
    predict.add_argument("--masks", type=Path, metavar="DIR", help="write masks and overlays into this folder")
    predict.add_argument("--rle", type=Path, help="write run-length encoded masks, a row for each image and class")


def _add_attack(commands: Commands) -> None:
    attack = add_command(
        commands,
        "attack",
        _attack,
        "change an image so little that people do not see it, and so that the model predicts something else",
        "photo.jpg --epsilon 1,2,4 --out attack.png",
    )
    attack.add_argument("photo", type=Path, help="an image file")
    attack.add_argument(
        "--model", default=CHAMPION, help="an alias, a version's number, or a model folder; champion by default"
    )
    attack.add_argument(
        "--method", choices=("fgsm", "pgd"), default="fgsm", help="fgsm, the default: one step; pgd: several"
    )
    attack.add_argument(
        "--epsilon",
        type=_epsilons,
        default=(1, 2, 4),
        metavar="LIST",
        help="the largest changes of a pixel value, 1 to 255, separated by commas; 1,2,4 by default",
    )
    attack.add_argument("--target", metavar="CLASS", help="the class to be predicted; by default any other one")
    attack.add_argument("--out", type=png, required=True, help="draw the image, its changes and the result to this PNG")


def _epsilons(text: str) -> tuple[int, ...]:
    """Returns the values of ε, without repetitions."""
    if not (parts := text.split(",")) or not all(part.strip().isdecimal() and 1 <= int(part) <= 255 for part in parts):
        raise argparse.ArgumentTypeError(f"{text} is not a list of whole numbers from 1 to 255, such as 1,2,4")
    return tuple(dict.fromkeys(map(int, parts)))


def _add_explain(commands: Commands) -> None:
    explain = add_command(
        commands,
        "explain",
        _explain,
        "show why the champion predicts its labels: heat maps and the nearest training images",
        "photo.jpg --out why.html",
    )
    explain.add_argument("paths", nargs="+", help="files, folders or globs")
    models = explain.add_mutually_exclusive_group()
    models.add_argument("--model", default=CHAMPION, help=MODEL_HELP)
    models.add_argument("--versions", type=two_versions, metavar="OLD,NEW", help="compare two versions")
    explain.add_argument("--out", type=html, metavar="PAGE.html", help="write a page with all pictures in it")


def two_versions(text: str) -> list[str]:
    """Returns two names of versions from a text such as `2,3`."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise argparse.ArgumentTypeError(f"{text} does not name two versions; write them as 2,3")
    return names


def _explain(options: argparse.Namespace) -> int:
    """`transferline explain`: prints or writes explanations; exits with 1 if a file cannot be read."""
    from transferline.insight.explanation_page import write_page
    from transferline.insight.explanation_text import all_as_text
    from transferline.prediction.explained_models import explained_model
    from transferline.prediction.found_images import find_images

    paths, target = [path.resolve() for path in find_images(options.paths)], options.out and options.out.resolve()
    models = [explained_model(name, Path.cwd()) for name in options.versions or [options.model]]
    found, errors = [], []
    for path in paths:
        try:
            found.append([model.explain(path) for model in models])
        except TransferlineError as error:
            errors.append(str(error))
    if target and found:
        write_page(models, found, target)
    print(f"written: {target}" if target and found else all_as_text(models, found))
    for reason in errors:
        print(f"error: {printable(reason)}", file=sys.stderr)
    return 1 if errors else 0


def _predict(options: argparse.Namespace) -> int:
    """`transferline predict`: prints or writes predictions; exits with 1 if a file cannot be read."""
    from transferline.prediction.found_images import find_images
    from transferline.prediction.named_model import open_model
    from transferline.problems.label_output import LabelPrediction
    from transferline.problems.predicted_files import require_no_photographs
    from transferline.problems.prediction import PREDICTIONS
    from transferline.problems.submission import MaskModel

    if options.masks_by and not options.submission:
        raise TransferlineError("--masks-by adds masks to a submission; name its file with --submission FILE")
    named = sorted({name for kind in PREDICTIONS.values() for name in kind.outputs})
    targets = {name: getattr(options, name).resolve() for name in named if getattr(options, name)}
    paths = [path.resolve() for path in find_images(options.paths)]
    require_no_photographs(targets.values(), paths)
    card, model, name = open_model(options.model)
    kind = PREDICTIONS[card.problem]
    if wrong := [f"--{name}" for name in targets if name not in kind.outputs]:
        allowed = ", ".join(f"--{name}" for name in kind.outputs)
        raise TransferlineError(
            f"{', '.join(wrong)}: {card.candidate} is a {card.problem} model, which does not write this; allowed are "
            f"{allowed}"
        )
    if options.masks_by:
        kind = LabelPrediction(MaskModel(*open_model(options.masks_by)))
    found = kind.predict(card, model, paths, targets, name)
    if options.json:
        print(json.dumps([{**row, "model": name} for row in found.rows], indent=2))
    else:
        print(f"written: {', '.join(map(str, targets.values()))}" if targets else found.text)
        print(f"predicted by {name} ({card.candidate}, {card.phase})")
    for reason in found.errors:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if found.errors else 0


def _attack(options: argparse.Namespace) -> int:
    """`transferline attack`: draws the attacks and prints the predictions before and after."""
    from transferline.evaluation.photo_attack import attack_photo, attack_text, draw_attacked_photo
    from transferline.models.exported import load_model, read_card
    from transferline.prediction.named_model import find_model
    from transferline.problems.predicted_files import require_no_photographs, writing

    photo, out = options.photo.resolve(), options.out.resolve()
    require_no_photographs([out], [photo])
    folder, name = find_model(options.model)
    card = read_card(folder)
    found = attack_photo(folder, card, load_model(folder), photo, options.method, options.epsilon, options.target)
    aim = f" towards {options.target}" if options.target else ""
    with writing(out):
        draw_attacked_photo(found, f"{photo.name}, {name}: {options.method}{aim}", out)
    print("\n".join(attack_text(found)))
    print(f"written: {out}")
    return 0

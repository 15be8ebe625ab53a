"""Attacks one photograph, and shows what a model predicts for it before and after."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from transferline.arrays import Pixels
from transferline.datasets.contact_sheet import LARGE, Tile, contact_sheet
from transferline.datasets.images import read_image
from transferline.errors import TransferlineError
from transferline.evaluation.attacks import attack, loss_gradient
from transferline.evaluation.robustness_pictures import enlarged
from transferline.models.exported import MODEL_FILE, ModelCard, load_keras_model
from transferline.models.lite import LiteModel
from transferline.params import Adversarial
from transferline.problems.evaluation import evaluation_of

SEED = 0
Method = Literal["fgsm", "pgd"]


class AttackedPhoto(NamedTuple):
    """An attack of a photograph with one ε.

    Attributes:
        epsilon: the largest change of a channel of a pixel, 0 to 255.
        pixels: the attacked image in the size of the model, (size, size, channels) uint8.
        shown: the image as it is drawn, with the predicted mask on it for segmentation.
        predicted: the predicted label and its probability.
    """

    epsilon: int
    pixels: Pixels
    shown: Pixels
    predicted: str


def attack_photo(
    folder: Path, card: ModelCard, model: LiteModel, photo: Path, method: Method, epsilons: Sequence[int],
    target: str | None,
) -> list[AttackedPhoto]:  # fmt: skip
    """Attacks a photograph with each ε; the first result, with ε 0, is the photograph itself.

    Without a target, the attack raises the loss of what the model predicts for the photograph. With one, it lowers the
    loss of that class: for several labels, of the predicted labels and that class; for segmentation, in all pixels.

    Raises:
        TransferlineError: the photograph cannot be read, the folder has no `model.keras`, or the model has no class
            `target` or predicts it already.
    """
    if not (folder / MODEL_FILE).is_file():
        raise TransferlineError(f"{folder} has no {MODEL_FILE}, whose gradients an attack needs; name another model")
    if target is not None and target not in card.classes:
        raise TransferlineError(f"--target {target}: no such class; allowed are {', '.join(card.classes)}")
    kind, image = evaluation_of(card.problem), read_image(photo, card.image, card.max_pixels)[None]
    predicted = kind.predicted_truth(model.probabilities(image), card)
    aim = predicted if target is None else kind.with_class(predicted, card.classes.index(target))
    if target is not None and np.array_equal(aim, predicted):
        raise TransferlineError(f"--target {target}: the model predicts it already; name another class")
    gradient = loss_gradient(load_keras_model(folder), card.problem)
    name: Any = method if target is None else f"targeted_{method}"
    return [
        _attacked(epsilon, attack(image, aim, gradient, name, epsilon, Adversarial().steps, SEED), card, model)
        for epsilon in (0, *epsilons)
    ]


def _attacked(epsilon: int, pixels: Pixels, card: ModelCard, model: LiteModel) -> AttackedPhoto:
    shown, texts = evaluation_of(card.problem).shown(pixels, model.probabilities(pixels), card)
    return AttackedPhoto(epsilon, pixels[0], shown[0], texts[0])


def attack_text(found: Sequence[AttackedPhoto]) -> Iterator[str]:
    """Yields a line for each ε with the predictions before and after."""
    before, *attacked = found
    for one in attacked:
        yield f"epsilon {one.epsilon}: {before.predicted} -> {one.predicted}"


def draw_attacked_photo(found: Sequence[AttackedPhoto], title: str, path: Path) -> None:
    """Draws a row for each ε: the image, the enlarged perturbation, and the attacked image, with both predictions."""
    before, *attacked = found
    tiles = []
    for one in attacked:
        picture, factor = enlarged(one.pixels.astype(float) - before.pixels)
        tiles += [
            Tile(before.shown, f"before:\n{before.predicted}"),
            Tile(picture, f"perturbation, ε = {one.epsilon} of 255\n{factor:.3g} times"),
            Tile(one.shown, f"after:\n{one.predicted}"),
        ]
    contact_sheet(tiles, path, 3, title, LARGE)

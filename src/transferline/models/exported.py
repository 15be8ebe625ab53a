"""The folder of a trained model: its two model files and `card.json`, which describes it.

`model.keras` is for further training, `model.tflite` for predictions. Both take raw uint8 images.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from transferline.arrays import Float32s, Pixels
from transferline.errors import TransferlineError
from transferline.models.lite import LiteModel
from transferline.models.training_distance import read_training_distance
from transferline.params import MAX_PIXELS, Image, MaskValue, Problem, Split
from transferline.quiet import quiet_imports
from transferline.text import reason_of

MODEL_FILE = "model.keras"
LITE_FILE = "model.tflite"
CARD_FILE = "card.json"
HEAD_FILE = "head.keras"
HISTORY_FILE = "history.csv"
SUMMARY_FILE = "summary.json"
PARITY_FILE = "parity.npz"
CURVES_FILE = "curves.png"
HELD_OUT_FILE = "held_out.npz"  # of a refitted model: its predictions for validation from before the refit
REFITTED = "refitted on train and validation; its validation metrics are from before the refit"

DAMAGED = "{file} cannot be read: {reason}. Restore the file (`dvc checkout`), or train the model again"
# The largest allowed difference between the probabilities of the exported and the trained model. Rounding gave up to
# 1.1e-5, with a head whose logits are large.
PARITY = 1e-4

Phase = Literal["head", "fine_tune", "train"]


class Rejection(BaseModel):
    """The limit below which a model with one label per image predicts no label, with its promise on other images.

    See `metrics/rejection.py`, which chooses it on validation images.

    Attributes:
        wanted_error: `thresholds.reject.error` of the training.
        error: the promise: with 95 % confidence, at most this share of the answered images gets a wrong label. It is
            `wanted_error`, or the least error that validation can promise.
        limit: an image is answered if its highest probability reaches it; 0 answers every image.
        coverage: the share of the validation images that are answered.
        images: the number of these validation images; of each group it is one.
        possible_limit: a label remains possible if its probability reaches it; 0 if all labels remain. With a
            probability of 1 - `wanted_error`, the true label of an image remains possible.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wanted_error: float
    error: float
    limit: float
    coverage: float
    images: int
    possible_limit: float


class ModelCard(BaseModel):
    """The description of a model: the order of the classes, the kind of problem and the images that it takes.

    Attributes:
        thresholds: for a multilabel problem, the threshold of each class; a label is predicted if its probability
            reaches the threshold.
        argmax_fallback: for a multilabel problem, whether the most probable label is predicted if no label reaches its
            threshold.
        temperature: the number by which the model divides its logits; both model files contain it. 1 in models before
            this field.
        rejection: the limit below which no label is predicted; None predicts a label for every image.
        max_pixels: the largest image that is predicted, width times height; `validate.max_pixels` of the training.
        trained_on: the splits of the images that the model was trained on. Models before this field know only train.
        mask_values: for segmentation, the value of each class in the masks of the dataset; predicted masks get them.
            None in models before this field: the numbers of the classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str
    phase: Phase
    problem: Problem
    classes: tuple[str, ...]
    image: Image
    thresholds: tuple[float, ...] | None = None
    argmax_fallback: bool = False
    temperature: float = 1.0
    rejection: Rejection | None = None
    max_pixels: int = MAX_PIXELS
    trained_on: tuple[Split, ...] = ("train",)
    mask_values: tuple[MaskValue, ...] | None = None


def trained(models: Path) -> list[Path]:
    """Returns the folders of a candidate's trained models, `models/<phase>/`, in the order of the phases."""
    folders = [models / phase for phase in get_args(Phase)]
    return [folder for folder in folders if (folder / MODEL_FILE).exists()]


def write_card(card: ModelCard, folder: Path) -> None:
    """Writes `card.json` into a model's folder."""
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> ModelCard:
    """Reads `card.json` from a model's folder.

    Raises:
        TransferlineError: the file is missing or damaged.
    """
    try:
        return ModelCard.model_validate(json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'card'}: {fault['msg']}" for fault in error.errors())
        raise TransferlineError(DAMAGED.format(file=folder / CARD_FILE, reason=wrong)) from error
    except (OSError, ValueError) as error:
        raise TransferlineError(DAMAGED.format(file=folder / CARD_FILE, reason=reason_of(error))) from error


def read_held_out(folder: Path) -> dict[str, Float32s]:
    """Returns the probabilities of a refitted model for validation before the refit, (classes,), by path.

    It is empty for other models.
    """
    if not (folder / HELD_OUT_FILE).exists():
        return {}
    with np.load(folder / HELD_OUT_FILE) as stored:
        return dict(zip(map(str, stored["paths"]), stored["probabilities"], strict=True))


def load_model(folder: Path, insight: Path | None = None) -> LiteModel:
    """Loads the exported model of a folder, which predicts with LiteRT.

    Args:
        folder: the model folder.
        insight: the folder of the stage `insight` for this model, with the distance to its training images.

    Raises:
        TransferlineError: the file is missing or damaged.
    """
    try:
        model = LiteModel((folder / LITE_FILE).read_bytes(), read_training_distance(insight))
        model.input_shape  # noqa: B018 (opens the model)
    except (OSError, ValueError, RuntimeError) as error:
        raise TransferlineError(DAMAGED.format(file=folder / LITE_FILE, reason=reason_of(error))) from error
    return model


def load_keras_model(folder: Path) -> Any:
    """Loads the Keras model of a folder, for code that needs gradients or weights.

    Keras's safe mode is on: code in the file does not run.
    """
    with quiet_imports():
        import keras

    return keras.saving.load_model(folder / MODEL_FILE, compile=False, safe_mode=True)


def both_columns(output: Any) -> Float32s:
    """Returns a Keras model's output as probabilities of all classes, (n, classes) float32.

    A binary model has one output p, which becomes the two columns 1 - p and p.
    """
    output = np.asarray(output, np.float32)
    return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output


def probabilities(model: LiteModel, batches: Iterable[Pixels]) -> Float32s:
    """Computes the probabilities of one batch or more, joined to (n, classes) float32; see `LiteModel`."""
    return np.concatenate([model.probabilities(images) for images in batches])


def check_parity(predict: Callable[[Pixels], Any], card: ModelCard, folder: Path) -> None:
    """Checks that an exported model predicts the same probabilities as the trained Keras model, up to `PARITY`.

    Args:
        predict: computes the exported model's probabilities for images.
        card: the card of the exported model.
        folder: contains `parity.npz`, with images, (n, size, size, channels) uint8, and the Keras model's
            probabilities, (n, classes) float32.

    Raises:
        TransferlineError: a probability differs by more than `PARITY`.
    """
    with np.load(folder / PARITY_FILE) as stored:
        images, trained = stored["images"], stored["probabilities"]
    difference = float(np.abs(predict(images) - trained).max())
    if np.isnan(difference) or difference > PARITY:
        raise TransferlineError(
            f"{folder / LITE_FILE}: probabilities of the exported {card.phase} model of {card.candidate} differ from "
            f"those of the trained model by up to {difference:.2g}; at most {PARITY:g} is allowed; train it again"
        )

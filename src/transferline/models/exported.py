"""A trained model in its folder, as `card.json` describes it.

Both of its files take raw uint8 images: `model.keras`, to go on training, and `model.tflite`, to predict with.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from transferline.arrays import Float32s, Pixels
from transferline.errors import TransferlineError
from transferline.models.lite import LiteModel
from transferline.params import Image, Problem
from transferline.quiet import quiet_imports

MODEL_FILE = "model.keras"
LITE_FILE = "model.tflite"
CARD_FILE = "card.json"
HEAD_FILE = "head.keras"
HISTORY_FILE = "history.csv"
SUMMARY_FILE = "summary.json"
PARITY_FILE = "parity.npz"
CURVES_FILE = "curves.png"

PARITY = 1e-5  # how far a probability may be from that of the trained model

Phase = Literal["head", "fine_tune", "train"]


class ModelCard(BaseModel):
    """What a model needs beside its weights: the class order, the kind of problem and the images it takes.

    Attributes:
        thresholds: for a multilabel problem the probability, by class, from which on a label counts as present.
        argmax_fallback: for a multilabel problem whether the most probable label stands where none passes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str
    phase: Phase
    problem: Problem
    classes: tuple[str, ...]
    image: Image
    thresholds: tuple[float, ...] | None = None
    argmax_fallback: bool = False


def trained(models: Path) -> list[Path]:
    """The folders of a candidate's trained models, `models/<phase>/`, in the order of the phases."""
    folders = [models / phase for phase in get_args(Phase)]
    return [folder for folder in folders if (folder / MODEL_FILE).exists()]


def write_card(card: ModelCard, folder: Path) -> None:
    """Writes `card.json` into a model's folder."""
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> ModelCard:
    """Reads `card.json` from a model's folder."""
    return ModelCard.model_validate(json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))


def load_model(folder: Path) -> LiteModel:
    """The exported model of a folder, which predicts by LiteRT."""
    return LiteModel((folder / LITE_FILE).read_bytes())


def load_keras_model(folder: Path) -> Any:
    """The Keras model of a folder, for what needs gradients or weights; in safe mode: no code in the file is run."""
    with quiet_imports():
        import keras

    return keras.saving.load_model(folder / MODEL_FILE, compile=False, safe_mode=True)


def both_columns(output: Any) -> Float32s:
    """A Keras model's output as probabilities of all classes, (n, classes) float32: the single one of a binary model is
    spread over two columns."""
    output = np.asarray(output, np.float32)
    return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output


def probabilities(model: LiteModel, batches: Iterable[Pixels]) -> Float32s:
    """Those of at least one batch, one after the other: (n, classes) float32, see `LiteModel`."""
    return np.concatenate([model.probabilities(images) for images in batches])


def check_parity(predict: Callable[[Pixels], Any], card: ModelCard, folder: Path) -> None:
    """Compares an exported model with what the trained Keras model predicted for some images.

    Args:
        predict: gives the exported model's probabilities for images.
        card: its card.
        folder: holds `parity.npz` with images (n, size, size, channels) uint8 and probabilities (n, classes) float32.

    Raises:
        TransferlineError: a probability differs by more than `PARITY`.
    """
    with np.load(folder / PARITY_FILE) as stored:
        images, trained = stored["images"], stored["probabilities"]
    difference = float(np.abs(predict(images) - trained).max())
    if np.isnan(difference) or difference > PARITY:
        raise TransferlineError(
            f"{folder / LITE_FILE}: the exported {card.phase} model of {card.candidate} differs from the trained one "
            f"by up to {difference:.2g} in a probability, and {PARITY:g} is allowed; train it again"
        )

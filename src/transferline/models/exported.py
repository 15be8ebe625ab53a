"""A trained model on disk: `model.keras`, which takes raw uint8 images, and `card.json`, which says what it is."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from transferline.params import Image, Problem
from transferline.quiet import quiet_imports

MODEL_FILE = "model.keras"
CARD_FILE = "card.json"
HEAD_FILE = "head.keras"
HISTORY_FILE = "history.csv"
SUMMARY_FILE = "summary.json"
PARITY_FILE = "parity.npz"
CURVES_FILE = "curves.png"

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


def load_model(folder: Path) -> Any:
    """Loads the Keras model of a folder, in safe mode: no code in the file is run.

    Its `predict_on_batch` is one graph for batches of any size; Keras builds another for the second size it sees.
    """
    with quiet_imports():
        import keras
        import tensorflow as tf

    model = keras.saving.load_model(folder / MODEL_FILE, compile=False, safe_mode=True)
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
    model.predict_on_batch = tf.function(partial(model, training=False), [images], autograph=False)
    return model


def class_probabilities(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Probabilities of one batch.

    Args:
        model: an exported model.
        images: (n, size, size, channels) uint8, as `datasets/images.py` reads them for the card's `image`.

    Returns:
        (n, classes) float32; rows sum to 1, but for multilabel problems. The single output of a binary model is spread
        over two columns.
    """
    # calling the model runs op by op, at a third of the speed
    return both_columns(model.predict_on_batch(images))


def both_columns(output: Any) -> npt.NDArray[np.float32]:
    """A model's output as probabilities of all classes, (n, classes) float32; see `class_probabilities`."""
    output = np.asarray(output, np.float32)
    return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output


def probabilities(model: Any, batches: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    """Probabilities of at least one batch, one after the other: (n, classes) float32, see `class_probabilities`."""
    return np.concatenate([class_probabilities(model, images) for images in batches])

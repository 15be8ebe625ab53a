"""The files that a training stage writes: the exported model, its history, and predictions to check the model with."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from transferline.arrays import Pixels
from transferline.models.convert import convert
from transferline.models.exported import (
    CURVES_FILE,
    HISTORY_FILE,
    LITE_FILE,
    MODEL_FILE,
    PARITY_FILE,
    SUMMARY_FILE,
    ModelCard,
    both_columns,
    check_parity,
    load_model,
    write_card,
)
from transferline.training.assemble_model import Exported
from transferline.training.curves_picture import plot_curves


@dataclass(frozen=True)
class Summary:
    """The results of one training as numbers.

    Attributes:
        best_epoch: the epoch whose weights were kept.
        seconds: wall time of all epochs.
        parameters: the number of weights of the whole model.
        trainable: the number of weights that this stage trained.
        floor: metrics on validation of models that have learned nothing, see `TrainingOfKind.floor`. Empty if the
            training continues the training of a head.
        boundary: in fine_tune, the name of the first layer of the backbone that the kept weights were trained from;
            empty in other phases, and if fine-tuning improved nothing and the model is that of the head.
    """

    best_epoch: int
    seconds: float
    parameters: int
    trainable: int
    floor: dict[str, float]
    boundary: str = ""


def write_result(
    folder: Path,
    exported: Exported,
    card: ModelCard,
    history: pd.DataFrame,
    curves: pd.DataFrame,
    summary: Summary,
    samples: Pixels,
) -> None:
    """Writes a model's folder.

    Args:
        folder: is created.
        exported: the trained model.
        card: the card of the model.
        history: the epochs of this stage.
        curves: the epochs to draw; in fine_tune also those of the head.
        summary: the results of the training.
        samples: (n, size, size, channels) uint8. The predictions of the model in memory for them are written, so that
            the exported model can be compared with it.

    Raises:
        TransferlineError: the exported model does not predict the same as the trained one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history.to_csv(folder / HISTORY_FILE, index=False)
    (folder / SUMMARY_FILE).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
    plot_curves(curves, folder / CURVES_FILE, card.candidate, summary.best_epoch)
    write_model(folder, exported, card, samples)


def write_model(folder: Path, exported: Exported, card: ModelCard, samples: Pixels) -> None:
    """Writes the files that prediction needs: both model files, the card, and the predictions for the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    exported.model.save(folder / MODEL_FILE)
    (folder / LITE_FILE).write_bytes(convert(exported.outputs, f"{card.candidate} {card.phase}"))
    write_card(card, folder)
    with tf.device("CPU:0"):  # layer by layer: for a few images, building a graph takes longer than it saves
        probabilities = both_columns(exported.model(samples, training=False))
    np.savez(folder / PARITY_FILE, images=samples, probabilities=probabilities)
    check_parity(load_model(folder).probabilities, card, folder)

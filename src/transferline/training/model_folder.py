"""What a training stage leaves behind: the exported model, its history, and answers to check a reload against."""

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
    """Figures of one training.

    Attributes:
        best_epoch: the epoch whose weights were kept.
        seconds: wall time of all epochs.
        parameters: weights of the whole model.
        trainable: those that this stage trained.
        floor: metrics on validation of always predicting by the class frequencies (`majority_…`) and of the untrained
            model (`untrained_…`), see `TrainingOfKind.floor`; empty where a head is trained on.
    """

    best_epoch: int
    seconds: float
    parameters: int
    trainable: int
    floor: dict[str, float]


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
        folder: is made.
        exported: the trained model.
        card: what it is.
        history: the epochs of this stage.
        curves: the epochs to draw: in fine_tune those of the head as well.
        summary: figures of the training.
        samples: (n, size, size, channels) uint8; what the model in memory answers to them is written down, so that
            the exported one can be compared with it.

    Raises:
        TransferlineError: the exported model predicts otherwise than the trained one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history.to_csv(folder / HISTORY_FILE, index=False)
    (folder / SUMMARY_FILE).write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
    plot_curves(curves, folder / CURVES_FILE)
    write_model(folder, exported, card, samples)


def write_model(folder: Path, exported: Exported, card: ModelCard, samples: Pixels) -> None:
    """The part of `write_result` without which there is no prediction: both files, the card, the answers to samples."""
    folder.mkdir(parents=True, exist_ok=True)
    exported.model.save(folder / MODEL_FILE)
    (folder / LITE_FILE).write_bytes(convert(exported.outputs, f"{card.candidate} {card.phase}"))
    write_card(card, folder)
    with tf.device("CPU:0"):  # layer by layer: for a few images a graph takes longer to build than it saves
        answers = both_columns(exported.model(samples, training=False))
    np.savez(folder / PARITY_FILE, images=samples, probabilities=answers)
    check_parity(load_model(folder).probabilities, card, folder)

"""Feature-extraction training: a head on the bank's pooled features."""

from pathlib import Path
from typing import Any

import numpy as np

from transferline.models.assemble import assemble
from transferline.models.backbones import build_backbone
from transferline.models.exported import ModelCard
from transferline.models.head import build_head
from transferline.params import Pretrained
from transferline.progress import say
from transferline.training.bank import Bank
from transferline.training.batches import BankBatches, class_weight_vector
from transferline.training.files import HEAD_FILE
from transferline.training.loop import (
    EpochListener,
    accuracy_and_log_loss,
    best_epoch,
    compile_model,
    majority_floor,
    make_deterministic,
    train,
)
from transferline.training.result import Summary, write_result


def train_head(
    bank: Bank, candidate: Pretrained, card: ModelCard, seed: int, folder: Path, listener: EpochListener
) -> Summary:
    """Trains a head and writes the whole model's folder, with the head alone beside it as `head.keras`.

    Args:
        bank: pooled features of train and validation.
        candidate: its `head` and `train_head` sections say how.
        card: what the model is.
        seed: of the initial weights, the order and the dropout.
        folder: is written.
        listener: is given each epoch's row.
    """
    make_deterministic(seed)
    training, classes = candidate.train_head, card.classes
    train_rows, validation_rows = bank.rows("head", "train"), bank.rows("head", "validation")
    weights = class_weight_vector(training, train_rows["label"].to_numpy(), classes)
    data = BankBatches(bank, train_rows, ["features"], training.batch_size, weights, seed)
    validation = BankBatches(bank, validation_rows, ["features"], 256, np.ones_like(weights))
    head = build_head(bank.features, candidate.head, card.problem, len(classes))
    compile_model(head, training, card.problem)
    floor = _floor(head, validation, train_rows["label"], validation_rows["label"], card)
    history = train(head, training, data, validation, "head", 1, listener)
    model = assemble(build_backbone(candidate.backbone, candidate.image), head, candidate, card.problem)
    summary = Summary(
        best_epoch(history, training), history["seconds"].sum(), model.count_params(), head.count_params(), floor
    )
    write_result(folder, model, card, history, history, summary, bank.samples())
    head.save(folder / HEAD_FILE)
    return summary


def _floor(head: Any, validation: BankBatches, train_labels: Any, labels: Any, card: ModelCard) -> dict[str, float]:
    majority = majority_floor(train_labels.to_numpy(), labels.to_numpy(), len(card.classes))
    untrained = accuracy_and_log_loss(head, validation, card.problem)
    say(f"floor on validation: majority class {majority[0]:.4f}, untrained model {untrained[0]:.4f}")
    return {
        "majority_accuracy": majority[0],
        "majority_log_loss": majority[1],
        "untrained_accuracy": untrained[0],
        "untrained_log_loss": untrained[1],
    }

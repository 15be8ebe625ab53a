"""Fine-tuning: the unfrozen top of the backbone and the head, from the bank at the freeze boundary."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from transferline.models.assemble import assemble
from transferline.models.backbones import build_backbone
from transferline.models.cut import InferenceMode, cut
from transferline.models.exported import ModelCard
from transferline.models.head import pool
from transferline.params import Pretrained, Training
from transferline.training.bank import Bank
from transferline.training.batches import BankBatches, class_weight_vector
from transferline.training.files import HEAD_FILE, HISTORY_FILE
from transferline.training.loop import EpochListener, best_epoch, compile_model, make_deterministic, train
from transferline.training.result import Summary, write_result


def fine_tune(
    bank: Bank,
    candidate: Pretrained,
    training: Training,
    card: ModelCard,
    seed: int,
    head_folder: Path,
    folder: Path,
    listener: EpochListener,
) -> Summary:
    """Trains the layers that `backbone.unfreeze` names, and the head on, and writes the whole model's folder.

    Batch normalisation stays in inference mode: its statistics stay as pretrained, its scale and offset learn.

    Args:
        bank: the boundary's tensors for train and validation.
        candidate: the candidate.
        training: its `fine_tune` section.
        card: what the model is.
        seed: of the order, the views and the dropout.
        head_folder: what `train_head` wrote.
        folder: is written.
        listener: is given each epoch's row.
    """
    backbone = build_backbone(candidate.backbone, candidate.image)
    make_deterministic(seed)
    head = keras.saving.load_model(head_folder / HEAD_FILE, compile=False)
    top = cut(backbone, candidate.backbone.unfreeze).top
    inputs = [keras.Input(shape) for shape in bank.boundary]
    features = pool(InferenceMode(top)(inputs), candidate.backbone.pooling)
    model = keras.Model(inputs, head(features))
    kinds = [f"boundary-{k}" for k in range(len(inputs))]
    train_rows, validation_rows = bank.rows("fine_tune", "train"), bank.rows("fine_tune", "validation")
    weights = class_weight_vector(training, train_rows["label"].to_numpy(), card.classes)
    data = BankBatches(bank, train_rows, kinds, training.batch_size, weights, seed, one_view_per_image=True)
    validation = BankBatches(bank, validation_rows, kinds, 64, np.ones_like(weights))
    compile_model(model, training, card.problem)
    before = pd.read_csv(head_folder / HISTORY_FILE)
    history = train(model, training, data, validation, "fine_tune", int(before["epoch"].max()) + 1, listener)
    trainable = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    exported = assemble(backbone, head, candidate, card.problem)
    summary = Summary(
        best_epoch(history, training), history["seconds"].sum(), exported.count_params(), trainable, floor={}
    )
    write_result(folder, exported, card, history, pd.concat([before, history]), summary, bank.samples())
    return summary

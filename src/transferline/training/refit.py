"""The refit: a linear head is computed again, on train and validation, when validation has decided everything.

Validation chooses the strength of L2, the temperature, thresholds and limits by the head that knows only train. Its
predictions for validation stay in the folder, since the refitted head knows these images. scikit-learn does the same:
`GridSearchCV(refit=True)`, `CalibratedClassifierCV(ensemble=False)`.
"""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from transferline.models.exported import HELD_OUT_FILE, ModelCard, both_columns
from transferline.problems.training import label_training_of
from transferline.progress import say
from transferline.training.batches import Batches
from transferline.training.ladder import Fitted
from transferline.training.linear_head import refit_linear


def refit(head: keras.Model, data: Batches, fitted: Fitted, card: ModelCard) -> ModelCard:
    """Computes a head again on `data`, with the strength that validation chose.

    Args:
        head: gets the new weights.
        data: training batches with the images of train and validation.
        fitted: the head on train.
        card: what validation decided.

    Returns:
        The card of the refitted model.
    """
    l2 = float(fitted.history.set_index("epoch")["l2"][fitted.best_epoch])
    refit_linear(head, l2, card.problem, data)
    say(f"{card.candidate} {card.phase}: refitted on {data.views_per_epoch} views of train and validation, l2 {l2:g}")
    return card.model_copy(update={"trained_on": ("train", "validation")})


def rows_of_refit(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the refit, from those of the bank.

    These are all views of train, and the images of validation, each as often as an image of train has views, so that
    all images count the same. Images on which a champion was tested are left out.
    """
    train, validation = (rows[rows["split"] == split] for split in ("train", "validation"))
    if "tested" in validation:
        validation = validation[~validation["tested"].astype(bool)]
    views = len(train) // train["path"].nunique()
    return pd.concat([train, validation.loc[validation.index.repeat(views)]])


def write_held_out(folder: Path, fitted: Fitted, card: ModelCard) -> None:
    """Writes the paths and probabilities, (n, classes) float32, of validation images by a head before its refit."""
    kind = label_training_of(card.problem)
    logits, _ = kind.held_out(fitted.model, fitted.validation)
    likely = both_columns(kind.probabilities(logits / card.temperature))
    np.savez(folder / HELD_OUT_FILE, paths=fitted.validation.paths, probabilities=likely)

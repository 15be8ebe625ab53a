"""The most confident mistakes of a model, and what in each image the wrong prediction depends on."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from transferline.arrays import Float32s
from transferline.datasets.images import read_image
from transferline.datasets.tables import split_labels
from transferline.insight.occlusion import occlusion_maps
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.params.problem_kinds import KINDS
from transferline.problems.label_evaluation import most_confident_mistakes

MISTAKES_FILE = "mistakes.parquet"
MOST, SIDE = 12, 32


def worst_mistakes(predictions: pd.DataFrame, most: int) -> pd.DataFrame:
    """Returns the wrong predictions for test, or for validation if there is no test; the most confident first."""
    split = "test" if (predictions["split"] == "test").any() else "validation"
    return most_confident_mistakes(predictions[predictions["split"] == split], most)


def mistake_heat_maps(predictions: pd.DataFrame, model: LiteModel, card: ModelCard, raw: Path) -> pd.DataFrame:
    """Computes occlusion maps, which need no TensorFlow, for the `MOST` most confident mistakes.

    Args:
        predictions: of the model, see `EvaluationOfKind.rate`.
        model: the model.
        card: its card.
        raw: the folder of the images.

    Returns:
        A row for each image: `path`, `about` (the class that the map is about: the predicted one that is wrong; for
        several labels a missing one if none is wrong) and `heat`, (SIDE · SIDE,) float32, row by row; high where the
        image supports the class.
    """
    rows = worst_mistakes(predictions, MOST)
    names = split_labels if KINDS[card.problem].several_labels else lambda label: [label]
    about = [_about(names(label), names(predicted)) for label, predicted in rows[["label", "predicted"]].to_numpy()]
    heat = []
    for path, name in zip(rows["path"], about, strict=True):
        image = read_image(raw / path, card.image, card.max_pixels)
        heat.append(_small(occlusion_maps(model, image, [card.classes.index(name)])[..., 0]).ravel())
    return pd.DataFrame({"path": rows["path"].tolist(), "about": about, "heat": heat})


def _about(true: list[str], given: list[str]) -> str:
    return next(name for name in [*given, *true] if (name in given) != (name in true))


def _small(heat: Float32s) -> Float32s:
    small: Float32s = np.asarray(Image.fromarray(heat).resize((SIDE, SIDE), Image.Resampling.BOX))
    return small

"""The mistakes of which a model is most certain, and what in each image the wrong prediction depends on."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from transferline.arrays import Float32s
from transferline.datasets.images import read_image
from transferline.insight.occlusion import occlusion_maps
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.problems.evaluation import label_evaluation_of

MISTAKES_FILE = "mistakes.parquet"
MOST, SIDE = 12, 32


def worst_mistakes(predictions: pd.DataFrame, card: ModelCard) -> pd.DataFrame:
    """Returns the wrong predictions for test, or for validation if there is no test; see `LabelEvaluation.mistakes`."""
    split = "test" if (predictions["split"] == "test").any() else "validation"
    return label_evaluation_of(card.problem).mistakes(predictions[predictions["split"] == split], card.classes)


def mistake_heat_maps(predictions: pd.DataFrame, model: LiteModel, card: ModelCard, raw: Path) -> pd.DataFrame:
    """Computes occlusion maps, which need no TensorFlow, for the first `MOST` of `worst_mistakes`.

    Args:
        predictions: of the model, see `EvaluationOfKind.rate`.
        model: the model.
        card: its card.
        raw: the folder of the images.

    Returns:
        A row for each image: `path`, `about` (the class that the map is about: the wrong label of which the model is
        most certain; for several labels it may be a missing one) and `heat`, (SIDE · SIDE,) float32, row by row; high
        where the image supports the class.
    """
    rows, heat = worst_mistakes(predictions, card).head(MOST), []
    for path, name in zip(rows["path"], rows["about"], strict=True):
        image = read_image(raw / path, card.image, card.max_pixels)
        heat.append(_small(occlusion_maps(model, image, [card.classes.index(name)])[..., 0]).ravel())
    return pd.DataFrame({"path": rows["path"].tolist(), "about": rows["about"].tolist(), "heat": heat})


def _small(heat: Float32s) -> Float32s:
    small: Float32s = np.asarray(Image.fromarray(heat).resize((SIDE, SIDE), Image.Resampling.BOX))
    return small

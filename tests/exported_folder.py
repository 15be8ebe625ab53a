"""Model folders as a training stage writes them, from Keras models that a test builds."""

from pathlib import Path

import keras
import numpy as np

from transferline.arrays import Pixels
from transferline.models.exported import ModelCard
from transferline.training.assemble_model import Exported
from transferline.training.model_folder import write_model


def exported(model: keras.Model) -> Exported:
    """A model from images uint8 to probabilities, the single one of a binary model in one column, without features."""
    probabilities = model.output
    if probabilities.shape[-1] == 1:
        probabilities = keras.layers.Concatenate()([1 - probabilities, probabilities])
    return Exported(model, keras.Model(model.input, probabilities))


def write_folder(folder: Path, model: keras.Model, card: ModelCard, samples: Pixels | None = None) -> Path:
    """Both files of a model, its card and its answers to samples, which are noise where they are left out."""
    if samples is None:
        samples = np.random.default_rng(0).integers(0, 256, (2, *model.input_shape[1:]), np.uint8)
    write_model(folder, exported(model), card, samples)
    return folder

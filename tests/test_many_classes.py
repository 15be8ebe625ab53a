"""Predictions of a model with very many classes."""

import numpy as np

from transferline import params
from transferline.models.exported import ModelCard
from transferline.models.lite import Outputs
from transferline.problems.label_output import predictions_as_text
from transferline.problems.label_predictions import prediction_of


def test_all_predicted_labels_of_very_many_classes_have_a_probability():
    names = tuple(f"c{number}" for number in range(250))
    card = ModelCard(
        candidate="m",
        phase="head",
        problem="multilabel",
        classes=names,
        image=params.Image(size=32),
        thresholds=[0.5] * 250,
    )
    row = np.linspace(0.0, 0.4, 250, dtype=np.float32)
    row[:7] = 0.9
    found = prediction_of("a.png", card, Outputs(row, None))
    assert found.labels == names[:7] and all(found.probabilities[name] > 0.5 for name in found.labels)
    assert "c6 0.9" in predictions_as_text([found], card)

"""Retrains image models by transfer learning on a schedule, compares them, and ships the best.

From Python:

    model = transferline.load()
    for found in model.predict([Path("cat.jpg")]):
        print(found.label, found.probability)
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferline.prediction.predictor import Predictor


def load(model: str | Path = "champion", project: Path | None = None) -> "Predictor":
    """Loads a model to predict with, by LiteRT. The working directory stays what it is.

    Args:
        model: an alias or a version's number in the project's registry, a model folder such as
            `models/<candidate>/<phase>`, or `imagenet:BACKBONE`; the last two need no project.
        project: a folder of the project, or below it; the working directory if left out.

    Raises:
        TransferlineError: there is no such model or no project, a file is not the one that was registered, or the model
            predicts masks.
    """
    from transferline.prediction.predictor import load_named

    return load_named(model, project)

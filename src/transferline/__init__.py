"""Retrains image models by transfer learning on a schedule, compares them, and ships the best.

From Python:

    model = transferline.load()
    for prediction in model.predict([Path("cat.jpg")]):
        print(prediction.label, prediction.probability)
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferline.prediction.predictor import Predictor


def load(model: str | Path = "champion", project: Path | None = None) -> "Predictor":
    """Loads a model that predicts with LiteRT. The working directory does not change.

    Args:
        model: an alias or a version number from the project's registry, a model folder such as
            `models/<candidate>/<phase>`, or `imagenet:BACKBONE`. The last two need no project.
        project: the project's folder or a folder inside it. The default is the working directory.

    Raises:
        TransferlineError: there is no such model or no project, a file differs from the registered one, or the model
            predicts masks.
    """
    from transferline.prediction.predictor import load_named

    return load_named(model, project)

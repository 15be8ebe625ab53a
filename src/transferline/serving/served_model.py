"""The model behind the endpoint."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferline.arrays import Pixels
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, load_model, read_card
from transferline.params.problem_kinds import KINDS
from transferline.paths import INSIGHT
from transferline.problems.label_predictions import prediction_of
from transferline.registry.registered_models import fetch_version
from transferline.serving.batcher import Batcher
from transferline.serving.inputs import shape_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class LoadedVersion:
    """A registered version in memory."""

    version: str
    sha256: str
    card: ModelCard
    batcher: Batcher

    def answer(self, images: list[Pixels]) -> list[dict[str, Any]]:
        """Returns, for each image of the card's size, the prediction of `transferline predict` and the version."""
        answers = []
        for row in self.batcher.outputs(images):
            answer = asdict(prediction_of(Path(), self.card, row))
            del answer["path"], answer["error"]
            answers.append(answer | {"version": self.version})
        return answers


def load_version(version: "ModelVersion", root: Path) -> LoadedVersion:
    """Loads a version, checks its files against the registry, and predicts twice, because first predictions are slow.

    Raises:
        TransferlineError: a file is not the one that was registered, or the model predicts masks.
    """
    folder = fetch_version(version, root)
    if KINDS[read_card(folder).problem].has_masks:
        raise TransferlineError(
            f"version {version.version} of {version.name} predicts masks, which the endpoint does not send; use "
            "`transferline predict --masks DIR`"
        )
    loaded = LoadedVersion(
        str(version.version),
        version.tags["model_sha256"],
        read_card(folder),
        Batcher(load_model(folder, folder / INSIGHT.name)),
    )
    for count in (1, 2):  # batches of one image and of several
        loaded.answer([np.zeros(shape_of(loaded.card.image), np.uint8)] * count)
    return loaded


@dataclass
class ServedModel:
    """Holds the version that predicts the requests that arrive; it can change at any time."""

    loaded: LoadedVersion

"""The model that the endpoint asks, as an implementation of MLflow's pyfunc."""

import json
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from transferline.arrays import Pixels
from transferline.errors import TransferlineError
from transferline.models.exported import ModelCard, load_model, read_card
from transferline.params.problem_kinds import KINDS
from transferline.problems.label_predictions import prediction_of
from transferline.registry.registered_models import fetch_version
from transferline.serving.batcher import Batcher
from transferline.serving.inputs import read_request, shape_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


class Refusal(MlflowException):
    """An error for the client in our words alone: MLflow would put the client's data, pixels and all, before them."""

    def serialize_as_json(self) -> str:
        """The body of the answer."""
        return json.dumps({"error_code": self.error_code, "message": str(self)})


@dataclass(frozen=True)
class LoadedVersion:
    """A registered version in memory."""

    version: str
    sha256: str
    card: ModelCard
    batcher: Batcher

    def answer(self, images: list[Pixels]) -> Iterator[dict[str, Any]]:
        """The answers for images of the card's size: what `transferline predict` says, and the version."""
        for row in self.batcher.probabilities(images):
            answer = asdict(prediction_of(Path(), self.card, row))
            del answer["path"], answer["error"]
            yield answer | {"version": self.version}


def load_version(version: "ModelVersion", root: Path) -> LoadedVersion:
    """Loads a version, its files checked against the registry, and lets it answer twice: the first answers are slow.

    Raises:
        TransferlineError: a file is not the one that was registered, or the model answers with masks.
    """
    folder = fetch_version(version, root)
    if KINDS[read_card(folder).problem].has_masks:
        raise TransferlineError(
            f"version {version.version} of {version.name} answers with masks, which the endpoint does not send; use "
            "`transferline predict --masks DIR`"
        )
    loaded = LoadedVersion(
        str(version.version), version.tags["model_sha256"], read_card(folder), Batcher(load_model(folder))
    )
    for count in (1, 2):  # after two sizes Keras's graph takes batches of any size
        list(loaded.answer([np.zeros(shape_of(loaded.card.image), np.uint8)] * count))
    return loaded


class ServedModel:
    """Answers with the version that it holds at the beginning of a request; another can take its place at any time."""

    def __init__(self, loaded: LoadedVersion):
        self.loaded = loaded

    def predict(self, data: Any) -> list[dict[str, Any]]:
        """Answers for the images of a request (see `read_request`), by MLflow's pyfunc interface.

        Args:
            data: what MLflow read from the body.

        Raises:
            Refusal: 400 for bad images, 500 for a model that fails.
        """
        loaded = self.loaded
        try:
            return list(loaded.answer(read_request(data, loaded.card.image)))
        except TransferlineError as error:
            raise Refusal(str(error), INVALID_PARAMETER_VALUE) from error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise Refusal("the model failed; the server printed why", INTERNAL_ERROR) from error

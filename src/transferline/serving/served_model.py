"""The model behind the endpoint, as an implementation of MLflow's pyfunc."""

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
    """An error for the client that holds only our message.

    MLflow would put the client's data, with all pixels, before the message.
    """

    def serialize_as_json(self) -> str:
        """Returns the body of the response."""
        return json.dumps({"error_code": self.error_code, "message": str(self)})


@dataclass(frozen=True)
class LoadedVersion:
    """A registered version in memory."""

    version: str
    sha256: str
    card: ModelCard
    batcher: Batcher

    def answer(self, images: list[Pixels]) -> Iterator[dict[str, Any]]:
        """Yields, for each image of the card's size, the prediction of `transferline predict` and the version."""
        for row in self.batcher.probabilities(images):
            answer = asdict(prediction_of(Path(), self.card, row))
            del answer["path"], answer["error"]
            yield answer | {"version": self.version}


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
        str(version.version), version.tags["model_sha256"], read_card(folder), Batcher(load_model(folder))
    )
    for count in (1, 2):  # batches of one image and of several
        list(loaded.answer([np.zeros(shape_of(loaded.card.image), np.uint8)] * count))
    return loaded


class ServedModel:
    """Predicts a request with the version that it holds when the request starts; `loaded` can change at any time."""

    def __init__(self, loaded: LoadedVersion):
        self.loaded = loaded

    def predict(self, data: Any) -> list[dict[str, Any]]:
        """Predicts the images of a request (see `read_request`), with MLflow's pyfunc interface.

        Args:
            data: the body, as MLflow has read it.

        Raises:
            Refusal: with status 400 for bad images, with status 500 if the model fails.
        """
        loaded = self.loaded
        try:
            return list(loaded.answer(read_request(data, loaded.card.image, loaded.card.max_pixels)))
        except TransferlineError as error:
            raise Refusal(str(error), INVALID_PARAMETER_VALUE) from error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise Refusal("the model failed; the server has printed the error", INTERNAL_ERROR) from error

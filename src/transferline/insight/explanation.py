"""The explanation of a prediction: heat maps, and the most similar training images of each class in question."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferline.arrays import Float32s, Pixels
from transferline.datasets.images import read_image
from transferline.insight.heat_maps import HeatMaps, peak
from transferline.insight.insight_table import InsightTable
from transferline.insight.neighbours import Neighbour, nearest
from transferline.models.exported import ModelCard
from transferline.models.lite import LiteModel
from transferline.problems.label_predictions import Prediction, prediction_of

SHOWN = 320  # pixels, of an image on the page


@dataclass(frozen=True)
class ClassReasons:
    """Why a class is predicted or not.

    Attributes:
        name: of the class.
        probability: its probability.
        is_predicted: whether it is a predicted label; else it is the most probable of the others.
        heat: (height, width) float32; high where the image supports the class.
        neighbours: the most similar training images of the class; empty if they are not known.
    """

    name: str
    probability: float
    is_predicted: bool
    heat: Float32s
    neighbours: tuple[Neighbour, ...]

    @property
    def peak(self) -> tuple[float, float]:
        """The place of the highest value of `heat`, see `heat_maps.peak`."""
        return peak(self.heat)


@dataclass(frozen=True)
class Explanation:
    """The explanation of the prediction for one image.

    Attributes:
        prediction: the prediction, as `transferline predict` gives it.
        probabilities: of all classes, by name, the highest first.
        picture: the part of the image that the model gets, (height, width, channels) uint8, with more pixels.
        classes: the predicted labels, the most probable first, then the most probable other class. Without a
            predicted label the two most probable classes.
    """

    prediction: Prediction
    probabilities: dict[str, float]
    picture: Pixels
    classes: tuple[ClassReasons, ...]


@dataclass(frozen=True)
class ExplainedModel:
    """A model with everything that explains its predictions.

    Attributes:
        card, model: the model.
        name: such as `waste version 3`.
        heat_maps: draws its heat maps.
        table: the features of its training images; None if they are not known.
        missing: why `table` is None; empty if it is not.
        raw: the folder of its dataset; None if it is not known.
        origin: what is known about the model's data and code: name and value.
        images_by_class: the number of images of each class in its dataset; empty if it is not known.
    """

    card: ModelCard
    model: LiteModel
    name: str
    heat_maps: HeatMaps
    table: InsightTable | None
    missing: str
    raw: Path | None
    origin: Mapping[str, str]
    images_by_class: Mapping[str, int]

    def explain(self, path: Path) -> Explanation:
        """Explains the prediction for an image file.

        Raises:
            TransferlineError: the file cannot be read as an image.
        """
        image = read_image(path, self.card.image, self.card.max_pixels)
        picture = read_image(path, self.card.image.model_copy(update={"size": SHOWN}), self.card.max_pixels)
        (outputs,), features = self.model.outputs(image[None]), self.model.features(image[None])
        probabilities, prediction = outputs.probabilities, prediction_of(path, self.card, outputs)
        places = _places(prediction, probabilities, self.card)
        heat = self.heat_maps.of(image, places)
        classes = tuple(
            ClassReasons(
                name := self.card.classes[place],
                float(probabilities[place]),
                name in prediction.labels,
                heat[..., number],
                nearest(self.table, features[0], name) if self.table and features is not None else (),
            )
            for number, place in enumerate(places)
        )
        by_name = {self.card.classes[place]: float(probabilities[place]) for place in _order(probabilities)}
        return Explanation(prediction, by_name, picture, classes)


def _order(probabilities: Float32s) -> list[int]:
    """Returns the positions of the classes, the most probable first; of equal ones, the first."""
    return [int(place) for place in np.argsort(-probabilities, kind="stable")]


def _places(prediction: Prediction, probabilities: Float32s, card: ModelCard) -> list[int]:
    """Returns the positions of `Explanation.classes`."""
    order = _order(probabilities)
    predicted = [place for place in order if card.classes[place] in prediction.labels]
    others = [place for place in order if place not in predicted]
    return [*predicted, *others[: 1 if predicted else 2]]

"""Candidates, images of three colours and jobs that train in seconds."""

from pathlib import Path
from typing import Any

import pandas as pd

from tests.conftest import COLORS, make_images
from transferline.datasets.tables import ImageTable
from transferline.datasets.views import draw_views
from transferline.models.exported import ModelCard, Phase
from transferline.params import Augment, EndToEnd, Pretrained, Problem, Thresholds, load_params
from transferline.training.training_job import Job

ROOT = Path(__file__).parents[1]
DIGITS = load_params(ROOT / "recipes" / "digits.yaml")
IMAGE = {"size": 32, "color": "rgb", "resize": "stretch"}
TRAINING = {**DIGITS.candidates["lite0_hidden"].train_head.model_dump(), "epochs": 3, "batch_size": 16}
HIDDEN = (
    {"kind": "dropout", "rate": 0.2},
    {"kind": "dense", "units": 8, "activation": "relu"},
    {"kind": "dropout", "rate": 0.2},
)
LAYERS = (
    {"kind": "rescale", "low": -1.0, "high": 1.0},
    {"kind": "conv", "filters": 8, "kernel": 3},
    {"kind": "batch_normalization"},
    {"kind": "relu"},
    {"kind": "max_pool", "size": 4},
    {"kind": "flatten"},
    {"kind": "dropout", "rate": 0.1},
)


def lite0(**changes: Any) -> dict[str, Any]:
    """The section `backbone` with EfficientNet-Lite0, whose weights are installed."""
    unfrozen = {"last": 6}
    return {"name": "efficientnet_lite0", "weights": "imagenet", "pooling": "avg", "unfreeze": unfrozen, **changes}


def candidate(**changes: Any) -> Pretrained:
    """A head and a short top on EfficientNet-Lite0."""
    settings = {
        "kind": "pretrained",
        "image": IMAGE,
        "backbone": lite0(),
        "extract": {"head_views": "flipped", "fine_tune_views": "augmented", "dtype": "float16"},
        "layers": HIDDEN,
        "train_head": TRAINING,
        "fine_tune": TRAINING,
        "train": None,
        **changes,
    }
    return Pretrained.model_validate(settings)


def frozen(**changes: Any) -> Pretrained:
    """The same without fine-tuning."""
    return candidate(**{"fine_tune": None, "backbone": lite0(unfreeze=None), **changes})


def network(training: dict[str, Any] | None = None, **changes: Any) -> EndToEnd:
    """A small network from scratch."""
    settings = {
        "kind": "end_to_end",
        "image": IMAGE,
        "layers": LAYERS,
        "train": {**TRAINING, "views": "augmented", **(training or {})},
        **dict.fromkeys(("backbone", "extract", "train_head", "fine_tune")),
        **changes,
    }
    return EndToEnd.model_validate(settings)


def make_data(raw: Path) -> tuple[Path, ImageTable]:
    """Images of three colours, and the table of their views."""
    make_images(raw)
    rows = pd.DataFrame(
        [
            {"path": f"{name}/{number}.png", "label": name, "sha256": f"{name}{number}", "kept": True,
             "split": "validation" if number < 8 else "test" if number < 12 else "train"}
            for name in COLORS
            for number in range(40)
        ]
    )  # fmt: skip
    augment = Augment.model_validate({**DIGITS.augment.model_dump(), "horizontal_flip": True, "views": 1})
    return raw, draw_views(ImageTable(rows, tuple(COLORS)), augment)


def with_two_labels(views: ImageTable) -> ImageTable:
    """The same as a multilabel problem, in which blue and green images are red as well and red ones nothing."""
    labels = {"blue": "blue|red", "green": "green|red", "red": ""}
    return ImageTable(views.rows.replace({"label": labels}), views.classes)


def two_classes(views: ImageTable) -> ImageTable:
    """The images of the first two classes."""
    return ImageTable(views.rows[views.rows["label"] != "red"].reset_index(drop=True), views.classes[:2])


def job(
    section: Any, folder: Path, phase: Phase, problem: Problem = "multiclass", rows: list[Any] | None = None
) -> Job:
    """A job for the images of `make_data`; the rows of its epochs are added to `rows`."""
    classes = tuple(COLORS)[:2] if problem == "binary" else tuple(COLORS)
    card = ModelCard(candidate="c", phase=phase, problem=problem, classes=classes, image=candidate().image)
    thresholds = Thresholds(kind="per_class", argmax_fallback=True) if problem == "multilabel" else None
    return Job(section, thresholds, card, 7, folder, ([] if rows is None else rows).append)

"""What a candidate is made of: sizes, parameters and the freeze boundary; needs no weights."""

import json
import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from transferline.data.tables import read_table
from transferline.errors import TransferlineError
from transferline.models.backbones import build_backbone
from transferline.models.cut import cut
from transferline.models.head import build_head
from transferline.params import Params, Pretrained
from transferline.paths import MANIFEST


class BoundaryTensor(BaseModel):
    """The layer that a boundary tensor comes from, and its shape for one image."""

    model_config = ConfigDict(frozen=True)

    layer: str
    shape: tuple[int, ...]


class Description(BaseModel):
    """A candidate in figures.

    Attributes:
        layers: of the backbone.
        parameters: of backbone and head together.
        train_head_parameters, fine_tune_parameters: those that the stage trains (None without the stage).
        features: values per image that the head sees.
        boundary, boundary_values, boundary_bytes: what fine_tune reads per image; empty and 0 without the stage.
    """

    model_config = ConfigDict(frozen=True)

    backbone: str
    image: tuple[int, int, int]
    layers: int
    parameters: int
    train_head_parameters: int
    fine_tune_parameters: int | None
    features: int
    boundary: tuple[BoundaryTensor, ...]
    boundary_values: int
    boundary_bytes: int


def describe(candidate: Pretrained, problem: str, classes: int) -> Description:
    """Builds a candidate with random weights and counts.

    Args:
        candidate: its params.
        problem: binary or multiclass.
        classes: their number, which `validate` finds out.

    Raises:
        TransferlineError: the backbone refuses the image size, or there is no such layer to unfreeze.
    """
    backbone = build_backbone(candidate.backbone, candidate.image, with_weights=False)
    features = backbone.output.shape[-1]
    head = build_head(features, candidate.head, problem, classes).count_params()
    layers, parameters = len(backbone.layers), backbone.count_params()
    parts = cut(backbone, candidate.backbone.unfreeze)
    tensors = parts.frozen.outputs if parts.trainable else []
    boundary = zip(parts.boundary, (tensor.shape[1:] for tensor in tensors), strict=False)
    values = sum(math.prod(tensor.shape[1:]) for tensor in tensors)
    return Description(
        backbone=candidate.backbone.name,
        image=backbone.input.shape[1:],
        layers=layers,
        parameters=parameters + head,
        train_head_parameters=head,
        fine_tune_parameters=head + _count(parts.top.trainable_weights) if parts.trainable else None,
        features=features,
        boundary=tuple(BoundaryTensor(layer=layer, shape=shape) for layer, shape in boundary),
        boundary_values=values,
        boundary_bytes=values * np.dtype(candidate.extract.dtype).itemsize,
    )


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def format_description(name: str, description: Description) -> str:
    """A candidate's description as lines for the terminal."""
    trained = description.fine_tune_parameters
    tensors = ", ".join(f"{tensor.layer} {'×'.join(map(str, tensor.shape))}" for tensor in description.boundary)
    size = f"{description.boundary_values:,} values, {description.boundary_bytes:,} bytes an image"
    rows = {
        "backbone": f"{description.backbone}, {description.layers} layers",
        "input": f"{'×'.join(map(str, description.image))}, uint8",
        "parameters": f"{description.parameters:,}",
        "trained in train_head": f"{description.train_head_parameters:,}, from {description.features:,} features",
        "trained in fine_tune": "nothing" if trained is None else f"{trained:,}",
        "freeze boundary": f"{tensors}: {size}" if tensors else "behind the last layer",
    }
    return "\n".join([name, *(f"  {label:<22} {value}" for label, value in rows.items())])


def describe_candidates(params: Params, candidate: str | None, classes: int | None, as_json: bool) -> str:
    """Describes one candidate, or all, for the terminal or as JSON.

    Args:
        params: the whole params.
        candidate: its name; None for all.
        classes: their number; None takes it from the manifest, and is 2 in a binary problem.
        as_json: JSON by candidate instead of lines.

    Raises:
        TransferlineError: there is no such candidate, or the number of classes is not known yet.
    """
    if candidate is not None and candidate not in params.candidates:
        raise TransferlineError(f"there is no candidate {candidate}; params.yaml has {', '.join(params.candidates)}")
    known = classes or (2 if params.data.problem == "binary" else _classes_of_manifest())
    names = [candidate] if candidate else list(params.candidates)
    found = {name: describe(params.candidates[name], params.data.problem, known) for name in names}
    if as_json:
        return json.dumps({name: description.model_dump(mode="json") for name, description in found.items()}, indent=2)
    return "\n\n".join(format_description(name, description) for name, description in found.items())


def _classes_of_manifest() -> int:
    if not MANIFEST.exists():
        raise TransferlineError("how many classes there are is not known before validate has run; give --classes N")
    return len(read_table(MANIFEST).classes)

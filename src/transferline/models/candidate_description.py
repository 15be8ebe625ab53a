"""Describes the network of a candidate: sizes, parameters and the freeze boundary. It needs no pretrained weights."""

import json
import math
from typing import Any

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict

from transferline.datasets.layouts.layout_table import list_dataset
from transferline.datasets.tables import read_table, split_labels
from transferline.errors import TransferlineError
from transferline.models.backbone_cut import check_boundaries, cut
from transferline.models.backbones import build_backbone, image_shape
from transferline.models.deeplab import build_decoder, build_encoder
from transferline.models.layers import build_layers, pool
from transferline.params import Candidate, Data, DeepLab, EndToEnd, Params, Pretrained, Problem
from transferline.params.problem_kinds import KINDS
from transferline.paths import MANIFEST, RAW
from transferline.text import reason_of


class Output(BaseModel):
    """A layer and the shape of its output for one image."""

    model_config = ConfigDict(frozen=True)

    layer: str
    shape: tuple[int, ...]


class TopLayer(Output):
    """A layer of the candidate that is not part of the backbone, and its number of parameters."""

    parameters: int


class Description(BaseModel):
    """The sizes of a candidate's network.

    Attributes:
        backbone: the backbone's name; None without a backbone.
        image: height, width and channels of the input, uint8.
        layers: the number of layers of the backbone; without a backbone, of the network, including its input.
        parameters: the number of parameters of the whole model.
        train_head_parameters, fine_tune_parameters, train_parameters: the number of parameters that the stage trains,
            in fine_tune at the greatest depth; None without the stage.
        features: the shape of the input of the candidate's own layers: a vector, a feature map or the image.
        own_layers: the layers that are not part of the backbone; the logits come last.
        boundary, boundary_values, boundary_bytes: the layers, values and bytes that fine_tune reads from the bank for
            each image; empty and 0 without the stage.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    backbone: str | None
    image: tuple[int, int, int]
    layers: int
    parameters: int
    train_head_parameters: int | None = None
    fine_tune_parameters: int | None = None
    train_parameters: int | None = None
    features: tuple[int, ...]
    own_layers: tuple[TopLayer, ...]
    boundary: tuple[Output, ...] = ()
    boundary_values: int = 0
    boundary_bytes: int = 0


def describe_candidate(candidate: Candidate, problem: Problem, classes: int) -> Description:
    """Builds a candidate with random weights and returns its sizes.

    Args:
        candidate: the params of the candidate.
        problem: the kind of problem, which determines the number of logits.
        classes: the number of classes, which `validate` determines.

    Raises:
        TransferlineError: the backbone does not accept the image size, layers do not fit together, or `unfreeze` is
            wrong, see `check_boundaries`.
    """
    if isinstance(candidate, EndToEnd):
        return _describe_network(candidate, problem, classes)
    if isinstance(candidate, DeepLab):
        return _describe_deeplab(candidate, classes)
    return _describe_pretrained(candidate, problem, classes)


def _describe_deeplab(candidate: DeepLab, classes: int) -> Description:
    encoder = build_encoder(candidate, with_weights=False)
    decoder = build_decoder(encoder, candidate, classes)
    frozen = candidate.train.frozen_epochs == candidate.train.epochs
    return Description(
        kind=candidate.kind,
        backbone=candidate.backbone.name,
        image=image_shape(candidate.image),
        layers=len(encoder.layers),
        parameters=encoder.count_params() + decoder.count_params(),
        train_parameters=_count(decoder.trainable_weights) + (0 if frozen else _count(encoder.trainable_weights)),
        features=encoder.outputs[1].shape[1:],
        own_layers=_own_layers(decoder),
    )


def _describe_network(candidate: EndToEnd, problem: Problem, classes: int) -> Description:
    shape = image_shape(candidate.image)
    network = build_layers(shape, candidate.layers, problem, classes)
    return Description(
        kind=candidate.kind,
        backbone=None,
        image=shape,
        layers=len(network.layers),
        parameters=network.count_params(),
        train_parameters=_count(network.trainable_weights),
        features=shape,
        own_layers=_own_layers(network),
    )


def _describe_pretrained(candidate: Pretrained, problem: Problem, classes: int) -> Description:
    backbone = build_backbone(candidate.backbone, candidate.image, with_weights=False)
    layers, parameters = len(backbone.layers), backbone.count_params()
    features = pool(backbone.output, candidate.backbone.pooling).shape[1:]
    head = build_layers(features, candidate.layers, problem, classes)
    trained = _count(head.trainable_weights)
    check_boundaries(backbone, candidate.backbone.boundaries)
    depths = [_count(cut(backbone, each).top.trainable_weights) for each in candidate.backbone.boundaries]
    parts = cut(backbone, candidate.backbone.bank_boundary)
    tensors = parts.frozen.outputs if parts.trainable else []
    boundary = zip(parts.boundary, (tensor.shape[1:] for tensor in tensors), strict=False)
    values = sum(math.prod(tensor.shape[1:]) for tensor in tensors)
    return Description(
        kind=candidate.kind,
        backbone=candidate.backbone.name,
        image=image_shape(candidate.image),
        layers=layers,
        parameters=parameters + head.count_params(),
        train_head_parameters=trained if candidate.train_head else None,
        fine_tune_parameters=trained + max(depths) if depths else None,
        features=features,
        own_layers=_own_layers(head),
        boundary=tuple(Output(layer=layer, shape=shape) for layer, shape in boundary),
        boundary_values=values,
        boundary_bytes=values * np.dtype(candidate.extract.dtype).itemsize,
    )


def _own_layers(model: keras.Model) -> tuple[TopLayer, ...]:
    return tuple(
        TopLayer(layer=layer.name, shape=layer.output.shape[1:], parameters=layer.count_params())
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    )


def _count(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def format_description(name: str, description: Description) -> str:
    """Returns a candidate's description as lines for the terminal."""
    counts = {
        "trained in train_head": description.train_head_parameters,
        "trained in fine_tune": description.fine_tune_parameters,
        "trained in train": description.train_parameters,
    }
    rows = {
        "network" if description.backbone is None else "backbone": f"{description.backbone or 'from scratch'}, "
        f"{description.layers} layers",
        "input": f"{_times(description.image)}, uint8",
        "parameters": f"{description.parameters:,}",
        **{label: f"{count:,}" for label, count in counts.items() if count is not None},
    }
    if description.boundary:
        tensors = ", ".join(f"{tensor.layer} {_times(tensor.shape)}" for tensor in description.boundary)
        size = f"{description.boundary_values:,} values, {description.boundary_bytes:,} bytes an image"
        rows["freeze boundary"] = f"{tensors}: {size}"
    if description.backbone:
        rows["features"] = _times(description.features)
    lines = [f"  {label:<22} {value}" for label, value in rows.items()]
    layers = [
        f"    {layer.layer:<32} {_times(layer.shape):<16} {layer.parameters:>12,}" for layer in description.own_layers
    ]
    return "\n".join([name, *lines, *layers])


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def describe_candidates(params: Params, candidate: str | None, classes: int | None, as_json: bool) -> str:
    """Describes one candidate or all candidates, for the terminal or as JSON.

    Args:
        params: the whole params.
        candidate: the candidate's name; None for all.
        classes: the number of classes; None means 2 for a binary problem, else the number in the data.
        as_json: whether to return JSON, with one entry per candidate, instead of lines.

    Raises:
        TransferlineError: there is no such candidate, it cannot be built, or the number of classes is not known yet.
    """
    if candidate is not None and candidate not in params.candidates:
        raise TransferlineError(f"there is no candidate {candidate}; params.yaml has {', '.join(params.candidates)}")
    known = classes or KINDS[params.data.problem].classes or _count_classes(params.data)
    names = [candidate] if candidate else list(params.candidates)
    found = {name: _describe_named(name, params, known) for name in names}
    if as_json:
        return json.dumps({name: description.model_dump(mode="json") for name, description in found.items()}, indent=2)
    return "\n\n".join(format_description(name, description) for name, description in found.items())


def _describe_named(name: str, params: Params, classes: int) -> Description:
    try:
        return describe_candidate(params.candidates[name], params.data.problem, classes)
    except TransferlineError as error:
        raise TransferlineError(f"candidates.{name}: {reason_of(error)}") from error


def _count_classes(data: Data) -> int:
    """Counts the classes: those of the manifest, or else of the files in the dataset's folder."""
    if data.masks:
        return len(data.masks.classes)
    raw = RAW / data.dataset
    table = read_table(MANIFEST) if MANIFEST.exists() else None
    # After `transferline use` the manifest may belong to another dataset.
    if table and (raw / table.rows["path"].iloc[0]).exists():
        return len(table.classes)
    if not raw.is_dir():
        raise TransferlineError(
            f"the number of classes of {data.dataset} is not known, because {raw} is missing; give --classes N"
        )
    labels = list_dataset(raw, data.layout).files["label"].dropna()
    several = KINDS[data.problem].several_labels
    return len({name for label in labels.unique() for name in (split_labels(label) if several else [label])})

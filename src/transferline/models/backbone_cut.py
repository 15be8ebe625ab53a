"""Cuts a backbone into frozen layers, which run once, and the layers that fine-tuning trains."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras
import networkx as nx

from transferline.errors import TransferlineError
from transferline.params import Unfreeze

# The cost of a stored value in the search for the boundary. A value that each epoch computes again costs 1. A boundary
# nearer to the input makes frozen layers run in every epoch, so it is chosen only if it is clearly narrower.
STORED = 10


@dataclass(frozen=True)
class Cut:
    """A backbone in two parts that share its layers and weights.

    Attributes:
        frozen: the model from the backbone's input to the list of boundary tensors.
        top: the model from the list of boundary tensors to the backbone's output. Wrap it in `InferenceMode` to train
            it.
        boundary: the names of the layers whose outputs are the boundary tensors.
        trainable: the layers with weights that fine-tuning trains; all others have `trainable` set to False.
    """

    frozen: keras.Model
    top: keras.Model
    boundary: tuple[str, ...]
    trainable: tuple[keras.Layer, ...]


class InferenceMode(keras.layers.Layer):  # type: ignore[misc]
    """A layer that runs a model in inference mode, also during training: batch normalisation keeps its statistics.

    Gamma and beta can still be trained. `model(x, training=False)` in a functional model is not enough: Keras 3.15
    replaces that argument with the mode of the outer model.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name=f"{model.name}_in_inference_mode")
        self.model = model

    def call(self, inputs: Any) -> Any:
        """Returns the model's output."""
        return self.model(inputs, training=False)


def cut(backbone: keras.Model, unfreeze: Unfreeze | None) -> Cut:
    """Freezes a backbone up to a layer and cuts it at the narrowest set of tensors before the trainable layers.

    It is a minimum cut of the graph of layers (Ford and Fulkerson, Maximal flow through a network, 1956). The cost of
    a cut is the number of values per image that are stored, plus a tenth of the number of values of the frozen layers
    after the boundary, which each epoch computes again. The backbone's input, and outputs computed from it without
    weights, are boundary tensors only if no other cut exists.

    Args:
        backbone: a functional model with one input and one output. The function sets `trainable` of its layers.
        unfreeze: the layers to train, as names or indices of `backbone.layers`; None cuts after the last layer.

    Raises:
        TransferlineError: there is no such layer, or the layers to train have no weights.
    """
    chosen = backbone.layers[_first(backbone, unfreeze) :] if unfreeze else []
    for layer in backbone.layers:
        layer.trainable = layer in chosen
    trainable = tuple(layer for layer in chosen if layer.trainable_weights)
    if unfreeze and not trainable:
        from_end = enumerate(reversed(backbone.layers), 1)
        nearest = next((f"{place}, {layer.name}" for place, layer in from_end if layer.weights), "missing")
        raise TransferlineError(
            f"unfreeze trains nothing: {backbone.name} has no weights from layer {chosen[0].name} on; choose an "
            f"earlier one. Counted from the end, the first one with weights is {nearest}"
        )
    boundary = _narrowest(backbone, trainable) if trainable else [_last(backbone)]
    tensors = [operation.output for operation in boundary]
    output = backbone.output if trainable else keras.layers.Identity()(backbone.output)
    return Cut(
        frozen=keras.Model(backbone.input, tensors, name="frozen"),
        top=keras.Model(tensors, output, name="top"),
        boundary=tuple(operation.name for operation in boundary),
        trainable=trainable,
    )


def check_boundaries(backbone: keras.Model, boundaries: Sequence[Unfreeze]) -> None:
    """Checks that each boundary trains more layers than the one before. It sets `trainable` of the backbone's layers.

    Raises:
        TransferlineError: it does not; or see `cut`.
    """
    counts = [len(cut(backbone, boundary).trainable) for boundary in boundaries]
    for place, (count, deeper) in enumerate(pairwise(counts), 1):
        if deeper <= count:
            raise TransferlineError(
                f"unfreeze.{place} trains {deeper} layers with weights, unfreeze.{place - 1} trains {count}; list the "
                "boundaries from shallow to deep, so that each trains more layers than the one before"
            )


def _first(backbone: keras.Model, unfreeze: Unfreeze) -> int:
    """Returns the index of the first layer to train."""
    names = [layer.name for layer in backbone.layers]
    wanted = len(names) - unfreeze.last if unfreeze.last else unfreeze.from_layer
    if isinstance(wanted, str):
        if wanted in names:
            return names.index(wanted)
        near = difflib.get_close_matches(wanted, names, 5, 0.5)
        raise TransferlineError(
            f"unfreeze.from_layer: {backbone.name} has no layer {wanted!r}; "
            + (f"similar names are {', '.join(near)}" if near else f"its last layers are {', '.join(names[-3:])}")
        )
    if wanted is None or not 0 <= wanted < len(names):
        raise TransferlineError(
            f"unfreeze: {backbone.name} has {len(names)} layers, so from_layer must be from 0 to {len(names) - 1} "
            f"and last from 1 to {len(names)}; got {unfreeze.last or unfreeze.from_layer}"
        )
    return wanted


def inputs_by_operation(model: keras.Model) -> dict[Any, list[Any]]:
    """Returns the operations of a functional model in their order, each with the operations whose outputs it reads."""
    made_by = {id(tensor): each for each in model.operations for tensor in keras.tree.flatten(each.output)}
    read = {each: keras.tree.flatten(each.input) for each in model.operations if not _is_input(each)}
    return {
        each: [made_by[id(tensor)] for tensor in read.get(each, []) if id(tensor) in made_by]
        for each in model.operations
    }


def _is_input(operation: Any) -> bool:
    return isinstance(operation, keras.layers.InputLayer)


def _last(backbone: keras.Model) -> Any:
    """Returns the operation whose output is the model's output."""
    return next(each for each in backbone.operations if each.name == backbone.output_names[0])


def _narrowest(backbone: keras.Model, trainable: tuple[keras.Layer, ...]) -> list[Any]:
    """Returns the operations whose outputs separate the input from the trainable layers and the output, in order."""
    graph = nx.DiGraph()
    values = {operation: math.prod(operation.output.shape[1:]) for operation in backbone.operations}
    without_weights = set[Any]()
    for operation, inputs in inputs_by_operation(backbone).items():
        if not getattr(operation, "variables", []) and without_weights.issuperset(inputs):
            without_weights.add(operation)
        # Each epoch computes an operation again, unless it is on the source's side of the cut.
        graph.add_edge("source", (operation, "in"), **({"capacity": values[operation]} if inputs else {}))
        last_resort = STORED * sum(values.values()) if operation in without_weights else 0
        graph.add_edge((operation, "in"), (operation, "out"), capacity=STORED * values[operation] + last_resort)
        graph.add_edges_from(((source, "out"), (operation, "in")) for source in inputs)
        # Outputs that depend on a trainable layer cannot be stored.
        graph.add_edges_from(((operation, "in"), (source, "in")) for source in inputs)
    for operation in (*trainable, _last(backbone)):
        graph.add_edge((operation, "in"), "sink")
    _, (stored, _) = nx.minimum_cut(graph, "source", "sink")
    return [each for each in backbone.operations if (each, "in") in stored and (each, "out") not in stored]

"""Backbones and networks of the user's own, from `networks/`; the contract is the docstring of that package."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from transferline.errors import TransferlineError
from transferline.own_code import file_of, own_function

if TYPE_CHECKING:
    import keras


def own_backbone(name: str, shape: tuple[int, ...]) -> "keras.Model":
    """Builds a backbone of the user's, from `shape` (height, width, channels) to a feature map.

    Raises:
        TransferlineError: there is no such function, it fails, or what it returns is against the contract.
    """
    return _checked(name, own_function(name)(shape), shape, (None, None, None))


def own_network(name: str, shape: tuple[int, ...], outputs: int) -> "keras.Model":
    """Builds a network of the user's, from `shape` to `outputs` logits; raises as `own_backbone` does."""
    return _checked(name, own_function(name)(shape, outputs), shape, (outputs,))


def _checked(name: str, model: Any, shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> "keras.Model":
    """The model as a functional one, if it takes `shape` and gives `wanted`, in which None is any size."""
    import keras

    if not isinstance(model, keras.Model):
        raise TransferlineError(
            f"{name} in {file_of(name)} returned {type(model).__name__}; it must return a keras.Model"
        )
    try:
        (image,), (output,) = model.inputs, model.outputs
        functional = keras.Model(image, output, name=model.name)
    except (TypeError, ValueError, AttributeError) as error:
        raise TransferlineError(
            f"{name} in {file_of(name)} must return a functional or sequential model with one input and one output"
        ) from error
    source, result = image.shape, output.shape
    fits = len(result) == len(wanted) + 1 and all(w in (None, got) for w, got in zip(wanted, result[1:], strict=True))
    if source[1:] != shape or not fits:
        goal = "a feature map (height, width, channels)" if wanted[-1] is None else f"{wanted}, the logits"
        raise TransferlineError(
            f"{name} in {file_of(name)} returned a model from {source[1:]} to {result[1:]}; "
            f"it must go from {shape} to {goal}"
        )
    if foreign := sorted(set(_foreign(keras.saving.serialize_keras_object(functional)))):
        raise TransferlineError(
            f"{name} in {file_of(name)} holds {', '.join(foreign)}: the exported model could not be loaded without "
            "that file; use Keras's own layers and operations only, and no Lambda"
        )
    return functional


def _foreign(config: Any) -> Iterator[str]:
    """The classes and functions in a serialized model that are not Keras's own, and lambdas."""
    if isinstance(config, dict):
        named = str(config.get("class_name", "__"))
        is_keras = str(config.get("module")).partition(".")[0] == "keras" and named != "Lambda"
        if not named.startswith("__") and not is_keras:
            yield str(config["config"]) if named == "function" else named
        config = list(config.values())
    if isinstance(config, list | tuple):
        for part in config:
            yield from _foreign(part)

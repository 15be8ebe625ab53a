"""The user's own backbones and networks, from `networks/`. The docstring of that package lists the requirements."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from transferline.errors import TransferlineError
from transferline.own_code import file_of, own_function
from transferline.text import first_of

if TYPE_CHECKING:
    import keras

LAYER_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # what TensorFlow allows
SHOWN = 5  # names in a message


def own_backbone(name: str, shape: tuple[int, ...]) -> "keras.Model":
    """Builds a backbone of the user, from `shape` (height, width, channels) to a feature map.

    Raises:
        TransferlineError: there is no such function, it fails, or the model that it returns is not as required.
    """
    return _checked(name, own_function(name)(shape), shape, (None, None, None))


def own_network(name: str, shape: tuple[int, ...], outputs: int) -> "keras.Model":
    """Builds a network of the user, from `shape` to `outputs` logits. It raises the errors of `own_backbone`."""
    return _checked(name, own_function(name)(shape, outputs), shape, (outputs,))


def _checked(name: str, model: Any, shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> "keras.Model":
    """Returns the model as a functional model, after checks of its input `shape` and its output shape `wanted`.

    None in `wanted` allows any size.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TransferlineError(
            f"{name} in {file_of(name)} returned {type(model).__name__}; it must return a keras.Model"
        )
    try:
        (image,), (output,) = model.inputs, model.outputs
        # the name that the user gives can be that of another part of the whole model
        functional = keras.Model(image, output, name=name.replace(".", "_").replace(":", "_"))
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
            f"it must take {shape} and return {goal}"
        )
    if wrong := [repr(layer.name) for layer in functional.layers if not LAYER_NAME.fullmatch(layer.name)]:
        raise TransferlineError(
            f"{name} in {file_of(name)} has layers called {first_of(wrong, SHOWN)}; use only letters from a to z, "
            "digits and _ . / - in their names"
        )
    if foreign := sorted(set(_foreign(keras.saving.serialize_keras_object(functional)))):
        raise TransferlineError(
            f"{name} in {file_of(name)} contains {', '.join(foreign)}: the saved model could not be loaded without "
            "that file; use only Keras's own layers and operations, and no Lambda"
        )
    return functional


def _foreign(config: Any) -> Iterator[str]:
    """Yields the classes and functions in a serialized model that are not Keras's own, and lambdas."""
    if isinstance(config, dict):
        named = str(config.get("class_name", "__"))
        is_keras = str(config.get("module")).partition(".")[0] == "keras" and named != "Lambda"
        if not named.startswith("__") and not is_keras:
            yield str(config["config"]) if named == "function" else named
        config = list(config.values())
    if isinstance(config, list | tuple):
        for part in config:
            yield from _foreign(part)

"""Loads weights from files, after a check of the file."""

import warnings
from itertools import groupby
from pathlib import Path
from zipfile import BadZipFile

import keras

from transferline.errors import TransferlineError
from transferline.hashes import file_sha256
from transferline.models.torch_file import read_torch_state


def check_sha256(path: Path, wanted: str) -> None:
    """Checks that the file's sha256 is `wanted`, in hexadecimal digits.

    Raises:
        TransferlineError: the file cannot be read, or its sha256 differs.
    """
    try:
        found = file_sha256(path)
    except OSError as error:
        raise TransferlineError(f"the weights {path} cannot be read: {error.strerror}") from error
    if found != wanted:
        raise TransferlineError(
            f"the weights {path} have the sha256 {found}, but it must be {wanted}; "
            "download the file again, or correct weights.sha256 if this file is the right one"
        )


def load_weights_file(model: keras.Model, path: Path) -> None:
    """Loads a file of weights into a model: Keras's `.weights.h5`, `.keras` or older `.h5`.

    EfficientNet-Lite0, Lite1 and Lite2 also accept PyTorch's `.pth`.

    Raises:
        TransferlineError: the file does not fit the model or has another format.
    """
    allowed = (".h5", ".keras", *((".pth",) if model.name.startswith("efficientnet_lite") else ()))
    if path.suffix not in allowed:
        raise TransferlineError(
            f"the weights {path} must be a file that ends in {' or '.join(allowed)} for {model.name}"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # a warning for each layer; the error below is enough
            load_torch_weights(model, path) if path.suffix == ".pth" else model.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise TransferlineError(f"the weights {path} do not fit {model.name} without its top: {reason}") from error


def load_torch_weights(model: keras.Model, path: Path) -> None:
    """Sets the weights of a model's layers to the tensors of a PyTorch file, in the same order.

    If the model does not end with a dense layer, the classifier `_fc` of the file is left out.

    Raises:
        ValueError: the number of layers or the shapes differ.
        TransferlineError: the file cannot be read.
    """
    has_top = isinstance(model.layers[-1], keras.layers.Dense)
    state = {name: tensor for name, tensor in read_torch_state(path).items() if has_top or not name.startswith("_fc.")}
    modules = [list(names) for _, names in groupby(state, lambda name: name.rpartition(".")[0])]
    for layer, names in zip([layer for layer in model.layers if layer.weights], modules, strict=True):
        # The weight, and for batch normalisation also bias, mean and variance; not the scalar num_batches_tracked.
        tensors = [state[name] for name in names if state[name].ndim]
        if tensors[0].ndim == 4:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            tensors[0] = tensors[0].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        elif tensors[0].ndim == 2:
            tensors[0] = tensors[0].T
        layer.set_weights(tensors)

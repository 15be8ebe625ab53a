"""Backbones: networks without their top, with weights, and the preprocessing that they were trained with."""

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transferline.errors import TransferlineError
from transferline.models.networks import own_backbone
from transferline.models.weights import check_sha256, load_weights_file
from transferline.own_code import is_own
from transferline.params import Backbone, Image, WeightsFile
from transferline.params.backbone_names import BACKBONES

CHANNELS = {"rgb": 3, "grayscale": 1}

NO_WEIGHTS = """the ImageNet weights of {name} cannot be had: {error}
  Behind a proxy, set HTTPS_PROXY. Offline, put that file into Keras's cache, ~/.keras/models, or copy this folder
  from a machine where the backbone has been used. Or take efficientnet_lite0, whose weights are installed. A candidate
  also takes a file of your own: weights: {{path: …, sha256: …}}"""


def image_shape(image: Image) -> tuple[int, int, int]:
    """Height, width and channels of an image."""
    return image.size, image.size, CHANNELS[image.color]


def build_backbone(backbone: Backbone, image: Image, with_weights: bool = True) -> keras.Model:
    """Builds a backbone, (size, size, channels) float32 after `preprocessing` to the feature map before pooling.

    Layer names, and random weights where `weights` is none, are the same in every process: the stages of a candidate
    each build the backbone. Keras's counters for names and its session are reset for that (`clear_session`).

    Args:
        backbone: the name, width and weights.
        image: the size in pixels and the colour mode.
        with_weights: False leaves the weights random, where only the shape of the network matters.

    Raises:
        TransferlineError: the backbone refuses the image size or `alpha`; the weights cannot be had or do not fit; or
            a backbone of the user's is against the contract.
    """
    weights = backbone.weights if with_weights else "none"
    if isinstance(weights, WeightsFile):
        check_sha256(Path(weights.path), weights.sha256)
    with _as_in_a_fresh_process():
        model = _construct(backbone, image, "imagenet" if weights == "imagenet" else None)
    if isinstance(weights, WeightsFile):
        load_weights_file(model, Path(weights.path))
    return model


@contextmanager
def _as_in_a_fresh_process() -> Iterator[None]:
    strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
    keras.utils.clear_session(free_memory=False)
    tf.distribute.experimental_set_strategy(strategy)  # clearing the session drops it
    state = random.getstate()
    random.seed(0)  # Keras draws the seeds of initializers from here
    try:
        yield
    finally:
        random.setstate(state)


def _construct(backbone: Backbone, image: Image, weights: str | None) -> keras.Model:
    shape = image_shape(image)
    if is_own(backbone.name):
        return own_backbone(backbone.name, shape)
    width = {} if backbone.alpha is None else {"alpha": backbone.alpha}
    try:
        return construct(backbone.name, include_top=False, weights=weights, input_shape=shape, **width)
    except ValueError as error:
        raise TransferlineError(
            f"{backbone.name} cannot be built for images of {shape} {width or ''}: {error}"
        ) from error


def construct(name: str, **arguments: Any) -> keras.Model:
    """Calls a backbone's constructor.

    Raises:
        ValueError: it refuses the arguments.
        TransferlineError: the weights cannot be had.
    """
    entry = BACKBONES[name]
    home: Any = importlib.import_module(entry.module)
    if not hasattr(home, entry.constructor):
        home = keras.applications  # MobileNetV3's constructors are only there
    try:
        return getattr(home, entry.constructor)(**arguments)
    except (ValueError, TransferlineError):
        raise
    except Exception as error:  # Keras's downloader raises no narrower one
        raise TransferlineError(NO_WEIGHTS.format(name=name, error=error)) from error


def preprocessing(name: str) -> Callable[[Any], Any]:
    """The preprocessing of a backbone, as Keras layers that an exported model can hold.

    What it does is read off the `preprocess_input` of the backbone's module: a scale and an offset per channel, and
    for some the order BGR. A single grey channel gets the mean of the three. A backbone of the user's holds its own.

    Returns:
        A function of images (n, height, width, 3 or 1) of any dtype, values 0 to 255, Keras or plain tensors, whose
        result has the same shape and is float32.
    """
    if is_own(name):
        return lambda image: keras.layers.Rescaling(1.0, name="preprocessing")(image)  # to float32
    function = importlib.import_module(BACKBONES[name].module).preprocess_input
    black, *primaries = function(np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)])[:, None])[:, 0]
    response = (np.array(primaries) - black) / 255  # rows: channels of the image, columns: channels of the result
    order, scale = np.abs(response).argmax(axis=0), response.sum(axis=0)

    def apply(image: Any) -> Any:
        is_grey = image.shape[-1] == 1
        factors = [[values.mean()] if is_grey else values.tolist() for values in (scale, black)]
        reverse = order.tolist() == [2, 1, 0] and not is_grey
        return keras.layers.Rescaling(*factors, name="preprocessing")(keras.ops.flip(image, -1) if reverse else image)

    return apply

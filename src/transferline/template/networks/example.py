"""A small backbone and a small network as examples; `networks/__init__.py` describes the requirements."""

import keras
from keras import layers


def tiny_backbone(shape: tuple[int, int, int]) -> keras.Model:
    """Builds three convolutions that each halve the side, with batch normalisation; the last has 32 channels."""
    image = x = layers.Input(shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(x)
    for number, channels in enumerate((8, 16, 32), 1):
        x = layers.Conv2D(channels, 3, 2, "same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.BatchNormalization(name=f"normalize_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(x)
    return keras.Model(image, x, name="tiny_backbone")


def tiny_network(shape: tuple[int, int, int], outputs: int) -> keras.Model:
    """Builds two convolutions and a mean over the image."""
    image = x = layers.Input(shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(x)
    for number, channels in enumerate((16, 32), 1):
        x = layers.Conv2D(channels, 3, 2, "same", activation="relu", name=f"conv_{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(outputs, name="logits")(x), name="tiny_network")

"""The plain Keras way, as the tutorials on transfer learning have it: everything in one model, `fit`."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from benchmarks.harness import Clock

SIZE, BATCH = 160, 32


class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Seconds of each epoch, with its validation."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clock."""
        self._clock = Clock()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads it."""
        self.figures.append(self._clock.read())


def datasets(folder: Path) -> list[Any]:
    """Train and validation."""
    load = keras.utils.image_dataset_from_directory
    splits = ("train", "validation")
    found = [
        load(folder / split, image_size=(SIZE, SIZE), batch_size=BATCH, label_mode="int", seed=7, verbose=False)
        for split in splits
    ]
    return [each.prefetch(tf.data.AUTOTUNE) for each in found]


def build(base: Any, units: int = 1) -> Any:
    """Augmentation, preprocessing, frozen backbone, pooling, dropout and the logits."""
    base.trainable = False
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.RandomFlip("horizontal")(image)
    x = keras.layers.RandomRotation(0.2)(x)
    x = keras.layers.RandomZoom(0.2)(x)
    x = keras.layers.RandomContrast(0.2)(x)
    x = keras.layers.Rescaling(1 / 127.5, -1)(x)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    return keras.Model(image, keras.layers.Dense(units)(keras.layers.Dropout(0.2)(x)))


def fit(model: Any, optimizer: Any, train: Any, validation: Any, epochs: int) -> list[dict[str, float]]:
    """Compiles and fits; the seconds of each epoch."""
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    seconds = Epochs()
    model.fit(train, validation_data=validation, epochs=epochs, callbacks=[seconds], verbose=0)
    return seconds.figures


def unfreeze(base: Any, first: int = 100) -> None:
    """All layers from `first` on."""
    base.trainable = True
    for layer in base.layers[:first]:
        layer.trainable = False


def extrapolated(before: dict[str, float], epochs: list[dict[str, float]], count: int) -> dict[str, float]:
    """`before`, the first epoch, which compiles, and `count - 1` like the quickest of those after it."""
    later = min(epochs[1:], key=lambda each: each["wall"])
    return {key: before[key] + epochs[0][key] + (count - 1) * later[key] for key in before}


def notebook(folder: Path) -> dict[str, Any]:
    """Both phases, of two epochs each: those that follow cost the same as the second."""
    started = Clock()
    train, validation = datasets(folder / "photos")
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    model = build(base)
    built = started.read()
    head = fit(model, keras.optimizers.Adam(1e-3), train, validation, 2)
    unfreeze(base)
    tuned = fit(model, keras.optimizers.RMSprop(1e-5), train, validation, 2)
    of_head, nothing = extrapolated(built, head, 20), dict.fromkeys(built, 0.0)
    of_tuning = extrapolated(nothing, tuned, 10)
    return {
        "head": of_head,
        "epoch": min(tuned[1:], key=lambda each: each["wall"]),
        "recipe": {key: of_head[key] + of_tuning[key] for key in of_head},
    }

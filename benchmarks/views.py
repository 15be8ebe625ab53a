"""Milliseconds per image of drawing augmented views: transferline's fused transform beside the Keras layers.

    python benchmarks/views.py [--data FOLDER] [--images N] [--size PX] [--rounds N]

Both flip, rotate, zoom and change the contrast of the same images by the same ranges, in alternation, in one process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from transferline import environment

environment.prepare(Path.cwd())

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import tensorflow as tf  # noqa: E402

from transferline.datasets.file_formats import IMAGE_SUFFIXES  # noqa: E402
from transferline.datasets.images import read_batch  # noqa: E402
from transferline.datasets.tables import ImageTable  # noqa: E402
from transferline.datasets.transforms import apply_views  # noqa: E402
from transferline.datasets.views import draw_views  # noqa: E402
from transferline.params import Augment, Image  # noqa: E402

BATCH = 32
STILL = dict.fromkeys(("shift_x", "shift_y", "shear", "brightness"), (0.0, 0.0))
RANGES = {"rotation": (-20.0, 20.0), "zoom": (0.8, 1.2), "contrast": (0.8, 1.2)}


def read_images(folder: Path | None, count: int, size: int) -> np.ndarray:
    """Images of `folder`, again from the first where it has fewer, or noise: uint8, (count, size, size, 3)."""
    if folder is None:
        return np.random.default_rng(7).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return read_batch(folder, list(np.resize(paths, count)), Image(size=size, color="rgb", resize="stretch"))


def fused_transform(count: int) -> Callable[[np.ndarray, int], object]:
    """Draws the views of a table, whose rows are read and turned into matrices within the time measured."""
    augment = Augment(seed=7, views=1, horizontal_flip=True, vertical_flip=False, fill="reflect", **RANGES, **STILL)
    names = [f"{i:064x}" for i in range(count)]
    manifest = pd.DataFrame({"path": names, "sha256": names, "label": "a", "split": "train", "kept": True})
    rows = draw_views(ImageTable(manifest, ("a",)), augment).rows.query("kind == 'augmented'")
    return lambda images, start: apply_views(images, rows[start : start + len(images)])


def keras_layers() -> Callable[[np.ndarray, int], object]:
    """The usual stack of layers, in a graph, as in a data pipeline."""
    flip = keras.layers.RandomFlip("horizontal", seed=7)
    rotate = keras.layers.RandomRotation(20 / 360, fill_mode="reflect", seed=7)
    zoom = keras.layers.RandomZoom((-0.2, 0.2), fill_mode="reflect", seed=7)
    contrast = keras.layers.RandomContrast(0.2, value_range=(0, 255), seed=7)
    stack = keras.Sequential([flip, rotate, zoom, contrast])
    graph = tf.function(lambda images: stack(tf.cast(images, tf.float32), training=True))
    return lambda images, start: graph(images).numpy()


def milliseconds(draw: Callable[[np.ndarray, int], object], images: np.ndarray) -> float:
    """Per image, for all of `images`."""
    begin = time.perf_counter()
    for start in range(0, len(images), BATCH):
        draw(images[start : start + BATCH], start)
    return (time.perf_counter() - begin) * 1000 / len(images)


def show(what: str, figures: list[float]) -> None:
    """Prints smallest, median and largest."""
    print(f"{what:30} min {min(figures):.2f}  median {statistics.median(figures):.2f}  max {max(figures):.2f}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with images; noise where it is left out")
    parser.add_argument("--images", type=int, default=256, help=f"rounded to a multiple of {BATCH}")
    parser.add_argument("--size", type=int, default=160, help="pixels")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    images = read_images(options.data, max(options.images // BATCH, 1) * BATCH, options.size)
    ours, theirs = fused_transform(len(images)), keras_layers()
    pairs = [(milliseconds(ours, images), milliseconds(theirs, images)) for _ in range(options.rounds + 1)]
    pairs = pairs[1:]  # the first compiles
    print(f"{len(images)} images of {options.size} px, {options.rounds} rounds, {os.cpu_count()} cores")
    show("transferline, ms per image", [mine for mine, _ in pairs])
    show("Keras layers, ms per image", [layers for _, layers in pairs])
    show("Keras / transferline", [layers / mine for mine, layers in pairs])


if __name__ == "__main__":
    main()

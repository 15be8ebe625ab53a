"""`validate` beside bare decoding: the same files, on all cores, decoded and resized and nothing else.

On each photograph in four turns: the rules take Great Expectations half a second however few files there are.
"""

import os
from pathlib import Path
from typing import Any

from benchmarks.harness import Clock, Row
from benchmarks.photos import lay_out
from transferline.datasets.checks.scan import scan
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.layouts.layout_table import list_dataset
from transferline.params import load_params

WAYS = ("validate", "decode")
ROWS = (
    Row("`validate`, every file looked at, against bare decoding", "validate.scan", "decode.read", 0.7, 0.9),
    Row("`validate` with its rules and report, the same", "validate.whole", "decode.read", 0.7, 0.9),
)
ROOT = Path(__file__).parents[1]
TURNS = 4


def _files(folder: Path) -> Path:
    photos, turned = folder / "photos", folder / "turned"
    if not turned.exists():
        lay_out(photos, turned, TURNS * sum(path.is_file() for path in photos.rglob("*")))
    return turned


def validate(folder: Path) -> dict[str, Any]:
    """Reading alone, and all that the stage does with what it read."""
    params, photos = load_params(ROOT / "recipes" / "cats_vs_dogs.yaml"), _files(folder)
    paths = list(list_dataset(photos, params.data.layout).files["path"])
    started = Clock()
    scan(photos, paths)
    figures = {"scan": started.read()}
    started = Clock()
    validate_dataset(photos, params.data, params.validate_)
    return {**figures, "whole": started.read()}


def decode(folder: Path) -> dict[str, Any]:
    """tf.data: read, decode, resize to 160 px."""
    import tensorflow as tf

    paths = [str(path) for path in sorted(_files(folder).rglob("*.jpg"))]

    def read(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.image.resize(image, (160, 160))

    data = tf.data.Dataset.from_tensor_slices(paths).map(read, num_parallel_calls=os.cpu_count()).batch(32)
    next(iter(data.take(1)))
    started = Clock()
    for _ in data:
        pass
    return {"read": started.read()}

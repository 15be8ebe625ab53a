"""The row of `views.py`: both ways draw the same images in alternation, in one process per round."""

from pathlib import Path
from typing import Any

from benchmarks.harness import Clock, Row
from benchmarks.views import BATCH, fused_transform, keras_layers, read_images

WAYS = ("both",)
ROWS = (Row("applying views, ms an image, against Keras layers", "both.ours", "both.theirs", 2, 4, "ms"),)
IMAGES, TURNS = 256, 3


def both(folder: Path) -> dict[str, Any]:
    """The quickest of some turns of each; the first one compiles and is not counted."""
    images = read_images(folder / "photos", IMAGES, 160)
    ways = {"ours": fused_transform(IMAGES), "theirs": keras_layers()}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(TURNS + 1):
        for name, draw in ways.items():
            clock = Clock()
            for start in range(0, IMAGES, BATCH):
                draw(images[start : start + BATCH], start)
            turns[name].append({key: 1000 * value / IMAGES for key, value in clock.read().items()})
    return {name: min(found[1:], key=lambda turn: turn["wall"]) for name, found in turns.items()}

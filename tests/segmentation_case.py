"""A project in the state after validate and training, made in seconds. Its segmentation models have one layer, which
recognises the colours."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import COLORS, ROOT
from tests.empty_databases import give_mlflow_database
from tests.exported_folder import exported
from tests.tiny_masks import CLASSES, FOLDERS, MASKS, make_pair, make_segmented
from transferline.atomic_files import write_json
from transferline.datasets.tables import ImageTable, write_table
from transferline.hashes import file_sha256
from transferline.models.exported import ModelCard
from transferline.params import Image, Params, load_params
from transferline.training.model_folder import Summary, write_result

IMAGE = Image(size=48, color="rgb", resize="pad")
HISTORY = {
    "phase": "train", "epoch": 1, "loss": 1.0, "mean_iou": 0.5, "val_loss": 1.0, "val_mean_iou": 0.5,
    "learning_rate": 0.1, "seconds": 1.0, "images_per_second": 9.0,
}  # fmt: skip
FLOOR = {f"{of}_{name}": 0.1 for of in ("majority", "untrained") for name in ("mean_iou", "pixel_accuracy")}


def segmentation_params() -> Params:
    """The recipe `camvid` for the images of `make_segmented`."""
    params = load_params(ROOT / "recipes" / "camvid.yaml")
    data = params.data.model_dump() | {"dataset": "tiny", "layout": FOLDERS, "masks": MASKS | {"classes": CLASSES}}
    evaluate = params.evaluate.model_copy(update={"bootstrap": 100})
    promote = params.promote.model_copy(update={"min_value": 0.3, "model_name": "tiny"})
    update = {"data": type(params.data).model_validate(data), "evaluate": evaluate, "promote": promote}
    return params.model_copy(update=update)


def make_table(raw: Path, count: int = 12) -> ImageTable:
    """Images and masks in `raw`, and the manifest: two of three are test images, the others validation."""
    make_segmented(raw, FOLDERS, count)
    rows = []
    for number in range(count):
        label = "|".join(name for value, name in enumerate(CLASSES) if (make_pair(number)[1] == value).any())
        path = f"images/{number:02}.png"
        split = "test" if number % 3 else "validation"
        row = {"path": path, "mask": f"masks/{number:02}.png", "label": label, "split": split, "kept": True}
        rows.append(row | {"mask_values": "[0, 1, 2, 3]", "sha256": file_sha256(raw / path)})
    return ImageTable(pd.DataFrame(rows), CLASSES)


def save_colour_model(folder: Path, blind: str | None = None, classes: tuple[str, ...] = CLASSES) -> Path:
    """Saves a model that predicts for each pixel the class with the nearest colour, but never the class `blind`."""
    import keras

    known = {"background": (110, 110, 110), **COLORS}
    colors = np.array([known.get(name, (255, 255, 255)) for name in classes]) / 255
    bias = -(colors**2).sum(axis=1)
    if blind:
        bias[classes.index(blind)] = -10
    inputs = keras.Input((48, 48, 3), dtype="uint8", name="image")
    layer = keras.layers.Conv2D(len(classes), 5, padding="same", name="logits")
    logits = layer(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(logits))
    layer.set_weights([np.tile(20 * 2 * colors.T / 25, (5, 5, 1, 1)), 20 * bias])
    card = ModelCard(candidate="tiny", phase="train", problem="segmentation", classes=classes, image=IMAGE)
    history = pd.DataFrame([HISTORY])
    samples = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), np.uint8)
    write_result(folder, exported(model), card, history, history, Summary(1, 1.0, 12, 12, FLOOR), samples)
    return folder


def make_case(root: Path) -> Params:
    """Raw data, manifest and validation report where the commands look for them."""
    table = make_table(root / "data" / "raw" / "tiny")
    write_table(table, root / "data" / "manifest.parquet")
    give_mlflow_database(root)
    (root / "reports").mkdir()
    write_json(root / "reports" / "validation.json", {"success": True})
    return segmentation_params()

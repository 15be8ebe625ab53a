"""The ways that `benchmarks.accuracy` compares. Each takes the folder that `accuracy_sets.lay_out` filled.

A way returns `metric` (on the test images: accuracy, for multilabel the mean average precision), `cpu` and `wall`, the
seconds of its training: from the images to the trained model, without checks of the data and without evaluation.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.accuracy_sets import PHOTOS, SETTINGS, TABLE
from benchmarks.harness import ROOT, Clock, call
from transferline.params.problem_kinds import KINDS

WEIGHTS = ROOT.parent / "shared" / "weights" / "mobilenet_v2_1.0_160_no_top.weights.h5"
RECIPES = ROOT / "recipes"
HEAD_EPOCHS, FINE_TUNE_EPOCHS = 20, 10  # of the notebook
TUNE_MINUTES = 15


def notebook(folder: Path) -> dict[str, Any]:
    """Keras's way of the tutorials, with MobileNetV2 at 160 px; the epoch of the best loss on validation is kept."""
    import keras
    from sklearn.metrics import average_precision_score

    from benchmarks.notebook import SIZE, build, unfreeze

    settings = _settings(folder)
    keras.utils.set_random_seed(settings["seed"])
    started = Clock()
    splits, targets = _notebook_data(folder)
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    base.load_weights(WEIGHTS)
    model = build(base, units=targets["test"].shape[1])
    is_multilabel = settings["problem"] == "multilabel"
    losses = keras.losses.BinaryCrossentropy, keras.losses.CategoricalCrossentropy
    loss = losses[not is_multilabel](from_logits=True)
    for optimizer, epochs in (
        (keras.optimizers.Adam(1e-3), settings.get("head_epochs", HEAD_EPOCHS)),
        (keras.optimizers.RMSprop(1e-5), settings.get("fine_tune_epochs", FINE_TUNE_EPOCHS)),
    ):
        if isinstance(optimizer, keras.optimizers.RMSprop):
            unfreeze(base)
        model.compile(optimizer, loss)
        best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
        model.fit(splits["train"], validation_data=splits["validation"], epochs=epochs, callbacks=[best], verbose=0)
    seconds = started.read()
    truth, logits = targets["test"], model.predict(splits["test"], verbose=0)
    accuracy = (truth.argmax(axis=1) == logits.argmax(axis=1)).mean()
    metric = average_precision_score(truth, logits) if is_multilabel else accuracy
    return {"metric": float(metric), "tested": len(truth), **seconds}


def _notebook_data(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The batches of each split, and their targets, (n, classes) float32."""
    import tensorflow as tf

    from benchmarks.notebook import BATCH, SIZE

    table = pd.read_csv(folder / PHOTOS / TABLE, dtype=str)
    targets = table["label"].str.get_dummies("|").to_numpy("float32")

    def read(path: Any, target: Any) -> Any:
        pixels = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(pixels, (SIZE, SIZE)), target

    splits = {}
    for split in ("train", "validation", "test"):
        rows = (table["split"] == split).to_numpy()
        paths = [str(folder / PHOTOS / path) for path in table["image"][rows]]
        data = tf.data.Dataset.from_tensor_slices((paths, targets[rows]))
        data = data.shuffle(int(rows.sum())) if split == "train" else data
        splits[split] = data.map(read, tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return splits, {split: targets[(table["split"] == split).to_numpy()] for split in splits}


def before(folder: Path) -> dict[str, Any]:
    """The recipe `photos` as it was before it searched for its depth."""
    return _recipe(folder, ROOT / "benchmarks" / "photos_before.yaml")


def default(folder: Path) -> dict[str, Any]:
    """The recipe `photos`."""
    return _recipe(folder, RECIPES / "photos.yaml")


def tune(folder: Path) -> dict[str, Any]:
    """The recipe `photos`, then `transferline tune`."""
    return _recipe(folder, RECIPES / "photos.yaml", minutes=TUNE_MINUTES)


def waste(folder: Path) -> dict[str, Any]:
    """The candidate mobilenet_v2 of the recipe `waste`, with the weights that the notebook has."""
    return _recipe(folder, RECIPES / "waste.yaml", only="mobilenet_v2")


def _recipe(folder: Path, recipe: Path, only: str | None = None, minutes: int = 0) -> dict[str, Any]:
    """Makes a project from a recipe, trains and evaluates; the metric is that of the selected model."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    write_recipe(folder, recipe, only)
    call(folder, "transferline", "init", str(project), "--recipe", "recipe.yaml")
    call(project, "transferline", "data", "add", str(folder / PHOTOS), "--name", "photos")
    call(project, "dvc", "repro", "augment")
    started = Clock()
    if minutes:
        call(project, "transferline", "tune", "--minutes", str(minutes))
    call(project, "dvc", "repro", "fine_tune", "train")
    seconds = started.read()
    call(project, "dvc", "repro", "select")
    found = json.loads((project / "metrics.json").read_text(encoding="utf-8"))["selected"]
    metric = KINDS[_settings(folder)["problem"]].main_metric
    ends = [found["test"][f"{metric}_{end}"] for end in ("low", "high")]
    chosen = {"candidate": found["candidate"], "phase": found["phase"], "interval": ends}
    return {"metric": found["test"][metric], **chosen, **seconds}


def write_recipe(folder: Path, recipe: Path, only: str | None = None) -> Path:
    """Writes a recipe for this dataset and seed, in which no rule leaves out an image: all ways test the same images.

    With `only` it has only this candidate, with the notebook's weights.
    """
    settings, tree = _settings(folder), yaml.safe_load(recipe.read_text(encoding="utf-8"))
    layout = {"kind": "csv", "file": TABLE, "path_column": "image", "label_column": "label", "split_column": "split"}
    if settings["problem"] == "multilabel":
        layout["separator"] = "|"
    split = {"test": 0, "group": settings["group"]}
    rules = dict.fromkeys(("duplicate", "split_duplicate", "near_duplicate", "few_images"), "warn")
    tree |= {
        "seed": settings["seed"],
        "data": {"dataset": "photos", "problem": settings["problem"], "layout": layout, "split": split},
        "validate": {"rules": rules},
        "augment": {**tree.get("augment", {}), "seed": settings["seed"]},
        "evaluate": {"gallery": 1},
        "promote": {"min_value": 0},
    }
    if only:
        weights = {"path": str(WEIGHTS), "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}
        tree["candidates"] = {only: tree["candidates"][only]}
        tree["candidates"][only]["backbone"]["weights"] = weights
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def _settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings

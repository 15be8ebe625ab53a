"""The ways that `benchmarks.accuracy` compares. Each takes the folder that `accuracy_sets.lay_out` filled.

A way returns `metric` (on the test images: accuracy, for multilabel the mean average precision, for segmentation the
mean IoU), `cpu` and `wall`, the seconds of its training: from the images to the trained model, without checks of the
data and without evaluation.
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
from transferline.yaml_text import parse_yaml

WEIGHTS = ROOT.parent / "shared" / "weights" / "mobilenet_v2_1.0_160_no_top.weights.h5"
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
    return _recipe(folder, str(ROOT / "benchmarks" / "photos_before.yaml"))


def default(folder: Path) -> dict[str, Any]:
    """The recipe `photos`; for masks the candidate lite0 of the recipe `camvid`."""
    if _settings(folder)["problem"] == "segmentation":
        return _trained(_project_with_masks(folder), _settings(folder))
    return _recipe(folder, "photos")


def tune(folder: Path) -> dict[str, Any]:
    """The recipe `photos`, trained, then `transferline tune`, and what it found, trained."""
    return _recipe(folder, "photos", minutes=TUNE_MINUTES)


def waste(folder: Path) -> dict[str, Any]:
    """The candidate mobilenet_v2 of the recipe `waste`, with the notebook's weights."""
    return _recipe(folder, "waste", only="mobilenet_v2")


def _recipe(folder: Path, recipe: str, only: str | None = None, minutes: int = 0) -> dict[str, Any]:
    """Makes a project from a recipe, trains and evaluates."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    call(folder, "transferline", "init", str(project), "--recipe", recipe, "--data", str(folder / PHOTOS))
    adjust(project, _settings(folder), only)
    return _trained(project, _settings(folder), minutes)


def _project_with_masks(folder: Path) -> Path:
    """Makes a project from the recipe `camvid`, which has the layout and the classes of the masks."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    call(folder, "transferline", "init", str(project), "--recipe", "camvid")
    call(project, "transferline", "data", "add", str(folder / PHOTOS), "--name", "camvid")
    adjust_masks(project, _settings(folder))
    return project


def _trained(project: Path, settings: dict[str, Any], minutes: int = 0) -> dict[str, Any]:
    """Trains and evaluates the candidates of a project; the metric is that of the selected model."""
    metric = KINDS[settings["problem"]].main_metric
    call(project, "dvc", "repro", "augment")
    started = Clock()
    if minutes:
        call(project, "dvc", "repro", "evaluate")  # `tune` compares with the trained candidate
        call(project, "transferline", "tune", "--minutes", str(minutes))
    call(project, "dvc", "repro", "fine_tune", "train")
    seconds = started.read()
    call(project, "dvc", "repro", "select")
    found = json.loads((project / "metrics.json").read_text(encoding="utf-8"))["selected"]
    chosen = {"candidate": found["candidate"], "phase": found["phase"]}
    interval = [found["test"][f"{metric}_{end}"] for end in ("low", "high")]
    return {"metric": found["test"][metric], "interval": interval, **chosen, **seconds}


def adjust(project: Path, settings: dict[str, Any], only: str | None = None) -> None:
    """Changes a project's params for a dataset and seed. No rule leaves out an image: all ways test the same images.

    With `only` they have only this candidate, with the notebook's weights.
    """
    path = project / "params.yaml"
    tree = parse_yaml(path.read_text(encoding="utf-8"), path)
    layout = {"kind": "csv", "file": TABLE, "path_column": "image", "label_column": "label", "split_column": "split"}
    separator = {"separator": "|"} if settings["problem"] == "multilabel" else {}
    tree["data"] |= {"problem": settings["problem"], "layout": layout | separator}
    tree["data"]["split"] = {"test": 0, "group": settings["group"]}
    tree["seed"] = tree["augment"]["seed"] = settings["seed"]
    tree["validate"]["rules"] |= dict.fromkeys(("duplicate", "split_duplicate", "near_duplicate", "few_images"), "warn")
    if only:
        weights = {"path": str(WEIGHTS), "sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}
        tree["candidates"] = {only: tree["candidates"][only]}
        tree["candidates"][only]["backbone"]["weights"] = weights
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def adjust_masks(project: Path, settings: dict[str, Any]) -> None:
    """Sets the seed of a project of the recipe `camvid`, and leaves it the candidate lite0."""
    path = project / "params.yaml"
    tree = parse_yaml(path.read_text(encoding="utf-8"), path)
    tree["seed"] = tree["augment"]["seed"] = settings["seed"]
    tree["candidates"] = {"lite0": tree["candidates"]["lite0"]}
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def _settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings

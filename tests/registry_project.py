"""A project in the state after validate and training, for tests of the registry. Its models have one layer."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import COLORS, ROOT, edit_yaml, make_images, make_tiny
from tests.empty_databases import give_mlflow_database
from tests.made_once import made_once
from transferline.atomic_files import write_json
from transferline.datasets.tables import ImageTable, write_table
from transferline.evaluation.scoring import metrics_of, score
from transferline.hashes import file_sha256
from transferline.models.exported import ModelCard
from transferline.params import Image, Params, load_params
from transferline.registry import champion_move, smoke_test
from transferline.registry.runs import training_run
from transferline.training.assemble_model import Exported
from transferline.training.model_folder import Summary, write_result

CLASSES = tuple(COLORS)
# from the mean colour to logits of blue, green and red; fair takes every blue image for a green one
KERNELS = {"good": np.eye(3)[:, [2, 1, 0]] * 20, "fair": np.array([[0, 0, 0], [0, 20, 0], [20, 0, 20.0]]).T}
CARD = {"problem": "multiclass", "classes": CLASSES, "image": Image(size=32, color="rgb", resize="stretch")}
SUMMARY = {"best_epoch": 1, "parameters": 12, "trainable": 12}
LATENCY = {"one_image_ms": 3.0, "size_bytes": 2_000_000, "training_seconds": 1.0}
ROW = {
    "phase": "head", "epoch": 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5,
    "learning_rate": 0.1, "seconds": 1.0, "images_per_second": 9.0,
}  # fmt: skip


def registry_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Images, manifest and report, with 8 test images of each colour. The folder becomes the current one, and the smoke
    test runs in this process, which saves its start."""
    monkeypatch.chdir(root)
    monkeypatch.setattr(champion_move, "smoke_test", smoke_test.check)
    for name in ("dvc.yaml", "params.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    edit_yaml(root / "params.yaml", make_tiny)
    raw = root / "data" / "raw" / "colors"
    make_images(raw, count=12, side=32)
    rows = [
        {
            "path": f"{name}/{number}.png",
            "sha256": file_sha256(raw / name / f"{number}.png"),
            "label": name,
            "group": f"{name}/{number}",
            "split": "test" if number < 8 else "validation",
            "kept": True,
        }
        for name in CLASSES
        for number in range(12)
    ]
    write_table(ImageTable(pd.DataFrame(rows), CLASSES), root / "data" / "manifest.parquet")
    give_mlflow_database(root)
    (root / "reports").mkdir()
    write_json(root / "reports" / "validation.json", validation_report(12))
    return load_params(root / "params.yaml")


def validation_report(blue: int) -> dict[str, object]:
    """Returns the report of `validate` on `blue` blue images and 12 of each other colour."""
    counts = dict.fromkeys(CLASSES, 12) | {"blue": blue}
    classes = {name: {"train": 0, "validation": count - 8, "test": 8} for name, count in counts.items()}
    return {"success": True, "counts": {"kept": sum(counts.values()), "classes": classes}}


def write_lock(root: Path, accepted: str, trained: str | None = None) -> None:
    """A `dvc.lock` in which `validate` read one revision of the data, and the candidate was trained on one."""
    raw, views = "data/raw/colors", {"path": "data/views.parquet", "md5": "2" * 32}
    stages = {
        "validate": {
            "deps": [{"path": "data/corrections", "md5": "c.dir"}, {"path": raw, "md5": accepted}],
            "outs": [{"path": "data/manifest.parquet", "md5": "1" * 32}],
        },
        "augment": {"deps": [{"path": raw, "md5": trained or accepted}], "outs": [views]},
        "extract@small": {"deps": [{"path": raw, "md5": trained or accepted}, views]},
    }
    with (root / "dvc.lock").open("w", encoding="utf-8") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)


def train(params: Params, phase: str, kernel: str) -> Path:
    """A model of one layer on the mean colour, made and recorded as the training stages do."""
    folder = Path("models") / "small" / phase
    card = ModelCard(candidate="small", phase=phase, **CARD)
    made = made_once(f"model_{phase}_{kernel}", lambda target: write_model(target, card, kernel))
    with training_run(params, card, folder, Path("models/small/head") if phase == "fine_tune" else None) as listener:
        listener(ROW | {"phase": phase})
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    return folder


def write_model(folder: Path, card: ModelCard, kernel: str) -> None:
    import keras

    inputs = keras.Input((32, 32, 3), dtype="uint8", name="image")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
    logits = keras.layers.Dense(3)
    model = keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(logits(mean)))
    logits.set_weights([KERNELS[kernel], np.zeros(3)])
    history, summary = pd.DataFrame([ROW | {"phase": card.phase}]), Summary(1, 1.0, 12, 12, {"majority_accuracy": 0.3})
    samples = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    write_result(folder, Exported(model, model), card, history, history, summary, samples)


def select(params: Params, folder: Path) -> None:
    """What evaluate and select would write."""
    table = pd.read_parquet("data/manifest.parquet")
    evaluation = Path("evaluations", *folder.parts[1:])
    evaluation.mkdir(parents=True, exist_ok=True)
    predictions = score(folder, Path("data/raw/colors"), table)
    predictions.to_parquet(evaluation / "predictions.parquet")
    splits = {str(name): part for name, part in predictions.groupby("split")}
    metrics = {name: metrics_of(part, CLASSES, params.evaluate, "multiclass") for name, part in splits.items()}
    named = {"candidate": folder.parts[1], "phase": folder.parts[2], "problem": "multiclass"}
    write_json(evaluation / "metrics.json", {**named, **metrics, **SUMMARY})
    write_json(evaluation / "latency.json", LATENCY)
    write_json(Path("metrics.json"), {"selected": {"candidate": folder.parts[1], "phase": folder.parts[2]}})


def with_promote(params: Params, **changes: object) -> Params:
    """The params with other gates."""
    return params.model_copy(update={"promote": params.promote.model_copy(update=changes)})

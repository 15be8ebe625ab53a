"""The features of the stage insight that no label has changed: from a bank, and for test images from a head."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from tests.test_evaluate import IMAGE, make_case
from tests.test_evaluate import run as run_evaluate
from tests.test_insight import measured
from tests.test_insight import stage as run_insight
from transferline.arrays import Array
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable, write_table
from transferline.insight.frozen_features import frozen_features
from transferline.insight.insight_table import InsightTable, read_insight_table
from transferline.insight.predict_all_images import predict_all_images
from transferline.models.exported import ModelCard
from transferline.not_applicable import NotApplicableError
from transferline.training.assemble_model import Exported
from transferline.training.model_folder import write_model
from transferline.training.training_rows import sample_paths


def save_head(root: Path, factor: float, phase: str = "head") -> Path:
    """A model with a vector before its last layer: the mean colour times a factor."""
    images = keras.Input((32, 32, 3), dtype="uint8")
    vector = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(factor)(images))
    likely = keras.layers.Dense(2, activation="softmax")(vector)
    card = ModelCard(candidate="tiny", phase=phase, problem="binary", classes=("dark", "light"), image=IMAGE)
    model = keras.Model(images, likely)
    exported = Exported(model, keras.Model(images, [likely, vector]))
    folder = root / "models" / phase
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, exported, card, np.zeros((1, 32, 32, 3), np.uint8))
    return folder


def colours(root: Path, paths: list[str]) -> Array:
    return np.asarray(read_batch(root / "raw", paths, IMAGE).mean(axis=(1, 2)) / 255)


def save_bank(root: Path, manifest: ImageTable, in_head: bool = True, **index: object) -> Path:
    """The mean colours of the images of train and validation; of each image a flipped view with other values, too."""
    bank = root / "bank"
    bank.mkdir()
    kept = manifest.rows[manifest.rows["kept"] & (manifest.rows["split"] != "test")]
    rows = kept.loc[kept.index.repeat(2)].reset_index(drop=True)
    table = ImageTable(
        rows.assign(kind=np.tile(["untouched", "flipped"], len(kept)), in_head=in_head, in_fine_tune=False),
        manifest.classes,
    )
    values = colours(root, rows["path"].tolist()) + 5 * (table.rows[["kind"]] == "flipped").to_numpy()
    write_table(table, bank / "rows.parquet")
    np.save(bank / "features-00000.npy", values.astype(np.float16))
    np.save(bank / "samples.npy", read_batch(root / "raw", sample_paths(table), IMAGE))
    state = {"features": [3], "boundary": [], "dtype": "float16", "stored": ["features"]} | index
    (bank / "index.json").write_text(json.dumps(state))
    return bank


def case(root: Path, factor: float, phase: str, **index: Any) -> tuple[Path, InsightTable]:
    make_case(root)
    manifest = measured(root)
    save_head(root, factor)
    folder = save_head(root, 3.0, phase) if phase != "head" else root / "models" / "head"
    return save_bank(root, manifest, **index), predict_all_images(folder, manifest, root / "raw")


def test_the_stage_answers_every_question_that_has_an_answer(tmp_path: Path) -> None:
    bank, _ = case(tmp_path, 1 / 255, "head")
    head = tmp_path / "models" / "head"
    pd.DataFrame({"phase": ["head"], "epoch": [1], "loss": [1], "val_loss": [1]}).assign(
        accuracy=1, val_accuracy=1
    ).to_csv(head / "history.csv")
    summary = {"best_epoch": 1, "seconds": 1, "parameters": 8, "trainable": 8, "floor": {}}
    (head / "summary.json").write_text(json.dumps(summary))
    run_evaluate(tmp_path)
    out = run_insight(tmp_path, bank)
    index = json.loads((out / "insight.json").read_text())
    assert index["not_applicable"] == {"learning_curves": "there are 24 images of train and validation; 40 are needed"}
    assert {file.name for file in out.iterdir()} == {
        "images.parquet", "insight.json", "doubtful.parquet", "doubtful.json", "slices.json", "novelty.npz",
        "mistakes.parquet",
    }  # fmt: skip
    asked = json.loads((out / "doubtful.json").read_text())
    assert asked == {"train": 12, "validation": 12, "test": 12}
    slices = json.loads((out / "slices.json").read_text())
    assert slices["images"] == 24 and slices["tested"] == 0, "all parts have fewer than 10 images, or all images"
    assert pd.read_parquet(out / "doubtful.parquet").empty, "dark and light images are easy to tell apart"
    assert read_insight_table(out).features.shape == (36, 3)


@pytest.mark.parametrize("phase", ["head", "fine_tune"])
def test_a_linear_head_gives_those_of_test_images(tmp_path: Path, phase: str) -> None:
    bank, table = case(tmp_path, 1 / 255, phase)
    known, values = frozen_features(bank, tmp_path / "models", tmp_path / "raw", table)
    assert known.tolist() == list(range(36))
    assert np.abs(values - colours(tmp_path, table.rows["path"].tolist())).max() < 1e-3


def test_without_a_linear_head_test_images_are_left_out(tmp_path: Path) -> None:
    bank, table = case(tmp_path, 1 / 200, "head")
    known, values = frozen_features(bank, tmp_path / "models", tmp_path / "raw", table)
    rows = table.rows.iloc[known]
    assert len(known) == 24 and set(rows["split"]) == {"train", "validation"}
    assert np.abs(values - colours(tmp_path, rows["path"].tolist())).max() < 1e-3


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ({"features": [2, 2, 3]}, "feature maps"),
        ({"stored": []}, "did not fit on the disk"),
        ({"in_head": False}, "no train_head"),
    ],
)
def test_a_bank_without_stored_vectors_is_a_reason(tmp_path: Path, index: dict[str, object], reason: str) -> None:
    bank, table = case(tmp_path, 1 / 255, "head", **index)
    with pytest.raises(NotApplicableError, match=reason):
        frozen_features(bank, tmp_path / "models", tmp_path / "raw", table)


def test_more_features_than_fit_into_memory_are_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank, table = case(tmp_path, 1 / 255, "head")
    monkeypatch.setattr("transferline.insight.frozen_features.MAX_BYTES", 4 * 3 * 36 - 1)
    with pytest.raises(NotApplicableError, match="GB of memory"):
        frozen_features(bank, tmp_path / "models", tmp_path / "raw", table)

"""The stage insight on small real models and images: the table of all kept images."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from tests.exported_folder import write_folder
from tests.test_evaluate import PARAMS, make_case, run, save_model
from transferline.arrays import Pixels
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable, read_table, write_table
from transferline.insight.candidate_insight import QUESTIONS
from transferline.insight.insight_table import as_stored, insight_table, read_insight_table, write_insight_table
from transferline.insight.predict_all_images import sharpness
from transferline.models.exported import ModelCard, load_model, probabilities, read_card
from transferline.params import Image, Params, Select
from transferline.stages import insight

MEASURED = {"sha256": "0" * 64, "width": 20, "height": 24, "luminance_mean": 40.0, "luminance_std": 0.0}


def measured(root: Path) -> ImageTable:
    """The manifest of `make_case`, with what `validate` measures."""
    table = read_table(root / "manifest.parquet")
    hashes = [np.random.default_rng(number).bytes(32).hex() for number in range(len(table.rows))]
    table = ImageTable(table.rows.assign(**MEASURED, phash=hashes), table.classes)
    write_table(table, root / "manifest.parquet")
    return table


def stage(root: Path, bank: Path, params: Params = PARAMS) -> Path:
    out = root / "insight" / "tiny"
    folders = {"raw": root / "raw", "models": root / "models", "bank": bank}
    evaluation = root / "evaluations" / "tiny"
    insight.run(params, manifest=root / "manifest.parquet", evaluation=evaluation, insight=out, **folders)
    return out


@pytest.mark.slow
def test_all_kept_images_of_every_split_are_predicted_by_the_better_phase(tmp_path: Path) -> None:
    make_case(tmp_path)
    tuned = tmp_path / "models" / "fine_tune"  # it is wrong about every image
    save_model(tuned, tmp_path / "raw", ["dark/test1.png"], ("dark", "light"), "fine_tune", -5)
    run(tmp_path)
    kept = measured(tmp_path).rows.query("kept")
    out = stage(tmp_path, tmp_path / "no bank")
    index = json.loads((out / "insight.json").read_text())
    assert index["images"] == {"train": 12, "validation": 12, "test": 12}
    assert (index["candidate"], index["phase"], index["classes"]) == ("tiny", "head", ["dark", "light"])
    assert index["not_applicable"]["doubtful_labels"] == "the candidate has no bank of frozen features"

    table, head = read_insight_table(out), tmp_path / "models" / "head"
    assert table.rows["path"].tolist() == kept["path"].tolist() and table.features is None
    assert table.rows.drop(columns="sharpness").iloc[0].to_dict() == {
        "path": "dark/train0.png", "sha256": "0" * 64, "split": "train", "label": "dark",
        "group": kept["group"].iloc[0],
        "width": 20, "height": 24, "brightness": 40.0, "contrast": 0.0,
    }  # fmt: skip
    images = read_batch(tmp_path / "raw", kept["path"].tolist(), read_card(head).image)
    assert np.array_equal(table.probabilities, probabilities(load_model(head), [images]))


@pytest.mark.parametrize(("largest", "dtype"), [(1.0, "float16"), (1e5, "float32")])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, largest: float, dtype: str) -> None:
    rows = pd.DataFrame({"path": ["a", "b"], "split": ["train", "test"], "sharpness": [0.5, 1.5]})
    card = ModelCard(candidate="c", phase="head", problem="binary", classes=("x", "y"), image=Image(size=32))
    likely, features = np.array([[0.25, 0.75], [1, 0]], np.float32), np.array([[0, 1, 2], [0.5, 3, largest]])
    table = insight_table(rows, card, likely, as_stored(features))
    write_insight_table(table, {}, tmp_path)
    read = read_insight_table(tmp_path)
    assert read.rows.equals(rows) and read.classes == ("x", "y") and read.phase == "head"
    assert np.array_equal(read.probabilities, likely) and read.probabilities.dtype == np.float32
    assert np.array_equal(read.features, features) and read.features.dtype == dtype
    assert pd.read_parquet(tmp_path / "images.parquet")["features"][0].tolist() == [0, 1, 2]


def test_a_model_of_masks_has_neither_probabilities_nor_features(tmp_path: Path) -> None:
    make_case(tmp_path)
    images = keras.Input((32, 32, 3), dtype="uint8")
    pixels = keras.layers.Conv2D(2, 1, activation="softmax")(keras.layers.Rescaling(1 / 255)(images))
    card = ModelCard(
        candidate="tiny", phase="train", problem="segmentation", classes=("dark", "light"),
        image=Image(size=32, color="rgb", resize="stretch"),
    )  # fmt: skip
    write_folder(tmp_path / "models" / "train", keras.Model(images, pixels), card)
    measured(tmp_path)
    evaluation = tmp_path / "evaluations" / "tiny" / "train"
    evaluation.mkdir(parents=True)
    metrics = {"problem": "segmentation", "validation": {"mean_iou": 0.5, "log_loss": 1}}
    (evaluation / "metrics.json").write_text(json.dumps(metrics))
    (evaluation / "latency.json").write_text("{}")
    params = PARAMS.model_copy(update={"select": Select(metric="mean_iou")})
    out = stage(tmp_path, tmp_path / "no bank", params)
    table = read_insight_table(out)
    assert table.probabilities is None and table.features is None and len(table.rows) == 36
    reasons = json.loads((out / "insight.json").read_text())["not_applicable"]
    assert list(reasons) == list(QUESTIONS)
    assert reasons.pop("novelty") == "the model has no vector before its last layer"
    assert set(reasons.values()) == {"a mask gives each pixel a class, and the image as a whole has no label"}
    assert {file.name for file in out.iterdir()} == {"images.parquet", "insight.json"}


def test_a_sharp_image_has_a_high_sharpness_in_colour_and_in_grey() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    soft = np.asarray(Picture.fromarray(noise).resize((8, 8)).resize((32, 32)))
    assert sharpness(noise) > 10 * sharpness(soft) > 0 == sharpness(np.full_like(noise, 200))
    grey: Pixels = noise[..., :1]
    assert sharpness(grey) > 10 * sharpness(soft[..., :1])

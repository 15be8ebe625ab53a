"""The evaluate stage on small real Keras models and images."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from tests.conftest import ROOT
from tests.exported_folder import write_folder
from transferline import params
from transferline.datasets.images import read_batch
from transferline.datasets.tables import ImageTable, join_labels, read_table, write_table
from transferline.errors import TransferlineError
from transferline.evaluation.scoring import metrics_of, metrics_with_card, score
from transferline.metrics.calibration import expected_calibration_error
from transferline.models.exported import ModelCard, Rejection, load_model, probabilities, read_card
from transferline.params.problem_kinds import KINDS
from transferline.problems.classification.classification_pictures import plot_gallery
from transferline.stages import evaluate

PARAMS = params.load_params(ROOT / "recipes" / "digits.yaml")
IMAGE = params.Image(size=32, color="rgb", resize="stretch")
SHADES = {"dark": 40, "light": 180, "mid": 110}
HISTORY = ["phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]


def save_model(
    folder: Path,
    raw: Path,
    paths: list[str],
    classes: tuple[str, ...],
    phase: str,
    slope: float,
    thresholds: tuple[float, ...] | None = None,
) -> None:
    """A model that sees the mean brightness: the files that a training stage leaves. With thresholds it is one of a
    multilabel problem, which sees the more of a class the brighter the image, and of the first the darker."""
    problem = "multilabel" if thresholds else "binary" if len(classes) == 2 else "multiclass"
    units = 1 if problem == "binary" else len(classes)
    images = keras.Input((32, 32, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    activation = "softmax" if problem == "multiclass" else "sigmoid"
    logits = keras.layers.Dense(units, kernel_initializer="ones", use_bias=False)(
        keras.layers.Rescaling(slope, -slope * 0.45)(mean)
    )
    model = keras.Model(images, keras.layers.Activation(activation, name="probabilities")(logits))
    if thresholds:
        model.layers[-2].set_weights([np.tile([-1.0] + [1.0] * (units - 1), (3, 1))])
    card = ModelCard(
        candidate="tiny", phase=phase, problem=problem, classes=classes, image=IMAGE, thresholds=thresholds
    )
    write_folder(folder, model, card, read_batch(raw, paths, IMAGE))
    first = 3 if phase == "fine_tune" else 1
    rows = [(phase, epoch, 1 / epoch, 0.5, 1 / epoch, 0.5, 1e-3, 0.1) for epoch in (first, first + 1)]
    columns = [name.replace("accuracy", KINDS[problem].main_metric) for name in HISTORY]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "history.csv", index=False)
    summary = {"best_epoch": first + 1, "seconds": 0.2, "parameters": 3, "trainable": 3}
    floor = {"majority_accuracy": 0.5, "majority_log_loss": 0.7, "untrained_accuracy": 0.4, "untrained_log_loss": 0.9}
    (folder / "summary.json").write_text(json.dumps(summary | {"floor": {} if phase == "fine_tune" else floor}))


def make_case(root: Path, classes: tuple[str, ...] = ("dark", "light"), splits: str = "train validation test") -> None:
    """`raw`, `manifest.parquet` and `models/head`; one image of each split is not kept, and lies nowhere."""
    rows = []
    for split in splits.split():
        for name in classes:
            for number in range(6):
                path = root / "raw" / name / f"{split}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Picture.new("RGB", (20, 24), (SHADES[name] + 4 * number,) * 3).save(path)
                rows.append((str(path.relative_to(root / "raw")), name, split, str(path), True))
        rows.append((f"{classes[0]}/faulty.png", classes[0], split, "faulty", False))
    table = ImageTable(pd.DataFrame(rows, columns=["path", "label", "split", "group", "kept"]), classes)
    write_table(table, root / "manifest.parquet")
    save_model(root / "models" / "head", root / "raw", [row[0] for row in rows[:5]], classes, "head", 5)


def run(root: Path) -> Path:
    """Runs the stage, with what it writes in `root/evaluations/tiny`."""
    out = root / "evaluations" / "tiny"
    folders = {name: root / name for name in ("raw", "models")}
    evaluate.run(PARAMS, manifest=root / "manifest.parquet", evaluation=out, **folders)
    return out


@pytest.mark.slow
def test_both_phases_are_evaluated(tmp_path: Path) -> None:
    make_case(tmp_path)
    tuned_model = tmp_path / "models" / "fine_tune"
    save_model(tuned_model, tmp_path / "raw", ["dark/test1.png"], ("dark", "light"), "fine_tune", -5)
    stale = tmp_path / "evaluations" / "tiny" / "old.txt"
    stale.parent.mkdir(parents=True)
    stale.touch()
    out = run(tmp_path)
    assert sorted(path.name for path in out.iterdir()) == ["fine_tune", "head"]
    assert [path.name for path in out.parent.iterdir()] == ["tiny"]

    head, tuned = (json.loads((out / phase / "metrics.json").read_text()) for phase in ("head", "fine_tune"))
    assert (head["candidate"], head["phase"], head["problem"]) == ("tiny", "head", "binary")
    assert head["test"]["n"] == head["validation"]["n"] == 12
    assert head["test"]["accuracy"] == head["test"]["accuracy_high"] == head["test"]["roc_auc"] == 1
    assert head["test"]["accuracy_low"] < 0.8
    assert tuned["test"]["accuracy"] == tuned["test"]["per_class"]["light"]["roc_auc"] == 0
    assert tuned["floor"] == head["floor"] and head["floor"]["majority_accuracy"] == 0.5

    predictions = pd.read_parquet(out / "fine_tune" / "predictions.parquet")
    assert list(predictions) == [
        "path", "split", "label", "group", "predicted", "confidence", "probability_dark", "probability_light",
    ]  # fmt: skip
    assert len(predictions) == 24
    test = predictions[predictions["split"] == "test"]
    card = read_card(tmp_path / "models" / "fine_tune")
    assert metrics_with_card(test, ("dark", "light"), PARAMS.evaluate, card) == tuned["test"]
    assert (tuned["temperature"], tuned["rejection"]) == (1.0, None), "a card of an older version"
    assert pd.read_csv(out / "fine_tune" / "history.csv")["epoch"].tolist() == [1, 2, 3, 4]
    latency = json.loads((out / "head" / "latency.json").read_text())
    assert 0 < latency["one_image_ms"] <= latency["one_image_p90_ms"]
    assert latency["size_bytes"] == (tmp_path / "models" / "head" / "model.tflite").stat().st_size
    for name in ("confusion", "reliability", "gallery", "curves"):
        with Picture.open(out / "fine_tune" / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_several_classes_without_a_test_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_case(tmp_path, ("dark", "light", "mid"), "train validation")
    out = run(tmp_path)
    assert "no test split" in capsys.readouterr().out
    assert [path.name for path in out.iterdir()] == ["head"]
    figures = json.loads((out / "head" / "metrics.json").read_text())
    assert "test" not in figures
    assert figures["validation"]["per_class"]["mid"]["support"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("thresholds", [(0.5, 0.5), (0.001, 0.999)], ids=["middle", "far apart"])
def test_several_labels_by_an_end_to_end_model(tmp_path: Path, thresholds: tuple[float, ...]) -> None:
    """The labels said are those that pass the thresholds of the card, which evaluating leaves as they are."""
    make_case(tmp_path, ("dark", "light"))
    shutil.rmtree(tmp_path / "models")
    table = read_table(tmp_path / "manifest.parquet")
    nothing = table.rows["path"].str.endswith("5.png")
    labelled = table.rows.assign(label=table.rows["label"].mask(nothing, "").mask(table.rows.index == 20, "dark|light"))
    write_table(ImageTable(labelled, table.classes), tmp_path / "manifest.parquet")
    model = tmp_path / "models" / "train"
    save_model(model, tmp_path / "raw", ["dark/test1.png"], ("dark", "light"), "train", 5, thresholds)
    card = (model / "card.json").read_text()
    own = run(tmp_path) / "train"
    assert (model / "card.json").read_text() == card

    predictions = pd.read_parquet(own / "predictions.parquet")
    passed = predictions[["probability_dark", "probability_light"]].to_numpy() >= thresholds
    assert predictions["predicted"].tolist() == join_labels(passed, ("dark", "light")).tolist()
    assert set(predictions["predicted"]) == ({"dark", "light"} if thresholds[0] == 0.5 else {"dark"})
    np.testing.assert_allclose(
        predictions["confidence"], predictions[["probability_dark", "probability_light"]].max(axis=1)
    )
    figures = json.loads((own / "metrics.json").read_text())
    assert (figures["phase"], figures["problem"], figures["parameters"]) == ("train", "multilabel", 3)
    for split in ("validation", "test"):
        assert [figures[split]["per_class"][name]["threshold"] for name in ("dark", "light")] == list(thresholds)
    assert figures["test"]["mean_average_precision_low"] <= figures["test"]["mean_average_precision"] < 1
    for name in ("classes", "precision_recall", "confusion", "reliability", "gallery", "curves"):
        with Picture.open(own / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_a_model_that_changed_since_training_is_refused(tmp_path: Path) -> None:
    make_case(tmp_path)
    with np.load(tmp_path / "models" / "head" / "parity.npz") as stored:
        samples, said = stored["images"], stored["probabilities"]
    np.savez(tmp_path / "models" / "head" / "parity.npz", images=samples, probabilities=said + np.float32(2e-5))
    before = run(tmp_path)  # as much as rounding can change
    written = sorted(before.rglob("*"))
    np.savez(tmp_path / "models" / "head" / "parity.npz", images=samples, probabilities=said + np.float32(2e-4))
    with pytest.raises(TransferlineError, match=r"head model of tiny.*0\.0002"):
        run(tmp_path)
    assert sorted(before.rglob("*")) == written
    assert [path.name for path in before.parent.iterdir()] == ["tiny"]
    np.savez(tmp_path / "models" / "head" / "parity.npz", images=samples, probabilities=said * np.float32(np.nan))
    with pytest.raises(TransferlineError, match="nan"):
        run(tmp_path)


def test_no_validation_image_is_an_error(tmp_path: Path) -> None:
    make_case(tmp_path, splits="train test")
    with pytest.raises(TransferlineError, match=r"data\.split\.validation"):
        run(tmp_path)
    assert not (tmp_path / "evaluations" / "tiny").exists()


def test_score_predicts_rows_of_a_class_that_the_model_does_not_know(tmp_path: Path) -> None:
    make_case(tmp_path)
    paths = ["light/test0.png", "dark/test0.png", "dark/test1.png"]
    rows = pd.DataFrame({"path": paths, "split": "test", "label": ["light", "dark", "new"], "group": paths}, [7, 1, 3])
    predictions = score(tmp_path / "models" / "head", tmp_path / "raw", rows)
    assert predictions["predicted"].tolist() == ["light", "dark", "dark"]
    columns = [f"probability_{name}" for name in ("dark", "light")]
    np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-6)
    figures = metrics_of(predictions, ("dark", "light", "new"), PARAMS.evaluate, "multiclass")
    assert figures["accuracy"] == pytest.approx(2 / 3)


def test_coverage_and_error_at_the_limit_and_calibration_without_temperature() -> None:
    rejection = Rejection(wanted_error=0.02, error=0.02, limit=0.8, coverage=0.5, images=200, possible_limit=0.3)
    classes = ("cat", "dog")
    card = ModelCard(
        candidate="a", phase="head", problem="binary", classes=classes, image=IMAGE, temperature=2, rejection=rejection
    )
    likely = np.array([0.9, 0.8, 0.85, 0.6, 0.55, 0.75])
    table = pd.DataFrame({"path": list("abcdef"), "split": "test", "group": list("abcdef"), "confidence": likely})
    table["label"], table["predicted"] = ["cat", "dog", "dog", "dog", "cat", "cat"], "dog"
    table["probability_cat"], table["probability_dog"] = 1 - likely, likely
    found = metrics_with_card(table, classes, PARAMS.evaluate, card)
    assert found["coverage"] == 3 / 6 and found["answered_error"] == pytest.approx(1 / 3)
    assert found["possible_coverage"] == 5 / 6 and found["possible_labels"] == pytest.approx(9 / 6)
    assert found["answered_error_low"] < 1 / 3 < found["answered_error_high"] and found["accuracy"] == 0.5
    before = likely**2 / (likely**2 + (1 - likely) ** 2)
    error = expected_calibration_error(before, (table["label"] == "dog").to_numpy())
    assert found["expected_calibration_error_without_temperature"] == pytest.approx(error)
    card = card.model_copy(update={"rejection": rejection.model_copy(update={"limit": 0.99})})
    none = metrics_with_card(table, classes, PARAMS.evaluate, card)
    assert none["coverage"] == 0 and none["answered_error"] is None


def test_probabilities_do_not_depend_on_the_batches(tmp_path: Path) -> None:
    make_case(tmp_path)
    images = read_batch(tmp_path / "raw", [f"light/train{number}.png" for number in range(5)], IMAGE)
    model = load_model(tmp_path / "models" / "head")
    together = probabilities(model, [images])
    assert together.shape == (5, 2) and together.dtype == np.float32
    np.testing.assert_array_equal(probabilities(model, [images[:2], images[2:]]), together)
    # brighter is lighter, from image to image
    assert (np.diff(together[:, 1]) > 0).all()


def test_the_gallery_of_one_mistake_is_as_wide_as_three(tmp_path: Path) -> None:
    row = {"label": "dark", "predicted": "light", "confidence": 0.9, "path": "dark/0.png"}
    widths = []
    for count in (1, 3, 6):
        file = tmp_path / f"{count}.png"
        plot_gallery(np.zeros((count, 8, 8, 3), np.uint8), pd.DataFrame([row] * count), "tiny, head", file)
        with Picture.open(file) as picture:
            widths.append(picture.width)
    assert widths[0] == widths[1] < widths[2]

"""Segmentation after training: metrics, evaluation, leaderboard, robustness, promotion, predictions, on tiny models."""

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from tests.registry_project import LATENCY, SUMMARY
from tests.segmentation_case import make_case, save_colour_model
from tests.tiny_masks import CLASSES, make_pair
from transferline.atomic_files import write_json
from transferline.cli.prediction import add_commands
from transferline.datasets.mask_values import VOID
from transferline.datasets.tables import read_table
from transferline.errors import TransferlineError
from transferline.evaluation.leaderboard import markdown
from transferline.evaluation.ranking import read_evaluations
from transferline.evaluation.scoring import metrics_of, predict_rows
from transferline.metrics.outlines import boundary_f
from transferline.metrics.pixel_confusion import ious, mean_iou, pixel_accuracy, pixel_confusion
from transferline.models.exported import load_model, read_card
from transferline.params import Adversarial, Params, Robustness
from transferline.problems.evaluation import evaluation_of
from transferline.problems.segmentation.evaluation import _threads
from transferline.registry import champion_move, smoke_test
from transferline.registry.ledger import history
from transferline.registry.ledger import read as read_ledger
from transferline.registry.promotion import promote
from transferline.registry.rollback import rollback
from transferline.run_length_encoding import decode
from transferline.serving.served_model import load_version
from transferline.stages import evaluate, select


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return make_case(tmp_path)


def evaluated(params: Params) -> dict[str, Any]:
    folders = {"raw": Path("data/raw/tiny"), "models": Path("models/tiny"), "evaluation": Path("evaluations/tiny")}
    evaluate.run(params, manifest=Path("data/manifest.parquet"), **folders)
    metrics: dict[str, Any] = json.loads(Path("evaluations/tiny/train/metrics.json").read_text())
    return metrics


def test_figures_of_a_confusion_are_those_of_others() -> None:
    from sklearn.metrics import confusion_matrix, jaccard_score

    random = np.random.default_rng(0)
    truth, said = random.integers(0, 4, (2, 50, 40)), random.integers(0, 4, (2, 50, 40))
    truth[0, :20] = VOID
    known = truth != VOID
    matrix = pixel_confusion(truth, said, 4)
    np.testing.assert_array_equal(matrix[:, :-1], confusion_matrix(truth[known], said[known]))
    np.testing.assert_allclose(ious(matrix), jaccard_score(truth[known], said[known], average=None))
    metric = keras.metrics.MeanIoU(4)
    metric.update_state(truth[known], said[known])
    assert mean_iou(matrix) == pytest.approx(float(metric.result()))
    assert pixel_accuracy(matrix) == pytest.approx((truth == said)[known].mean())
    apart = pixel_confusion(np.array([0, 0, 1]), np.array([0, 3, 3]), 3)  # 3 is a class that the truth does not know
    assert apart.tolist() == [[1, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    np.testing.assert_allclose(ious(apart), [0.5, 0, np.nan])
    assert mean_iou(apart) == 0.25


def test_outlines_may_be_off_by_a_little() -> None:
    truth = np.zeros((120, 160), np.uint8)  # 0.75% of the diagonal are 1.5 pixels
    truth[30:90, 40:100] = 1
    assert boundary_f(truth, truth, 2) == 1
    near, far = np.roll(truth, 1, axis=1), np.roll(truth, 8, axis=1)
    assert boundary_f(truth, near, 2) == 1 and 0.4 < boundary_f(truth, far, 2) < 0.7
    assert boundary_f(truth, np.zeros_like(truth), 2) == 0
    assert boundary_f(np.zeros_like(truth), np.zeros_like(truth), 2) == 1
    assert boundary_f(np.where(truth == 1, VOID, 0).astype(np.uint8), truth, 2) == 1


def test_evaluation_pictures_and_leaderboard(case: Params, tmp_path: Path) -> None:
    save_colour_model(tmp_path / "models" / "tiny" / "train")
    metrics = evaluated(case)
    test = metrics["test"]
    assert test["n"] == 8 and metrics["validation"]["n"] == 4
    assert test["mean_iou"] > 0.8 and test["pixel_accuracy"] > 0.93 and test["boundary_f"] > 0.8
    assert test["mean_iou_low"] <= test["mean_iou"] <= test["mean_iou_high"]
    table = pd.read_parquet("evaluations/tiny/train/predictions.parquet")
    of_test = table[table["split"] == "test"]
    assert test["pixels"] == of_test["pixels"].sum() == sum((make_pair(n)[1] != 255).sum() for n in range(12) if n % 3)
    total = np.sum(of_test["confusion"].tolist(), axis=0).reshape(4, 5)
    assert test["per_class"]["red"]["iou"] == pytest.approx(ious(total)[3])
    assert test["log_loss"] == pytest.approx(of_test["loss"].sum() / test["pixels"])
    for name in ("gallery.png", "classes.png", "confusion.png", "curves.png"):
        with Picture.open(f"evaluations/tiny/train/{name}") as picture:
            assert min(picture.size) > 200

    chosen = case.model_copy(update={"candidates": {"tiny": case.candidates["lite0"]}})
    names = {name: Path(name) for name in ("leaderboard", "chart", "plots")} | {"metrics": Path("metrics.json")}
    select.run(chosen, evaluations=Path("evaluations"), **names)
    page = Path("leaderboard").read_text()
    for name in ("pixel_accuracy", "boundary_f"):
        assert f"| {test[name]:.4f} [{test[f'{name}_low']:.4f}, {test[f'{name}_high']:.4f}] |" in page
    red = test["per_class"]["red"]
    assert red["iou_low"] <= red["iou"] <= red["iou_high"] and red["recall_low"] <= red["recall"]
    assert "Floor of validation pixel_accuracy: always predicting the most frequent class 0.1000" in page
    rows = pd.read_csv("plots/confusion.csv")
    right = (rows["actual"] == rows["predicted"]).mean()
    assert len(rows) == pytest.approx(10_000, abs=10) and right == pytest.approx(test["pixel_accuracy"], abs=2e-3)
    assert json.loads(Path("metrics.json").read_text())["selected"]["validation"]["mean_iou"] > 0.8


@pytest.mark.slow
def test_corruptions_and_attacks(case: Params, tmp_path: Path) -> None:
    save_colour_model(tmp_path / "models" / "tiny" / "train")
    attacks = Adversarial(attacks=("fgsm", "targeted_pgd"), epsilons=(0, 60), steps=2)
    wanted = Robustness(images=20, corruptions=("darkness",), adversarial=attacks)
    test = evaluated(case.model_copy(update={"evaluate": case.evaluate.model_copy(update={"robustness": wanted})}))[
        "test"
    ]
    assert test["corruptions"]["mean_iou"] == test["mean_iou"] > test["corruption_mean_iou"]
    for name in attacks.attacks:
        untouched, attacked = test["adversarial"][name].values()
        assert untouched["mean_iou"] == pytest.approx(test["mean_iou"]) and attacked["mean_iou"] < 0.5
        assert "goal_reached" not in attacked
    assert test["adversarial_mean_iou"] < 0.5
    folder = Path("evaluations/tiny/train")
    assert list(pd.read_csv(folder / "corruptions.csv", index_col="class")) == ["untouched", "darkness"]
    assert (folder / "adversarial.png").exists() and (folder / "adversarial_examples.png").exists()
    page = markdown(read_evaluations(Path("evaluations"), ["tiny"]), "mean_iou")
    assert "| test corruption_mean_iou | test adversarial_mean_iou |" in page


def test_a_targeted_attack_aims_at_the_least_likely_class_of_each_pixel() -> None:
    truth = np.array([[[[0], [2]], [[1], [VOID]]]], np.uint8)
    likely = np.tile([0.1, 0.2, 0.7], (1, 2, 2, 1))
    assert evaluation_of("segmentation").goals(truth, likely)[..., 0].tolist() == [[[1, 0], [0, VOID]]]


def test_a_model_of_other_classes_is_judged_by_names(case: Params, tmp_path: Path) -> None:
    table = read_table(tmp_path / "data" / "manifest.parquet").of_split("test")
    raw = tmp_path / "data" / "raw" / "tiny"
    save_colour_model(tmp_path / "same")
    save_colour_model(tmp_path / "other", classes=("white", "red", "green", "background"))
    found = {}
    for folder in (tmp_path / "same", tmp_path / "other"):
        predictions = predict_rows(load_model(folder), read_card(folder), raw, table, CLASSES)
        found[folder.name] = metrics_of(predictions, CLASSES, case.evaluate, "segmentation")
    assert found["other"]["per_class"]["blue"]["iou"] == 0 < found["same"]["per_class"]["blue"]["iou"]
    assert found["other"]["per_class"]["red"]["iou"] == pytest.approx(
        found["same"]["per_class"]["red"]["iou"], abs=0.15
    )


def test_large_images_are_compared_by_fewer_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Picture.new("L", (1000, 1000)).save(tmp_path / "a.png")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [_threads(tmp_path, pd.DataFrame({"mask": ["a.png"]}), count) for count in (1, 100, 1000)] == [8, 3, 1]


@pytest.mark.slow
def test_promotion_and_rollback(case: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion_move, "smoke_test", smoke_test.check)
    case = case.model_copy(update={"candidates": {"tiny": case.candidates["lite0"]}})

    def offer(blind: str | None) -> Any:
        save_colour_model(tmp_path / "models" / "tiny" / "train", blind)
        evaluation = tmp_path / "evaluations" / "tiny" / "train"
        evaluation.mkdir(parents=True, exist_ok=True)
        write_json(evaluation / "metrics.json", {"test": {"n": 4, "corruption_mean_iou": 0.25}, **SUMMARY})
        write_json(evaluation / "latency.json", LATENCY)
        write_json(tmp_path / "metrics.json", {"selected": {"candidate": "tiny", "phase": "train"}})
        return promote(case, tmp_path)

    first = offer("blue")
    assert first.promoted and first.gates[0].name == "mean_iou" and first.gates[1].name == "IoU of each class"
    second = offer(None)
    assert second.promoted, second.reason
    assert second.gates[0].figures["low"] > 0 and second.gates[1].state == "passed"
    decision = json.loads((tmp_path / "reports" / "decision" / "decision.json").read_text())
    blue = next(one for one in decision["classes"] if one["name"] == "blue")
    assert blue["champion"] == 0 < blue["challenger"] and decision["improvements"][0]["mean_iou"] > 0.5
    assert "The mean IoU of these images rises" in decision["explanations"]["improvements"]
    assert decision["challenger"]["under_corruptions"] == 0.25 and "under_attacks" not in decision["challenger"]
    third = offer("red")
    assert not third.promoted and third.gates[0].state == "failed"
    assert "worst is red" in third.gates[1].sentence  # fewer than 6 images have red, too few for a test
    move = rollback(case, tmp_path, "test", None)
    assert (move.version, move.former) == ("1", "2") and "mean_iou" in history(read_ledger(tmp_path), "tiny")

    from transferline.registry.registered_models import version_named
    from transferline.registry.tracking import connect

    version = version_named(connect(case.record, tmp_path), "tiny", "champion")
    with pytest.raises(TransferlineError, match="predicts masks"):
        load_version(version, tmp_path)


def call(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    options = parser.parse_args(["predict", *map(str, arguments)])
    status: int = options.action(options)
    return status


def test_predictions_are_masks_overlays_and_runs(case: Params, tmp_path: Path, capsys: Any) -> None:
    model = save_colour_model(tmp_path / "model")
    images = tmp_path / "data" / "raw" / "tiny" / "images"
    (images / "broken.png").write_bytes(b"no picture")
    out, rows, table = tmp_path / "out", tmp_path / "rows.csv", tmp_path / "table.csv"
    assert call(images, "--model", model, "--masks", out, "--rle", rows, "--csv", table) == 1
    assert "broken.png cannot be read" in capsys.readouterr().err
    with rows.open() as file:
        runs = {(row["Id"], row["Class"]): row["Runs"] for row in csv.DictReader(file)}
    for number in range(12):
        name, (pixels, truth) = f"{number:02}", make_pair(number)
        with Picture.open(out / f"{name}.png") as picture:
            assert picture.mode == "P" and picture.size == (48, 36)
            mask = np.asarray(picture)
        assert (mask == truth)[truth != 255].mean() > 0.9
        decoded = np.full(mask.shape, 255)
        for value, of_class in enumerate(CLASSES):
            if (name, of_class) in runs:
                decoded[decode(runs[name, of_class], mask.shape)] = value
        np.testing.assert_array_equal(decoded, mask)
        with Picture.open(out / "overlays" / f"{name}.png") as picture:
            drawn = np.asarray(picture)
        np.testing.assert_array_equal(drawn[mask == 0], pixels[mask == 0])
        assert (drawn[mask > 0] != pixels[mask > 0]).any(axis=-1).mean() > 0.9
    shares = pd.read_csv(table, index_col="path")
    assert (
        shares[list(CLASSES)].sum(axis=1).iloc[0] == pytest.approx(1) and "cannot be read" in shares["error"].iloc[-1]
    )

    assert call(images / "00.png", "--model", model, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer[0]["shares"]["background"] > 0.5 and answer[0]["error"] is None
    with pytest.raises(TransferlineError, match=r"--grid: .* segmentation model, which does not write this"):
        call(images, "--model", model, "--grid", tmp_path / "grid.png")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "00.png").write_bytes((images / "00.png").read_bytes())
    with pytest.raises(TransferlineError, match="several files are called 00"):
        call(images / "00.png", tmp_path / "more", "--model", model, "--masks", out)

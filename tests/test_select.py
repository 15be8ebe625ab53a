"""The choice of the best candidate, the leaderboard, and the files that DVC shows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image as Picture

from tests.conftest import ROOT
from transferline.errors import TransferlineError
from transferline.metrics.rejection import promise
from transferline.models.exported import Rejection
from transferline.params import Params, Select, load_params
from transferline.stages import select

PARAMS = load_params(ROOT / "recipes" / "digits.yaml")


def figures(accuracy: float, log_loss: float, **others: float | None) -> dict[str, Any]:
    return {
        "n": 4,
        "groups": 3,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.1,
        "accuracy_high": accuracy + 0.05,
        "log_loss": log_loss,
        "expected_calibration_error": 0.02,
        "per_class": {},
        **others,
    }


def write(folder: Path, candidate: str, phase: str, accuracy: float, test: float | None) -> None:
    """An evaluation as the stage `evaluate` writes it."""
    own = folder / candidate / phase
    own.mkdir(parents=True)
    floor = {"majority_accuracy": 0.1, "majority_log_loss": 2.3, "untrained_accuracy": 0.12, "untrained_log_loss": 2.5}
    metrics = {"problem": "multiclass", "floor": floor, "parameters": 3413024}
    metrics["validation"] = figures(accuracy, 0.4, roc_auc=None)
    if test is not None:
        metrics["test"] = figures(test, 0.3, roc_auc=0.9)
    (own / "metrics.json").write_text(json.dumps(metrics))
    latency = {"one_image_ms": 12.3, "batch_32_ms_per_image": 4.5, "size_bytes": 6_700_000, "training_seconds": 89}
    (own / "latency.json").write_text(json.dumps(latency))
    epochs = {"head": ["head"] * 2, "fine_tune": ["head"] * 2 + ["fine_tune"], "train": ["train"] * 4}[phase]
    history = pd.DataFrame({"phase": epochs, "epoch": range(1, len(epochs) + 1)})
    for column in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"):
        history[column] = 1 / history["epoch"]
    history.to_csv(own / "history.csv", index=False)
    labels = ["0", "1", "2", "2"]
    split = "test" if test is not None else "validation"
    table = pd.DataFrame({"split": split, "label": labels, "predicted": ["0", "1", "1", "2"]})
    pd.concat([table, table[:1].assign(split="validation")]).to_parquet(own / "predictions.parquet")


def write_all(folder: Path, test: float | None = 0.8) -> None:
    """Both candidates of the default job, and one of a former job that would win."""
    write(folder, "lite0_plain", "head", 0.90, test)
    write(folder, "lite0_plain", "fine_tune", 0.94, test)
    write(folder, "lite0_hidden", "head", 0.92, 0.99 if test else None)
    write(folder, "former", "head", 1.0, 1.0)


def write_multilabel(folder: Path, candidate: str, phase: str, hamming: float, precision: float) -> None:
    """The evaluation of a model that says labels; with intervals, as `evaluate` gives them."""
    write(folder, candidate, phase, 0.5, 0.5)
    own = folder / candidate / phase
    means = {"mean_average_precision": precision, "hamming_loss": hamming, "micro_f1": 0.5}
    split = {f"{name}{end}": value for name, value in means.items() for end in ("", "_low", "_high")}
    split |= {"n": 4, "groups": 4, "log_loss": 0.2, "expected_calibration_error": 0.1, "per_class": {}}
    floor = {"majority_mean_average_precision": 0.3, "untrained_mean_average_precision": 0.31}
    metrics = {"problem": "multilabel", "floor": floor, "parameters": 7, "validation": split, "test": split}
    (own / "metrics.json").write_text(json.dumps(metrics))
    history = pd.read_csv(own / "history.csv")
    history.columns = history.columns.str.replace("accuracy", "mean_average_precision")
    history.to_csv(own / "history.csv", index=False)
    table = pd.DataFrame({"split": "test", "label": ["a|b", "", "c", ""], "predicted": ["b|c", "a", "c", ""]})
    table.to_parquet(own / "predictions.parquet")


def run(root: Path, params: Params = PARAMS) -> dict[str, Any]:
    """Runs the stage in `root` without the page, whose files are missing here; returns `metrics.json`."""
    reports = root / "reports"
    names = {"leaderboard": "leaderboard.md", "chart": "leaderboard.png", "plots": "plots"}
    paths = {key: reports / name for key, name in names.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "write_page", lambda params, root: root / "reports" / "index.html")
        select.run(params, evaluations=root / "evaluations", metrics=root / "metrics.json", **paths)
    tree: dict[str, Any] = json.loads((root / "metrics.json").read_text())
    return tree


def test_the_stage_writes_leaderboard_metrics_and_plots(tmp_path: Path) -> None:
    write_all(tmp_path / "evaluations")
    tree = run(tmp_path)
    assert (tree["selected"]["candidate"], tree["selected"]["phase"]) == ("lite0_plain", "fine_tune")
    shown = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.85, "log_loss": 0.3, "roc_auc": 0.9}
    assert tree["selected"]["test"] == pytest.approx({**shown, "expected_calibration_error": 0.02})
    assert list(tree["candidates"]) == ["lite0_hidden", "lite0_plain"]
    assert list(tree["candidates"]["lite0_plain"]) == ["head", "fine_tune"]
    assert "roc_auc" not in tree["candidates"]["lite0_hidden"]["head"]["validation"]

    page = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "Validation has 4 images in 3 groups, test has 4 images in 3 groups." in page
    table = [line for line in page.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[1:3] for line in table[2:]] == [
        ["lite0_plain", "fine_tune"], ["lite0_hidden", "head"], ["lite0_plain", "head"],
    ]  # fmt: skip
    assert "0.9400 [0.8400, 0.9900] | 0.8000 [0.7000, 0.8500] | 0.3000 | 0.0200 | 3,413,024 |" in table[2]
    assert "selected" in table[2] and "selected" not in table[3]
    assert "fine-tuning helped lite0_plain: validation accuracy 0.9000 → 0.9400, test accuracy 0.8000 → 0.8000" in page
    assert "most frequent class 0.1000; untrained lite0_plain 0.1200, lite0_hidden 0.1200" in page
    assert "former" not in page

    curves = pd.read_csv(tmp_path / "reports" / "plots" / "curves.csv")
    assert curves["epoch"].tolist() == [1, 2, 1, 2, 3]
    confusion = pd.read_csv(tmp_path / "reports" / "plots" / "confusion.csv", dtype=str)
    assert confusion.values.tolist() == [["0", "0"], ["1", "1"], ["2", "1"], ["2", "2"]]
    with Picture.open(tmp_path / "reports" / "leaderboard.png") as picture:
        assert min(picture.size) > 200


def test_the_page_shows_the_promise_the_coverage_and_the_error_at_the_limit(tmp_path: Path) -> None:
    write_all(tmp_path / "evaluations")
    rejection = Rejection(wanted_error=0.02, error=0.02, limit=0.75, coverage=0.8, images=300, possible_limit=0.1)
    for file in (tmp_path / "evaluations").rglob("metrics.json"):
        metrics = json.loads(file.read_text())
        metrics["test"] |= {"coverage": 0.8123, "coverage_low": 0.7, "coverage_high": 0.9, "answered_error": None}
        file.write_text(json.dumps(metrics | {"temperature": 1.2, "rejection": rejection.model_dump()}))
    run(tmp_path)
    page = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "| test coverage | test answered_error |" in page and "0.8123 [0.7000, 0.9000]" in page
    assert page.count("- Promise of lite0_") == 3
    assert f"- Promise of lite0_plain fine_tune: {promise(rejection)}" in page


def test_where_the_metric_is_even_the_page_tells_what_decided(tmp_path: Path) -> None:
    write_all(tmp_path / "evaluations")
    tuned = tmp_path / "evaluations" / "lite0_plain" / "fine_tune" / "metrics.json"
    metrics, pages = json.loads(tuned.read_text()), []
    for accuracy, loss in ((0.90, 0.35), (0.92 + 1e-6, 0.35), (0.90 + 1e-6, 0.4 - 1e-6), (0.92 + 1e-6, 0.4 - 1e-6)):
        metrics["validation"] |= {"accuracy": accuracy, "log_loss": loss}
        tuned.write_text(json.dumps(metrics))
        run(tmp_path)
        pages.append((tmp_path / "reports" / "leaderboard.md").read_text())
    assert "fine-tuning helped lite0_plain: validation log_loss 0.4000 → 0.3500, test log_loss" in pages[0]
    assert "Equal in validation" not in pages[0]
    assert "the lower validation log_loss decided: lite0_plain fine_tune 0.3500, lite0_hidden head 0.4000." in pages[1]
    assert "fine-tuning did not help lite0_plain: validation log_loss 0.4000 → 0.4000" in pages[2]
    equal = "- Equal in validation accuracy and log_loss; the simpler phase decided, then the name: "
    assert f"{equal}lite0_hidden head, lite0_plain fine_tune." in pages[3]

    tuned.write_text(json.dumps(metrics | {"trainable": 0}))  # it is the head, whose accuracy is 0.90
    run(tmp_path)
    page = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "- Fine-tuning improved nothing on validation: lite0_plain fine_tune has the weights of its head." in page
    assert "Equal in validation" not in page and "did not help" not in page


def test_several_labels_and_an_end_to_end_candidate(tmp_path: Path) -> None:
    folder = tmp_path / "evaluations"
    write_multilabel(folder, "lite0_plain", "fine_tune", 0.2, 0.9)
    write_multilabel(folder, "lite0_hidden", "train", 0.1, 0.8)
    tree = run(tmp_path, PARAMS.model_copy(update={"select": Select(metric="hamming_loss")}))
    assert (tree["selected"]["candidate"], tree["selected"]["phase"]) == ("lite0_hidden", "train")
    assert {"hamming_loss_low", "mean_average_precision_low", "micro_f1"} <= set(tree["selected"]["validation"])
    assert not {"micro_f1_low", "n", "per_class"} & set(tree["selected"]["validation"])

    page = (tmp_path / "reports" / "leaderboard.md").read_text()
    table = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert table[0][1:7] == [
        "candidate", "phase", "validation hamming_loss", "test hamming_loss", "validation mean_average_precision",
        "test mean_average_precision",
    ]  # fmt: skip
    assert [row[1:3] for row in table[2:]] == [["lite0_hidden", "train"], ["lite0_plain", "fine_tune"]]
    assert table[2][3] == "0.1000 [0.1000, 0.1000]" and table[2][5] == "0.8000 [0.8000, 0.8000]"
    assert "fine-tuning" not in page
    assert (
        "mean_average_precision: always predicting the class frequencies 0.3000; untrained lite0_hidden 0.3100" in page
    )

    curves = pd.read_csv(tmp_path / "reports" / "plots" / "curves.csv")
    assert curves.groupby("candidate")["phase"].unique().map(list).to_dict() == {
        "lite0_hidden": ["train"], "lite0_plain": ["head", "fine_tune"],
    }  # fmt: skip
    assert curves["val_metric"].notna().all()
    confusion = pd.read_csv(tmp_path / "reports" / "plots" / "confusion.csv", dtype=str, keep_default_na=False)
    assert confusion.values.tolist() == [["a", "none"], ["b", "b"], ["none", "c"], ["none", "a"], ["c", "c"]]


def test_without_a_test_split(tmp_path: Path) -> None:
    write_all(tmp_path / "evaluations", test=None)
    tree = run(tmp_path)
    assert "test" not in tree["selected"]
    assert "no such split" in (tmp_path / "reports" / "leaderboard.md").read_text()


def test_a_candidate_without_evaluation_is_an_error(tmp_path: Path) -> None:
    write_all(tmp_path / "evaluations")
    shutil.rmtree(tmp_path / "evaluations" / "lite0_hidden")
    with pytest.raises(TransferlineError, match=r"lite0_hidden.*dvc repro evaluate"):
        run(tmp_path)
    assert not (tmp_path / "metrics.json").exists()

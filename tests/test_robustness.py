"""The part of the evaluate stage for corrupted and attacked images, with models that predict by the mean brightness."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from tests.test_evaluate import PARAMS, make_case, save_model
from transferline.datasets.tables import read_table
from transferline.evaluation.changed_images import drawn_evenly
from transferline.evaluation.leaderboard import markdown
from transferline.evaluation.ranking import read_evaluations
from transferline.params import Adversarial, Robustness
from transferline.registry.model_comparison import load_with_card, score_model
from transferline.stages import evaluate

ATTACKS = Adversarial(attacks=("fgsm", "targeted_pgd"), epsilons=(0, 140), steps=2)
WANTED = Robustness(images=100, corruptions=("brightness", "blur"), adversarial=ATTACKS)
PICTURES = {"corruptions.png", "corruption_examples.png", "adversarial.png", "adversarial_examples.png"}


def run(root: Path, wanted: Robustness) -> tuple[Path, dict[str, Any]]:
    params = PARAMS.evaluate.model_copy(update={"robustness": wanted})
    folders = {name: root / name for name in ("raw", "models")}
    out = root / "evaluations" / "tiny"
    evaluate.run(
        PARAMS.model_copy(update={"evaluate": params}), manifest=root / "manifest.parquet", evaluation=out, **folders
    )
    (phase,) = out.iterdir()
    return phase, json.loads((phase / "metrics.json").read_text())


def test_corruptions_and_attacks_of_a_binary_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_case(tmp_path)
    folder, metrics = run(tmp_path, WANTED)
    test, corruptions, adversarial = (metrics["test"][name] for name in ("n", "corruptions", "adversarial"))
    assert corruptions["images"] == adversarial["images"] == test == 12 and "corruptions" not in metrics["validation"]
    # 40 of 255 turns light at 115, which half a white on top exceeds; flat images do not blur
    by_severity = corruptions["brightness"]
    assert by_severity["severity_1"] == 1 and by_severity["severity_5"] == 0.5 and corruptions["accuracy"] == 1
    assert set(corruptions["blur"].values()) == {1.0}
    mean = np.mean([*by_severity.values(), *corruptions["blur"].values()])
    assert metrics["test"]["corruption_accuracy"] == pytest.approx(mean)
    assert metrics["test"]["corruption_accuracy_low"] < mean < metrics["test"]["corruption_accuracy_high"]
    by_class = pd.read_csv(folder / "corruptions.csv", index_col="class")
    assert list(by_class) == ["untouched", "brightness", "blur"]
    assert by_class.loc["dark", "brightness"] < 1 == by_class.loc["light", "brightness"]

    for name in ATTACKS.attacks:
        untouched, attacked = (adversarial[name][f"epsilon_{epsilon}"] for epsilon in ATTACKS.epsilons)
        assert untouched["accuracy"] == metrics["test"]["accuracy"] == 1 and attacked["accuracy"] == 0
        assert untouched["accuracy_low"] == pytest.approx(metrics["test"]["accuracy_low"])
    assert adversarial["targeted_pgd"]["epsilon_140"]["goal_reached"] == 1
    assert metrics["test"]["adversarial_accuracy"] == 0 < metrics["test"]["adversarial_accuracy_high"] < 0.3
    for name in PICTURES:
        with Picture.open(folder / name) as picture:
            assert min(picture.size) > 200
    assert "images predicted" in capsys.readouterr().out


def test_the_leaderboard_and_the_gates_see_the_figures(tmp_path: Path) -> None:
    make_case(tmp_path)
    _, metrics = run(tmp_path, WANTED)
    page = markdown(read_evaluations(tmp_path / "evaluations", ["tiny"]), "accuracy")
    assert "| test corruption_accuracy | test adversarial_accuracy |" in page
    assert f"| {metrics['test']['corruption_accuracy']:.4f} [" in page and "| 0.0000 [0.0000, 0." in page
    (entry,) = read_evaluations(tmp_path / "evaluations", ["tiny"])
    own_of_test = {name: value for name, value in entry.metrics["test"].items() if "corruption" not in name}
    other = replace(entry, candidate="plain", metrics={**entry.metrics, "test": own_of_test})
    cells = [line.split("|") for line in markdown([other, entry], "accuracy").splitlines() if line.startswith("|")]
    assert len({len(row) for row in cells}) == 1, "a model without corruptions has an empty cell"
    rows = read_table(tmp_path / "manifest.parquet").of_split("test")
    model, raw, own = tmp_path / "models" / "head", tmp_path / "raw", metrics["test"]
    scored = score_model(model, load_with_card(model), raw, rows, ("dark", "light"), PARAMS.evaluate, own, 1.0)
    assert scored.corruption_accuracy == metrics["test"]["corruption_accuracy"]
    assert scored.adversarial_accuracy == 0


def test_each_part_alone_on_some_images_of_validation(tmp_path: Path) -> None:
    make_case(tmp_path, ("dark", "light", "mid"), "train validation")
    folder, metrics = run(tmp_path, Robustness(images=4, corruptions=("darkness",)))
    assert metrics["validation"]["corruptions"]["images"] == 4 and "adversarial" not in metrics["validation"]
    assert not (folder / "adversarial.png").exists()
    folder, metrics = run(tmp_path, Robustness(images=4, corruptions=None, adversarial=ATTACKS))
    assert "corruption_accuracy" not in metrics["validation"] and not (folder / "corruptions.csv").exists()
    assert set(metrics["validation"]["adversarial"]["fgsm"]) == {"epsilon_0", "epsilon_140"}


def test_several_labels(tmp_path: Path) -> None:
    make_case(tmp_path)
    (tmp_path / "models" / "head" / "model.keras").unlink()
    model, raw = tmp_path / "models" / "train", tmp_path / "raw"
    save_model(model, raw, ["dark/test1.png"], ("dark", "light"), "train", 5, thresholds=(0.5, 0.5))
    folder, metrics = run(tmp_path, WANTED)
    test = metrics["test"]
    assert test["corruptions"]["mean_average_precision"] == test["mean_average_precision"] == 1
    assert test["corruption_mean_average_precision"] == 1  # the order by brightness stays
    untouched, attacked = test["adversarial"]["targeted_pgd"].values()
    assert untouched["mean_average_precision"] == 1 and untouched["goal_reached"] == 0
    assert attacked["mean_average_precision"] < 0.5 and attacked["goal_reached"] == 1
    assert test["adversarial_mean_average_precision"] <= attacked["mean_average_precision"]
    assert (pd.read_csv(folder / "corruptions.csv", index_col="class")["untouched"] == 1).all()
    assert {path.name for path in folder.iterdir()} >= PICTURES


def test_images_are_drawn_evenly() -> None:
    rows = pd.DataFrame({"label": ["a"] * 60 + ["b"] * 30 + ["c"] * 10})
    drawn = drawn_evenly(rows, 20)["label"].value_counts()
    assert dict(drawn) == {"a": 12, "b": 6, "c": 2}
    assert len(drawn_evenly(rows, 1000)) == 100 and drawn_evenly(rows, 100).equals(rows)
    assert len(drawn_evenly(rows, 1)) == 1

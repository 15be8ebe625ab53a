"""`transferline tune`: what it tries, how it divides the images, what it keeps and what it writes."""

from pathlib import Path

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest

from tests.conftest import COLORS, ROOT, edit_yaml, make_images
from transferline.cli.main import main
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.params import Select, Thresholds, load_params
from transferline.paths import MANIFEST
from transferline.tuning import finals, search, search_space, tune_candidate
from transferline.tuning.folds import repeated_splits
from transferline.tuning.search_space import (
    Network,
    Settings,
    candidate_of,
)
from transferline.tuning.trial_scores import Data, score_head
from transferline.tuning.tune_candidate import (
    base_candidate,
    tune,
)
from transferline.tuning.tuning_report import REPORT, main_effects

PHOTOS = load_params(ROOT / "recipes" / "photos.yaml")
SMALL = Network("efficientnet_lite0", 32, "untouched")


def table(images: int, validation: int, in_group: int = 1) -> ImageTable:
    """Two classes in turn; the last tenth is test."""
    rows = pd.DataFrame(
        {
            "path": [f"{number:05}.png" for number in range(images)],
            "label": [f"class {number // in_group % 2}" for number in range(images)],
            "group": [f"group {number // in_group}" for number in range(images)],
            "sha256": [f"{number:064}" for number in range(images)],
            "split": ["validation" if number < validation else "train" for number in range(images)],
            "kept": True,
        }
    )
    rows.loc[rows.index >= images * 9 // 10, "split"] = "test"
    return ImageTable(rows, ("class 0", "class 1"))


def test_repeated_splits_keep_groups_together_and_leave_out_test() -> None:
    whole = table(300, 60, in_group=5)
    first, second, third = repeated_splits(whole, 3, seed=7, bits=4)
    assert first.rows["split"].equals(whole.rows[whole.rows["split"] != "test"]["split"])
    for division in (second, third):
        assert (division.rows.groupby("group")["split"].nunique() == 1).all()
        assert set(division.rows["split"]) == {"train", "validation"}
        assert set(division.rows["path"]) == set(first.rows["path"])
        shares = division.rows.groupby("label")["split"].apply(lambda split: (split == "validation").mean())
        assert shares.between(0.15, 0.3).all()
    assert not second.rows["split"].equals(third.rows["split"])
    assert repeated_splits(whole, 3, seed=7, bits=4)[2].rows.equals(third.rows)


def test_a_large_validation_split_is_the_only_one() -> None:
    assert len(repeated_splits(table(4000, 1000), 3, seed=7, bits=4)) == 1
    with pytest.raises(TransferlineError, match="needs images for train and for validation"):
        repeated_splits(table(100, 0), 3, seed=7, bits=4)


def test_a_class_of_one_group_is_always_in_train() -> None:
    """Ten classes of one group each would all be in validation of some division."""
    whole = table(300, 60)
    rare = [f"rare {number // 2}" for number in range(100, 120)]
    whole.rows.loc[100:119, ["label", "group"]] = np.array([rare, rare]).T
    for division in repeated_splits(whole, 5, seed=7, bits=4):
        assert set(rare) <= set(division.of_split("train")["label"])


def test_the_report_ranks_settings_by_trials_after_the_same_epochs() -> None:
    study = optuna.create_study(direction="maximize")
    for rate, depth, value in ((1e-4, "upper", 0.5), (1e-3, "upper", 0.6), (1e-4, "whole", 0.8), (1e-3, "whole", 0.9)):
        study.enqueue_trial({"rate": rate, "depth": depth})
        trial = study.ask()
        trial.suggest_categorical("rate", (1e-4, 1e-3))
        trial.suggest_categorical("depth", ("upper", "whole"))
        trial.report(value, 1)
        trial.report(value + (0.5 if depth == "upper" else 0), 2)  # later epochs do not count
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    study.enqueue_trial({"rate": 1e-4, "depth": "upper"})
    study.ask().report(0.0, 1)  # an interrupted trial does not count
    (effect,) = main_effects(study, step=1)
    assert effect.name == "rate" and effect.spread == pytest.approx(0.1)
    assert effect.means == {"0.001": (pytest.approx(0.05), 2), "0.0001": (pytest.approx(-0.05), 2)}


@pytest.mark.parametrize(
    "words", ["--trials 0", "--minutes 0", "--minutes x", "--minutes nan", "--minutes 1 --trials 1"]
)
def test_a_wrong_limit_is_refused(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["transferline", "tune", *words.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2


def test_what_cannot_be_tuned_is_named() -> None:
    with pytest.raises(TransferlineError, match=r"does not support data\.problem: segmentation"):
        base_candidate(load_params(ROOT / "recipes" / "camvid.yaml"))
    only_network = {"candidates": {"cnn": load_params(ROOT / "recipes" / "traffic_signs.yaml").candidates["cnn"]}}
    with pytest.raises(TransferlineError, match=r"params\.yaml has none"):
        base_candidate(PHOTOS.model_copy(update=only_network))
    with pytest.raises(TransferlineError, match=r"has only tuned, its own result; to search from it, rename tuned"):
        base_candidate(PHOTOS.model_copy(update={"candidates": {"tuned": PHOTOS.candidates["lite2"]}}))


LABELS = {
    "binary": {"blue": "no", "green": "yes", "red": "yes"},
    "multilabel": {"blue": "blue|red", "green": "green", "red": ""},
}


@pytest.mark.slow
@pytest.mark.parametrize("problem", LABELS)
def test_heads_are_scored_for_every_kind_of_labels(problem: str, tmp_path: Path) -> None:
    make_images(tmp_path / "raw", count=20)
    rows = pd.DataFrame(
        [
            {"path": f"{name}/{number}.png", "label": LABELS[problem][name], "kept": True, "sha256": f"{name}{number}",
             "group": f"{name}{number // 2}", "split": "validation" if number < 6 else "train"}
            for name in COLORS
            for number in range(20)
        ]
    )  # fmt: skip
    classes = ("no", "yes") if problem == "binary" else tuple(COLORS)
    metric = "accuracy" if problem == "binary" else "mean_average_precision"
    params = PHOTOS.model_copy(
        update={
            "data": PHOTOS.data.model_copy(update={"problem": problem}),
            "select": Select(metric=metric),
            "thresholds": Thresholds(kind="per_class") if problem == "multilabel" else None,
        }
    )
    data = Data(params, tmp_path / "raw", repeated_splits(ImageTable(rows, classes), 2, 7, 4), tmp_path)
    parts = score_head(data, candidate_of(Settings(SMALL), base_candidate(PHOTOS)))
    assert [len(part) for part in parts] == [len(each.of_split("validation")) for each in data.divisions]
    assert data.value(pd.concat(parts, ignore_index=True)) > 0.9
    assert [file.name for file in tmp_path.iterdir()] == ["raw"], "the bank is deleted"


@pytest.mark.slow
def test_the_winner_is_a_candidate_that_was_chosen_without_test_images(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune_candidate, "networks_to_try", lambda params, base: [SMALL])
    monkeypatch.setattr(tune_candidate, "DIVISIONS", 1)
    monkeypatch.setattr(search_space, "EPOCHS", {200: 2, 400: 3})
    edit_yaml(project / "params.yaml", lambda tree: tree["augment"].update(horizontal_flip=False))
    edit_yaml(project / "params.yaml", lambda tree: tree["select"].update(metric="log_loss"))  # accuracy is 1
    before = load_params(project / "params.yaml")
    monkeypatch.setattr(finals, "choose", lambda params, heads, others, luck, errors: heads[-1])
    text = tune(project, before, None, 1)
    assert "1 heads and 1 fine-tunings were tried" in text
    after = load_params(project / "params.yaml")
    assert "params.yaml has it as the candidate tuned" in text and "tuned" in after.candidates
    assert after.candidates | before.candidates == after.candidates and after.data == before.data
    assert "Finalists" in (project / REPORT / "index.html").read_text()

    test_images = set(read_table(MANIFEST).of_split("test")["path"])
    files = list(project.glob(".transferline/tune/*/*.parquet"))
    assert len(files) == 3 and not any(set(pd.read_parquet(file)["path"]) & test_images for file in files)
    runs = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("colors-tune").experiment_id])
    assert {one.data.tags["state"] for one in runs} >= {"head", "present", "final"}
    assert all({"backbone", "side", "depth"} <= one.data.params.keys() for one in runs)
    assert all("validation/log_loss" in one.data.metrics for one in runs)

    for name in ("score_head", "score_candidate"):  # nothing is left to try
        monkeypatch.setattr(search, name, lambda *_: pytest.fail("it is computed again"))
    monkeypatch.setattr(finals, "choose", lambda params, heads, others, luck, errors: others[0])
    assert "params.yaml keeps its candidates" in tune(project, after, None, 1)
    assert load_params(project / "params.yaml") == after
    assert (project / "params.yaml").read_text().count("# `transferline tune` found these settings.") == 1

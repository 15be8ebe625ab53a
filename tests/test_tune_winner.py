"""What `transferline tune` writes into `params.yaml`, and which search a later call continues."""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from tests.conftest import ROOT, edit_yaml
from tests.test_tune import PHOTOS, SMALL, table
from transferline.atomic_files import write_json
from transferline.cli.main import main
from transferline.datasets.tables import ImageTable
from transferline.models.exported import ModelCard
from transferline.params import Image, Params, load_params
from transferline.problems.evaluation import evaluation_of
from transferline.project_files import keep_template
from transferline.tuning import tune_candidate
from transferline.tuning.finals import errors_by_luck
from transferline.tuning.scored import Scored, winner_first
from transferline.tuning.search_space import Network, Settings, augment_of, candidate_of, wider
from transferline.tuning.trial_scores import Data
from transferline.tuning.tune_candidate import (
    base_candidate,
    search_folder,
    search_path,
    tune,
    with_former_augment,
    write_winner,
)
from transferline.tuning.tuning_report import winner_sentences
from transferline.use_recipe import write_params


def scored(side: int, right: range, groups: int = 100) -> Scored:
    """A head for images of this side, and its predictions for 100 validation images, of which these are right."""
    rows = table(200, 100).of_split("validation")
    rows = rows.assign(group=[str(number % groups) for number in range(100)])
    card = ModelCard(
        candidate="c", phase="head", problem="multiclass", classes=("class 0", "class 1"), image=Image(size=side)
    )
    is_one = (rows["label"] == "class 1").to_numpy() == np.isin(np.arange(100), right)
    likely = np.where(is_one[:, None], [0.1, 0.9], [0.9, 0.1])
    predictions = evaluation_of("multiclass").rate(likely, card, rows, Path())
    return Scored(Settings(Network("efficientnet_lite0", side, "untouched")), [predictions], len(right) / 100)


@pytest.mark.parametrize(("end", "winner"), [(94, 64), (100, 96)])
def test_the_first_settings_win_unless_others_are_better_by_more_than_one_standard_error(end: int, winner: int) -> None:
    """With 14 images more and 10 fewer the gain is 0.04 and its standard error 0.05, with 20 and 10 0.10 and 0.05."""
    ordered = [scored(64, range(80)), scored(96, range(10, end)), scored(32, range(70))]
    found = winner_first(PHOTOS, ordered)
    assert [one.settings.network.side for one in found] == [winner, 160 - winner, 32]
    assert winner_first(PHOTOS, ordered, errors=2)[0].settings.network.side == 64, "0.10 is not above two errors"


def test_the_best_of_several_equal_settings_rarely_leads_by_more_than_luck() -> None:
    leads = np.random.default_rng(0).standard_normal((20_000, 12)).max(axis=1)
    assert 0.02 < (leads > errors_by_luck(12)).mean() < 0.03 < (leads > 2).mean()
    assert errors_by_luck(0) == errors_by_luck(1) == pytest.approx(1.96, abs=0.001)


def test_without_groups_to_compare_the_first_settings_win() -> None:
    ordered = [scored(64, range(10), groups=1), scored(96, range(100), groups=1)]
    assert winner_first(PHOTOS, ordered)[0] is ordered[0]


@pytest.mark.parametrize(("right", "sentence"), [(95, "It leads by 0.0100"), (93, "It is behind by 0.0100")])
def test_the_sentences_say_whether_the_winner_leads(right: int, sentence: str, tmp_path: Path) -> None:
    data = Data(PHOTOS, Path(), [table(200, 100)], tmp_path)
    finals = [scored(64, range(right)), scored(96, range(94))]
    found = winner_sentences(data, finals, optuna.create_study(), finals)
    assert found[3].startswith(f"{sentence} (95% interval of its gain ") and "side 96" in found[3]
    assert [line for line in found if line.startswith("The other is not better beyond noise")] == found[4:]
    assert len(found) == (5 if "behind" in sentence else 4)


def test_the_winner_is_written_and_its_search_goes_on_with_the_former_augmentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = PHOTOS.model_copy(update={"augment": PHOTOS.augment.model_copy(update={"rotation": (-5.0, 5.0)})})
    winner = Scored(Settings(SMALL, "whole", 1e-3, 0.1, "wider", 200), [], 0.9)
    write_params(before, tmp_path, force=True)
    candidate = candidate_of(winner.settings, base_candidate(PHOTOS))
    augment = augment_of(winner.settings, before.augment)
    edit_yaml(tmp_path / "params.yaml", lambda tree: tree["augment"].update(hue=[-5.0, 5.0]))  # during the search
    write_winner(tmp_path, candidate, {"rotation": augment.rotation, "views": augment.views}, ["It leads by +0.0100."])
    written = load_params(tmp_path / "params.yaml")
    assert written.candidates == {**PHOTOS.candidates, "tuned": candidate}
    assert written.augment == augment.model_copy(update={"hue": (-5.0, 5.0)}) and augment != before.augment
    lines = (tmp_path / "params.yaml").read_text().splitlines()
    place = lines.index("  tuned:")
    comment = ["    # `transferline tune` found these settings.", "    # It leads by +0.0100."]
    assert lines[place + 1 : place + 3] == comment
    kept = tmp_path / ".transferline/tune/x"
    kept.mkdir(parents=True)
    write_json(kept / tune_candidate.AUGMENT_FILE, before.augment.model_dump(mode="json"))
    assert with_former_augment(written.model_copy(update={"augment": augment})).augment == before.augment
    other = written.model_copy(update={"augment": written.augment.model_copy(update={"views": 99})})
    assert with_former_augment(other) == other


def test_a_search_starts_again_if_the_data_the_params_or_the_code_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = table(60, 12)
    relabelled = ImageTable(manifest.rows.copy(), manifest.classes)
    relabelled.rows.loc[0, "label"] = "class 1"
    reseeded = PHOTOS.model_copy(update={"seed": 8})
    shown = PHOTOS.model_copy(update={"evaluate": PHOTOS.evaluate.model_copy(update={"gallery": 3})})
    calls = [
        (PHOTOS, manifest, "code"), (shown, manifest, "code"), (reseeded, manifest, "code"),
        (PHOTOS, relabelled, "code"), (PHOTOS, manifest, "other code"),
    ]  # fmt: skip
    found = []
    for params, data, code in calls:
        monkeypatch.setattr(tune_candidate, "code_of", lambda name, code=code, project=None: code)
        found.append(search_folder(search_path(params, base_candidate(params), data)))
        (found[-1] / "optuna.log").touch()
        assert list(Path(".transferline/tune").iterdir()) == [found[-1]], "former searches are deleted"
    assert found[0] == found[1] and len(set(found)) == 4


def folder_of_search(params: Params, networks: list[Network]) -> Path:
    """The folder of a search that is interrupted as soon as it begins, in the current folder."""

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for name in ("dvc", "open_runs"):
            patch.setattr(tune_candidate, name, lambda *arguments: None)
        patch.setattr(tune_candidate, "read_table", lambda path: table(300, 60))
        patch.setattr(tune_candidate, "networks_to_try", lambda params, base: networks)
        patch.setattr(tune_candidate, "Search", interrupted)
        tune(Path(), params, None, 1)
    (folder,) = tune_candidate.FOLDER.glob("*")
    return folder


def test_a_search_that_is_interrupted_goes_on_where_an_earlier_winner_changed_augment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    narrow = PHOTOS.augment.model_copy(update={"rotation": (-5.0, 5.0)})
    changed = wider(narrow)
    former = PHOTOS.model_copy(update={"augment": narrow})
    by_hand = former.model_copy(update={"augment": changed})
    folders = [folder_of_search(params, [SMALL]) for params in (by_hand, former)]
    assert folders[0] != folders[1], "no winner has changed the section"
    file = folders[1] / tune_candidate.AUGMENT_FILE
    write_json(file, narrow.model_dump(mode="json"))  # as before a winner is written
    present = former.model_copy(update={"augment": changed})
    assert folder_of_search(present, [SMALL]) == file.parent, "its params are those before the winner"
    other = folder_of_search(present.model_copy(update={"seed": PHOTOS.seed + 1}), [SMALL])
    assert other != file.parent, "another search begins with the params as they are"
    assert not (other / tune_candidate.AUGMENT_FILE).exists()


def test_the_winner_leaves_what_was_edited_during_the_search(tmp_path: Path) -> None:
    keep_template(tmp_path, {}, "my-project")
    (tmp_path / "params.yaml").write_text((ROOT / "recipes" / "photos.yaml").read_text() + "seed: 12\n")
    winner = candidate_of(Settings(SMALL), base_candidate(PHOTOS))
    write_winner(tmp_path, winner, {}, ["It is better."])
    found = load_params(tmp_path / "params.yaml")
    assert found.candidates == {**PHOTOS.candidates, "tuned": winner} and found.augment == PHOTOS.augment
    assert found.seed == 12 and found.record.experiment == "my-project", "not the name of the dataset"
    text = (tmp_path / "params.yaml").read_text()
    assert "found these settings.\n    # It is better.\n    kind: pretrained" in text
    assert "# `transferline init` lowers it to the size of the photographs\n" in text, "comments stay"


def test_the_predictions_of_the_trained_candidate_are_taken_if_they_are_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = PHOTOS.candidates
    division = table(40, 10)
    data, base = Data(PHOTOS, Path(), [division], tmp_path), base_candidate(PHOTOS)
    monkeypatch.setattr(tune_candidate, "plan", lambda root: {})
    assert tune_candidate.predictions_of_trained(tmp_path, base, data) is None, "nothing is trained"
    for phase, right in (("head", 0.2), ("fine_tune", 0.9)):
        rows = pd.concat([division.of_split("test"), division.of_split("validation")[::-1]])
        truth = rows["label"].to_numpy()[:, None] == division.classes
        card = ModelCard(candidate=name, phase="head", problem="multiclass", classes=division.classes, image=base.image)
        found = evaluation_of("multiclass").rate(np.where(truth, right, 1 - right), card, rows, Path())
        (tmp_path / "evaluations" / name / phase).mkdir(parents=True)
        found.to_parquet(tmp_path / "evaluations" / name / phase / "predictions.parquet")
    taken = tune_candidate.predictions_of_trained(tmp_path, base, data)
    assert taken is not None and data.value(taken) == 1.0, "those of the better phase"
    assert list(taken["path"]) == list(division.of_split("validation")["path"])
    monkeypatch.setattr(tune_candidate, "plan", lambda root: {f"evaluate@{name}": None})
    assert tune_candidate.predictions_of_trained(tmp_path, base, data) is None, "something has changed since"


def test_missing_names_in_mlflow_are_that_of_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_template(project, {}, "my-project")
    edit_yaml(project / "params.yaml", lambda tree: tree["record"].pop("experiment"))
    names: list[str] = []
    monkeypatch.setattr(tune_candidate, "tune", lambda root, params, *limits: names.append(params.record.experiment))
    monkeypatch.setattr("sys.argv", ["transferline", "tune"])
    with pytest.raises(SystemExit):
        main()
    assert names == ["my-project"]

"""Which finalist of `transferline tune` wins, and what its search compares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tests.test_tuning_search
from tests.test_tune import PHOTOS, SMALL, table
from tests.test_tune_winner import scored
from tests.test_tuning_search import NETWORKS, Clock, search_without_training
from transferline.datasets.tables import ImageTable
from transferline.errors import TransferlineError
from transferline.models.backbone_cut import cut
from transferline.params import OwnMetric, Params, Unfreeze
from transferline.tuning import finals, search_space
from transferline.tuning.finals import choose, errors_by_luck
from transferline.tuning.folds import repeated_splits
from transferline.tuning.scored import Scored
from transferline.tuning.search_space import HEAD, PRESENT, Network, Settings, candidate_of
from transferline.tuning.trial_scores import Data
from transferline.tuning.tune_candidate import base_candidate

LUCK = errors_by_luck(10)


def with_depth(one: Scored, depth: str) -> Scored:
    return replace(one, settings=replace(one.settings, depth=depth))


@pytest.mark.parametrize(
    ("of_head", "of_fine_tuning", "winner"),
    [
        (range(81), range(80), PRESENT),
        (range(8, 92), range(20, 100), PRESENT),  # the head leads by .04
        (range(8, 100), range(80), PRESENT),  # by .12, 2.7 standard errors
        (range(100), range(80), HEAD),  # by .20, 5 standard errors
        (range(80), range(96), "whole"),
        (range(95), range(96), HEAD),  # it is simpler, and only .01 worse than the fine-tuning
        (range(8, 100), range(92), HEAD),  # it is simpler, though its lead over the candidate can be luck
    ],
)
def test_which_finalist_wins(of_head: range, of_fine_tuning: range, winner: str) -> None:
    """The candidate as it is is right for 80 of 100 images."""
    head, others = scored(64, of_head), [(PRESENT, range(80)), ("whole", of_fine_tuning)]
    rest = [with_depth(scored(96, right), depth) for depth, right in others]
    assert choose(PHOTOS, [head], rest, LUCK, errors=1).settings.depth == winner
    assert choose(PHOTOS, [head], [], LUCK, errors=1) is head


def test_near_duplicates_of_training_images_are_not_in_validation_of_further_divisions() -> None:
    whole = table(300, 60)
    random = np.random.default_rng(0)
    hashes = [random.bytes(32).hex() for _ in range(150)]
    whole.rows["phash"] = [hash[:-1] + digit for hash in hashes for digit in "01"]
    first, *others = repeated_splits(whole, 3, 7, bits=4)
    assert len(first.rows) == 270 and not first.rows.duplicated("path").any()
    for division in others:
        train, validation = ({*division.of_split(split)["phash"].str[:-1]} for split in ("train", "validation"))
        assert validation and not train & validation
    assert any(len(division.rows) == 270 for division in repeated_splits(whole, 3, 7, bits=0)[1:])


def test_a_head_that_is_kept_is_never_left_out(tmp_path: Path, capsys: Any) -> None:
    networks = [*NETWORKS, replace(SMALL, head_views="augmented")]
    search_without_training(tmp_path, 1, networks=networks)
    found = search_without_training(tmp_path, None, networks=networks, end=1, clock=Clock(), trained=0.0)
    assert found.sentences[0].startswith("3 heads") and "left out" not in capsys.readouterr().out


def test_a_metric_that_is_not_defined_on_the_first_division_is_an_error_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.test_tuning_search, "table", lambda *_: one_class_in_validation())
    with pytest.raises(TransferlineError, match=r"select.metric: roc_auc is not defined"):
        search_without_training(tmp_path, 2, metric="roc_auc", fails_at=range(99))
    assert [file.name.split()[0] for file in tmp_path.glob("*.parquet")] == ["head"]


def one_class_in_validation() -> ImageTable:
    whole = table(300, 60)
    is_one = (whole.rows["split"] == "validation") & (whole.rows["label"] == "class 1")
    whole.rows.loc[is_one, "split"] = "train"
    return whole


def test_a_perfect_head_is_enough_to_try_no_fine_tuning(tmp_path: Path) -> None:
    found = search_without_training(tmp_path, 6, heads_right=1.0)
    assert set(found.states) == {"head", "present", "final"}


def test_only_fine_tunings_that_are_better_on_the_first_division_are_finalists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = list[Scored]()

    def record(params: Params, heads: list[Scored], others: list[Scored], luck: float, errors: float) -> Scored:
        compared.extend(others)
        return others[0]

    monkeypatch.setattr(finals, "choose", record)
    search_without_training(tmp_path / "worse", 6, trained=0.99)
    assert [one.settings.depth for one in compared] == [PRESENT]
    compared.clear()
    search_without_training(tmp_path / "better", 6, trained=0.0, right=0.9)
    assert len(compared) == 3 and all(one.settings.megapixels == 400 for one in compared[1:])


@pytest.mark.parametrize(
    ("problem", "metric", "perfect"),
    [
        ("multiclass", "accuracy", 1.0),
        ("multiclass", "log_loss", np.inf),
        ("multilabel", "hamming_loss", 0.0),
        ("multiclass", "cost", np.inf),
    ],
)
def test_the_value_that_nothing_exceeds(tmp_path: Path, problem: str, metric: str, perfect: float) -> None:
    own = (OwnMetric(function="own_metrics.example:cost", best="highest"),)
    sections = {"data": {"problem": problem}, "select": {"metric": metric}, "evaluate": {"metrics": own}}
    changes = {name: getattr(PHOTOS, name).model_copy(update=values) for name, values in sections.items()}
    data = Data(PHOTOS.model_copy(update=changes), tmp_path, repeated_splits(table(100, 20), 1, 7, 4), tmp_path)
    assert data.perfect == perfect


def test_each_depth_trains_layers_with_weights_also_with_levels() -> None:
    network = Network("vgg16", 64, "untouched", "levels")
    for depth in search_space.DEPTHS:
        settings = Settings(network, depth, 1e-3, 0.1, "params", 200, 0.0)
        candidate = candidate_of(settings, base_candidate(PHOTOS))
        backbone = search_space.build_backbone(
            candidate.backbone.model_copy(update={"weights": "none"}), candidate.image
        )
        counts = [len(cut(backbone, boundary).trainable) for boundary in candidate.backbone.boundaries]
        assert counts == sorted(set(counts)) and counts[0] > 0
    with pytest.raises(TransferlineError, match="trains nothing"):
        cut(keras.Model(backbone.input, backbone.output), Unfreeze(last=3))

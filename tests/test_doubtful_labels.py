"""Wrong labels are found by confident learning, on features that a generator draws."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from tests.conftest import ROOT, run_in_process
from transferline.arrays import Array, Counts
from transferline.datasets.contact_sheet import Tile
from transferline.errors import TransferlineError
from transferline.insight import show_doubtful
from transferline.insight.confident_learning import confidently_wrong, doubts
from transferline.insight.doubtful_labels import doubtful_labels, out_of_fold_probabilities
from transferline.insight.insight_table import insight_table, write_insight_table
from transferline.insight.linear_heads import components, probabilities_of, repeats
from transferline.insight.show_doubtful import describe_doubtful
from transferline.models.exported import ModelCard
from transferline.not_applicable import NotApplicableError
from transferline.params import Image

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("a", "b", "c")
BINARY = ModelCard(candidate="c", phase="head", problem="binary", classes=("big cat", "dog"), image=Image(size=32))


def clouds(n: int, classes: int = 3, distance: float = 4.0) -> tuple[Array, Counts]:
    """Features around one centre for each class, and the numbers of the classes."""
    random = np.random.default_rng(0)
    answers = np.arange(n) % classes
    centres = random.normal(size=(classes, 20))
    return random.normal(size=(n, 20)) + distance * centres[answers], answers


def swapped(answers: Counts, share: float, classes: int = 3) -> tuple[Counts, Counts]:
    """The same answers with a share of wrong ones, and their positions."""
    random = np.random.default_rng(1)
    wrong = random.choice(len(answers), round(share * len(answers)), replace=False)
    changed = answers.copy()
    changed[wrong] = (changed[wrong] + random.integers(1, classes, len(wrong))) % classes
    return changed, wrong


def images(labels: Any, split: str = "train") -> pd.DataFrame:
    return pd.DataFrame({"path": [f"{n}.png" for n in range(len(labels))], "split": split, "label": labels})


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_swapped_labels_are_the_most_doubtful(share: float) -> None:
    features, answers = clouds(300)
    given, wrong = swapped(answers, share)
    rows, classes = images(np.array(CLASSES)[given]), np.array(CLASSES)
    found = doubtful_labels(rows, components(features), np.arange(300), "multiclass", CLASSES, 0)
    first = found.head(len(wrong)).set_index("path")
    bad = rows["path"].iloc[wrong]
    assert first.index.isin(bad).mean() >= 0.9
    hits = [number for number in wrong if f"{number}.png" in first.index]
    right = [first["suggested"][f"{number}.png"] == classes[answers[number]] for number in hits]
    assert np.mean(right) > 0.9 and (first["score"] < first["probability"]).all()
    sure = found[found["confident"]]
    assert len(sure) > len(wrong) / 2 and sure["path"].isin(bad).mean() > 0.9
    nearest = dict(zip(rows["path"], classes[answers], strict=True))
    agree = [nearest[path] == first["suggested"][name] for name in first.index for path in first["nearest"][name]]
    assert len(agree) == 3 * len(first) and np.mean(agree) > 0.9


def test_of_several_labels_the_wrong_one_is_named_and_all_doubtful_ones_are_changed() -> None:
    features, answers = clouds(240)
    rows = images([("a|b", "b", "")[number] for number in answers])
    rows.loc[0, "label"], rows.loc[2, "label"] = "b", "a|b"
    found = doubtful_labels(rows, components(features), np.arange(240), "multilabel", ("a", "b"), 0)
    assert set(found[found["confident"]]["path"]) == {"0.png", "2.png"}
    changed = found[found["path"].isin(("0.png", "2.png"))].sort_values(["path", "asked"])
    assert changed[["path", "asked", "label", "suggested"]].to_numpy().tolist() == [
        ["0.png", "a", "b", "a|b"],
        ["2.png", "a", "a|b", ""],
        ["2.png", "b", "a|b", ""],
    ]


@pytest.mark.filterwarnings("error")
def test_features_that_are_all_the_same_give_no_doubt() -> None:
    rows = images(np.array(["a", "b"])[np.arange(40) % 2])
    assert doubtful_labels(rows, components(np.ones((40, 4))), np.arange(40), "binary", ("a", "b"), 0).empty


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_label_of_fewer_than_5_images_is_not_doubtful(count: int) -> None:
    features, answers = clouds(60, 2)
    rows = images(np.array(["a", "b"])[answers])
    rows.loc[: 2 * count - 1 : 2, "label"] = "c"  # images of a
    found = doubtful_labels(rows, components(features), np.arange(60), "multiclass", CLASSES, 0)
    assert (found["label"] == "c").sum() == (5 if count == 5 else 0)


def test_heads_are_repeated_up_to_5000_images() -> None:
    assert (repeats(5000, 3), repeats(5001, 3)) == (3, 1)


def test_few_images_are_a_reason() -> None:
    features, answers = clouds(60)
    with pytest.raises(NotApplicableError, match="there are 12 images; 20 are needed"):
        doubtful_labels(images(answers), features, np.arange(60) // 5, "multiclass", CLASSES, 0)


def test_duplicates_and_groups_do_not_vouch_for_each_other() -> None:
    """Ten copies with one wrong label: where the copies are in other folds, the wrong label looks right."""
    features, answers = clouds(150, 2, 0.6)
    features[:10], given = features[0], answers.copy()
    given[:10] = 1 - answers[0]
    values = components(features)
    alone, together = np.arange(150), np.arange(150)
    together[:10] = 0
    together = np.unique(together, return_inverse=True)[1]
    score = {
        name: out_of_fold_probabilities(values, given, unit, 2, 0)[0, given[0]]
        for name, unit in (("alone", alone), ("together", together))
    }
    assert score["together"] < score["alone"] - 0.2


def test_a_class_without_images_in_a_fold_has_the_probability_0() -> None:
    features, answers = clouds(60)
    likely = probabilities_of(features, np.minimum(answers, 1), features, 3, 1.0)
    assert (likely[:, 2] == 0).all() and likely.sum(axis=1) == pytest.approx(1)
    assert (probabilities_of(features, np.full(60, 2), features, 3, 1.0) == [0, 0, 1]).all()


def test_the_confident_joint_of_an_example() -> None:
    """Thresholds .7 and .6. The second image is confidently 1, the third reaches no threshold."""
    likely = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5], [0.9, 0.1], [0.4, 0.6]])
    given = np.array([0, 0, 1, 0, 1])
    likely[3] = [0.9, 0.1]
    assert confidently_wrong(likely, given).tolist() == [False, True, False, False, False]
    found = doubts(likely, given)
    assert found.score.tolist() == [0.8, 0.4, 0.5, 0.9, 0.6] and found.suggested.tolist() == [1, 1, 0, 1, 0]


def test_the_same_labels_are_doubtful_as_for_cleanlab() -> None:
    """The ranking of cleanlab 2.9.0, `find_label_issues` with filter_by="confident_learning" and
    return_indices_ranked_by="self_confidence". It is no dependency because of its licence (AGPL)."""
    random = np.random.default_rng(7)
    given, likely = random.integers(0, 3, 200), random.random((200, 3))
    likely += 0.4 * np.eye(3)[np.where(random.random(200) < 0.8, given, random.integers(0, 3, 200))]
    likely /= likely.sum(axis=1, keepdims=True)
    numbers = "44 21 90 150 83 86 32 109 192 101 6 165 171 152 72 70 194 177 180 100 53 28 142 127 75 172 130 98 37 "
    ranked = [*map(int, (numbers + "24 41 48 158 55 84 110 26 57 133 81 36 161 15 79").split())]
    ours = doubts(likely, given)
    own = np.flatnonzero(ours.confident & (likely.argmax(axis=1) != given))
    assert own[np.argsort(ours.score[own])].tolist() == ranked


def project(root: Path) -> Path:
    """A project whose stage insight has found one wrong label for `lite0_plain`, and has no bank for `lite0_hidden`."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    features, answers = clouds(40, 2, 6)
    rows = images(np.where(answers == 0, "big cat", "dog"))
    for path in rows["path"]:
        Picture.new("RGB", (20, 20), "green").save(root / path)
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/digits").symlink_to(root)
    rows.loc[0, "label"] = "dog"
    for name, reasons in (("lite0_plain", {}), ("lite0_hidden", {"doubtful_labels": "no bank"})):
        (root / "insight" / name).mkdir(parents=True)
        write_insight_table(insight_table(rows, BINARY, None, None), reasons, root / "insight" / name)
    found = doubtful_labels(rows, components(features), np.arange(40), "binary", BINARY.classes, 0)
    found.to_parquet(root / "insight/lite0_plain/doubtful.parquet")
    (root / "insight/lite0_plain/doubtful.json").write_text('{"train": 30, "validation": 9}')  # one was left out
    return root


def test_the_command_shows_doubtful_labels_and_how_to_correct_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    (tmp_path / "metrics.json").write_text('{"selected": {"candidate": "lite0_hidden", "phase": "head"}}')
    tiles: list[Tile] = []
    monkeypatch.setattr(show_doubtful, "contact_sheet", lambda drawn, *_: tiles.extend(drawn))
    assert run_in_process("data", "doubtful", "--out", "sheet.png") == 0
    printed = capsys.readouterr().out
    assert "39 images (train 30, validation 9)," in printed and "probably wrong (marked *): 1;" in printed
    assert "transferline data relabel digits 0.png 'big cat' --reason" in printed
    first, *near = [tile.caption.split("\n") for tile in tiles if tile.caption]
    assert first == ["dog", "or big cat?", "0.png"]
    assert [caption[:2] for caption in near] == [["nearest", "big cat"]] * 3


@pytest.mark.parametrize(("doubtful", "warns"), [(19, False), (20, False), (21, True)])
def test_features_that_agree_with_fewer_than_80_of_100_labels_are_named(
    tmp_path: Path, doubtful: int, warns: bool
) -> None:
    rows = images(["a"] * 100)
    columns = {"suggested": "b", "asked": "", "score": 0.1, "probability": 0.9, "confident": True}
    rows.head(doubtful).assign(**columns).to_parquet(tmp_path / "doubtful.parquet")
    (tmp_path / "doubtful.json").write_text('{"train": 100}')
    warning = f"the features agree with only {100 - doubtful}% of the labels"
    assert (warning in describe_doubtful(tmp_path, "digits", 20)) == warns


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--candidate", "nobody"], "no candidate nobody; allowed are lite0_plain"),
        (["--candidate", "lite0_hidden"], "not applicable:\n  lite0_hidden: no bank"),
        ([], "insight/lite0_plain/insight.json is missing; `dvc checkout` restores it"),
    ],
    ids=["unknown", "without a bank", "before the stage ran"],
)
def test_a_candidate_without_doubtful_labels_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(project(tmp_path))
    if not words:
        shutil.rmtree(tmp_path / "insight/lite0_plain")
    with pytest.raises(TransferlineError, match=message):
        run_in_process("data", "doubtful", *words)

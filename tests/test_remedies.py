"""Who follows the advice of the rule `few_images` has enough images."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_validate import picture, run, save
from transferline.datasets.checks.class_counts import images_by_class_and_split, labelled_images
from transferline.datasets.checks.remedies import remedies
from transferline.datasets.splits import group_images, split_images
from transferline.params import Data, Split

LEAST = 5
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def data(pattern: str | None = None, problem: str = "multiclass", **fractions: float) -> Data:
    split = {"validation": 0.15, "test": 0.15, "group": pattern, **fractions}
    layout = {"kind": "class_folders"}
    if problem == "multilabel":
        layout = {"kind": "csv", "file": "t.csv", "path_column": "a", "label_column": "b", "separator": "|"}
    return Data.model_validate({"dataset": "d", "problem": problem, "layout": layout, "split": split})


def images(labels: list[str], random: np.random.Generator, settings: Data, given: str | None = None) -> pd.DataFrame:
    """Images of which each three in a row are one object."""
    sha256 = [random.bytes(32).hex() for _ in labels]
    table = pd.DataFrame({"label": labels, "sha256": sha256, "given": given, "entry": None}, dtype=object)
    first = int(random.integers(10**9))
    table["path"] = [f"{first + number // 3}_{digest}" for number, digest in enumerate(sha256)]
    table = table.assign(kind="image", excluded=False, kept=True)
    table["group"] = group_images(table, settings.split.group)
    return table


def counted(table: pd.DataFrame, settings: Data, classes: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = table.assign(split=split_images(table, settings.split))
    return rows, images_by_class_and_split(labelled_images(rows, settings), classes)


@pytest.mark.parametrize("pattern", [None, r"^(\d+)_"], ids=["images", "groups"])
def test_the_fraction_is_the_least_that_is_enough(pattern: str | None) -> None:
    random, settings, followed = np.random.default_rng(0), data(pattern), 0
    names = [f"c{number}" for number in range(30) for _ in range(12 + 2 * number)]
    rows, counts = counted(images(names, random, settings), settings, tuple(dict.fromkeys(names)))
    for (name, split), advice in remedies(rows, counts, settings, LEAST).items():
        if found := re.match(rf"set data.split.{split} to ([\d.]+), or add about \d+ ", advice):
            followed += 1
            for fraction, enough in ((float(found[1]), True), (float(found[1]) - 0.01, False)):
                _, then = counted(rows, data(pattern, **{split: fraction}), tuple(counts.index))
                assert (min(then.loc[name, split], then.loc[name, "train"]) >= LEAST) == enough, (name, advice)
    assert followed >= 10


@pytest.mark.slow
@pytest.mark.parametrize("given", [None, "train"])
def test_the_number_of_images_is_enough_in_95_percent_of_all_cases(given: str | None) -> None:
    random, settings = np.random.default_rng(1), data()
    successes: list[bool] = []
    fewer: list[bool] = []
    for size in (3, 7, 12, 20, 30, 38) * 3:
        table = images(["a"] * size + ["b"] * 50, random, settings, given)
        advice = remedies(*counted(table, settings, ("a", "b")), settings, LEAST)
        for split in ("train", "validation", "test") if given is None else ("train", "validation"):
            if ("a", split) not in advice:
                continue
            more = int(advice["a", split].partition("about ")[2].partition(" image")[0])
            for added, outcomes in ((more, successes), (more - 3, fewer)):
                for _ in range(10):
                    grown = pd.concat([table, images(["a"] * added, random, settings, given)], ignore_index=True)
                    outcomes.append(counted(grown, settings, ("a", "b"))[1].loc["a", split] >= LEAST)
    assert len(successes) > 100 and np.mean(successes) >= 0.94 and np.mean(fewer) < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["groups", "labels"])
def test_the_number_is_about_right_for_groups_and_for_several_labels(kind: str) -> None:
    random, successes = np.random.default_rng(2), []
    settings = data(r"^(\d+)_") if kind == "groups" else data(problem="multilabel")
    labels = ["a"] * 24 if kind == "groups" else ["a|b", "a", "a|c", "b|c"] * 6
    for _ in range(20):
        table = images(labels + ["b|c"] * 60, random, settings)
        advice = remedies(*counted(table, settings, ("a",)), settings, LEAST)
        for (_, split), text in advice.items():
            found = re.search(r"add about (\d+) (image|group)", text)
            more = int(found[1]) * (3 if found[2] == "group" else 1)
            added = images([label for label in labels * 20 if "a" in label][:more], random, settings)
            grown = pd.concat([table, added], ignore_index=True)
            successes.append(counted(grown, settings, ("a",))[1].loc["a", split] >= LEAST)
    assert len(successes) >= 10 and np.mean(successes) >= 0.8


@pytest.mark.parametrize("split", SPLITS)
def test_given_splits_need_exactly_the_missing_images(split: Split) -> None:
    settings, random = data(), np.random.default_rng(3)
    parts = [images(["a"] * (3 if name == split else 9), random, settings, name) for name in SPLITS]
    rows, counts = counted(pd.concat(parts, ignore_index=True), settings, ("a",))
    assert remedies(rows, counts, settings, LEAST) == {("a", split): f"add 2 image(s) of it to {split}"}


def test_a_dataset_without_test_is_advised_about_the_other_splits() -> None:
    settings = data(test=0.0)
    rows, counts = counted(images(["a"] * 12, np.random.default_rng(4), settings), settings, ("a",))
    assert remedies(rows, counts, settings, LEAST) == {
        ("a", "validation"): "set data.split.validation to 0.38, or add about 19 image(s) of it"
    }


def test_the_stage_accepts_the_fraction_that_it_proposes(tmp_path: Path) -> None:
    for index in range(60):
        save(tmp_path / "raw" / ("cat", "dog")[index % 3 == 0] / f"{index}.png", picture(index))
    report, _ = run(tmp_path / "raw", validate__min_images=LEAST)
    findings = [one for one in report["findings"] if one["rule"] == "few_images"]
    assert findings and {one["severity"] for one in findings} == {"warn"}
    found = [re.search(r"set (data\.split\.\w+) to ([\d.]+)", one["detail"]) for one in findings]
    changes = {one[1].replace(".", "__"): float(one[2]) for one in found}
    report, _ = run(tmp_path / "raw", validate__min_images=LEAST, **changes)
    assert not [one for one in report["findings"] if one["rule"] == "few_images"]

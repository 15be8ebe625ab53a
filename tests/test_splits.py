"""The splits of images by content, by group, and as the dataset defines them."""

import hashlib

import pandas as pd
import pytest

from tests.conftest import ROOT
from transferline.datasets.splits import group_images, is_ours, split_images
from transferline.params import SplitParams, load_params

BY_CONTENT = SplitParams(validation=0.2, test=0.1, group=None)
TRACKS = SplitParams(validation=0.2, test=0.1, group=r"^([^/]+/\d+)_")


def images(count: int, given: str | None = None) -> pd.DataFrame:
    """Images `class/track_frame.png`, 10 frames a track, each with other content."""
    paths = [f"class{index % 3}/{index // 30:05}_{index % 30:05}.png" for index in range(count)]
    sha256 = [hashlib.sha256(path.encode()).hexdigest() for path in paths]
    return pd.DataFrame({"path": paths, "sha256": sha256, "given": given}, dtype=object)


def split(table: pd.DataFrame, params: SplitParams) -> pd.Series:
    return split_images(table.assign(group=group_images(table, params.group), label=table["path"].str[:6]), params)


@pytest.mark.parametrize("params", [BY_CONTENT, TRACKS], ids=["content", "group"])
@pytest.mark.parametrize("given", [None, "train"])
def test_the_order_of_the_images_does_not_matter(params: SplitParams, given: str | None) -> None:
    table = images(1300, given)
    splits = split(table, params)
    assert splits.nunique() == (2 if given else 3)
    assert split(table.sample(frac=1, random_state=0), params).sort_index().equals(splits)


def test_fractions_are_met() -> None:
    shares = split(images(20_000), BY_CONTENT).value_counts(normalize=True)
    assert shares["validation"] == pytest.approx(0.2, abs=0.015)
    assert shares["test"] == pytest.approx(0.1, abs=0.015)


def test_same_bytes_share_a_split_under_any_name() -> None:
    table = pd.concat([images(500), images(500).assign(path=[f"copy/{index}.png" for index in range(500)])])
    splits = split(table.reset_index(drop=True), BY_CONTENT).to_numpy()
    assert (splits[:500] == splits[500:]).all()


def test_a_group_stays_together_and_groups_are_dealt() -> None:
    table = images(3000)
    splits = split(table, TRACKS)
    tracks = table["path"].str.partition("_")[0]
    assert (splits.groupby(tracks).nunique() == 1).all() and splits.nunique() == 3


def test_path_without_a_group_is_split_by_its_content() -> None:
    table = images(300).assign(path="no track")
    assert group_images(table, TRACKS.group).equals(table["sha256"])
    assert split(table, TRACKS).equals(split(table, BY_CONTENT))


def test_given_splits_stay_and_a_missing_validation_is_cut_from_train() -> None:
    table = pd.concat([images(1000, "train"), images(100, "test")], ignore_index=True)
    splits = split(table, BY_CONTENT)
    assert (splits[1000:] == "test").all()
    assert splits[:1000].value_counts(normalize=True)["validation"] == pytest.approx(0.2, abs=0.05)
    assert is_ours(table["given"], "train", "validation") and not is_ours(table["given"], "train", "test")
    whole = pd.concat([table, images(100, "validation")], ignore_index=True)
    assert split(whole, BY_CONTENT).equals(whole["given"]) and not is_ours(whole["given"], "train", "validation")


@pytest.mark.parametrize("recipe", ["photos", "photos_segmentation"])
def test_ten_images_of_each_of_500_classes_are_enough_to_train(recipe: str) -> None:
    params = load_params(ROOT / "recipes" / f"{recipe}.yaml")
    names = [f"class{number // 10:03}/{number % 10}.png" for number in range(5000)]
    sha256 = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    labels = pd.Series(names).str[:8]
    table = pd.DataFrame({"path": names, "label": labels, "sha256": sha256, "group": sha256, "given": None})
    train = (split_images(table, params.data.split) == "train").groupby(labels).sum()
    assert len(train) == 500 and train.min() >= params.validate_.min_images

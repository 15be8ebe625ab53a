"""Splits images into train, validation and test. When a dataset grows, no image moves between train and test."""

import hashlib
import math
import re

import pandas as pd

from transferline.params import Split, SplitParams


def group_images(images: pd.DataFrame, pattern: str | None) -> pd.Series:
    """Returns the group of each image: the text that `pattern` captures in `path`, or else the image's `sha256`.

    Images of one group are always in the same split.
    """
    if pattern is None:
        return images["sha256"].copy()
    captured = [re.search(pattern, path) for path in images["path"]]
    texts = ["/".join(filter(None, match.groups())) if match else "" for match in captured]
    return pd.Series(texts, images.index, dtype=object).where(lambda text: text != "", images["sha256"])


def is_ours(given: pd.Series, low: Split, high: Split) -> bool:
    """Returns whether transferline, not the dataset, divides the images between the splits `low` and `high`.

    It does if the dataset defines no splits. For train and validation, it also does if there is no validation split.
    """
    if given.isna().all():
        return True
    return {low, high} == {"train", "validation"} and "validation" not in set(given)


def split_images(images: pd.DataFrame, params: SplitParams) -> pd.Series:
    """Returns the split of each image from `path`, `label`, `group` and `given`, the split that the dataset defines.

    Given splits are kept. If they do not include validation, `params.validation` is split off from train, and
    `params.test` is ignored. Other images are split by `deal`.
    """
    positions = pd.Series(map(position_of, images["group"], images["sha256"]), images.index, dtype=float)
    given = images["given"]
    is_open = (given.isna() | (given == "train")) & is_ours(given, "train", "validation")
    dealt = deal(images.assign(position=positions)[is_open], params.validation, test_fraction(given, params))
    return given.astype(object).mask(is_open, dealt)


def test_fraction(given: pd.Series, params: SplitParams) -> float:
    """Returns the fraction of images that transferline makes test images: none if the dataset defines splits."""
    return params.test if given.isna().all() else 0.0


def never_trained_below(validation: float, test: float) -> float:
    """Returns the position that separates train from test: groups below it are never train, the others never test."""
    return test + validation / 2 if test else 0.0


def deal(images: pd.DataFrame, validation: float, test: float) -> pd.Series:
    """Splits groups so that each stratum gets the same share of its groups in test and in validation.

    A stratum is a label: a class, or a combination of classes in a multilabel problem or in masks. Labels that are
    too rare for one group in validation and in test form one stratum together.

    Groups are ordered by position: the first groups of a stratum are test, the next ones validation, the others train.
    When images are added, a group can move between validation and another split, but never between train and test.
    For that, groups with a position below `never_trained_below` are never train, and the others are never test. If a
    stratum has too few groups below it, test gets fewer groups. If it has too many, validation gets more.

    Args:
        images: `path`, `label`, `group` and `position`. The first path of a group determines its label.
        validation: the share of groups for validation.
        test: the share of groups for test.
    """
    groups = images.sort_values("path").drop_duplicates("group").set_index("group")
    size = groups.groupby("label")["label"].transform("size")
    strata = groups["label"].where(size >= smallest_stratum(validation, test))
    rank = groups.groupby(strata, dropna=False)["position"].rank("first")
    size = groups.groupby(strata, dropna=False)["label"].transform("size")
    is_below = groups["position"] < never_trained_below(validation, test)
    below = is_below.groupby(strata, dropna=False).transform("sum")
    last_test = below.clip(upper=(size * test).round())
    last_validation = below.clip(lower=last_test + (size * validation).round())
    dealt = pd.Series("validation", groups.index, dtype=object)
    dealt = dealt.mask(rank <= last_test, "test").mask(rank > last_validation, "train")
    return images["group"].map(dealt)


def smallest_stratum(validation: float, test: float) -> int:
    """Returns the least number of groups of which validation and test, where it exists, get one each."""
    return math.ceil(1 / min(filter(None, (validation, test))))


def position_of(group: str, sha256: str) -> float:
    """Returns the position of a group in [0, 1), from its hash. If the group is an image, the hash is its sha256."""
    digest = sha256 if group == sha256 else hashlib.sha256(group.encode()).hexdigest()
    return int(digest[:12], 16) / 16**12

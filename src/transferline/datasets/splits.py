"""Splits images into train, validation and test. When a dataset grows, no image moves between train and test."""

import hashlib
import math
import re

import pandas as pd

from transferline.params import Problem, Split, SplitParams
from transferline.params.problem_kinds import KINDS


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


def split_images(images: pd.DataFrame, params: SplitParams, problem: Problem) -> pd.Series:
    """Returns the split of each image from `path`, `label`, `group` and `given`, the split that the dataset defines.

    Given splits are kept. If they do not include validation, `params.validation` is split off from train, and
    `params.test` is ignored. Other images are split by `deal`, in a multilabel problem by `deal_stratified`.
    """
    positions = pd.Series(map(position_of, images["group"], images["sha256"]), images.index, dtype=float)
    given = images["given"]
    is_open = (given.isna() | (given == "train")) & is_ours(given, "train", "validation")
    test = params.test if given.isna().all() else 0.0
    if KINDS[problem].several_labels:
        dealt = deal_stratified(images.assign(position=positions)[is_open], params.validation, test)
    else:
        dealt = deal(positions[is_open], params.validation, test)
    return given.astype(object).mask(is_open, dealt)


def deal(positions: pd.Series, validation: float, test: float) -> pd.Series:
    """Returns splits by position: test below the fraction `test`, then validation, then train. No image ever moves."""
    everything = pd.Series("train", positions.index, dtype=object)
    return everything.mask(positions < test + validation, "validation").mask(positions < test, "test")


def deal_stratified(images: pd.DataFrame, validation: float, test: float) -> pd.Series:
    """Splits groups so that each combination of labels gets the same share of its groups in test and in validation.

    Groups are ordered by position: the first groups of a combination are test, the next ones validation, the others
    train. Combinations that are too small for one group in validation and in test are split together.

    When images are added, a group can move between validation and another split, but never between train and test.
    For that, groups with a position below `test + validation / 2` are never train, and the others are never test. If
    a combination lacks groups on one side of this limit, validation takes the difference.

    Args:
        images: `path`, `label`, `group` and `position`. The first path of a group determines its combination.
        validation: the share of groups for validation.
        test: the share of groups for test.
    """
    groups = images.sort_values("path").drop_duplicates("group").set_index("group")
    enough = math.ceil(1 / min(filter(None, (validation, test))))
    size = groups.groupby("label")["label"].transform("size")
    strata = groups.groupby(groups["label"].where(size >= enough), dropna=False)["position"]
    rank, size = strata.rank("first"), strata.transform("size")
    first, second = (size * test).round(), (size * test).round() + (size * validation).round()
    never_train = groups["position"] < (test + validation / 2 if test else 0)
    dealt = pd.Series("validation", groups.index, dtype=object)
    dealt = dealt.mask((rank <= first) & never_train, "test").mask((rank > second) & ~never_train, "train")
    return images["group"].map(dealt)


def position_of(group: str, sha256: str) -> float:
    """Returns the position of a group in [0, 1), from its hash. If the group is an image, the hash is its sha256."""
    digest = sha256 if group == sha256 else hashlib.sha256(group.encode()).hexdigest()
    return int(digest[:12], 16) / 16**12

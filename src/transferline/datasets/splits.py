"""Deals images into train, validation and test; as a dataset grows, none ever moves between train and test."""

import hashlib
import math
import re

import pandas as pd

from transferline.params import Problem, Split, SplitParams
from transferline.params.problem_kinds import KINDS


def group_images(images: pd.DataFrame, pattern: str | None) -> pd.Series:
    """What stays together: the text that `pattern` captures in `path`, else the content, `sha256`."""
    if pattern is None:
        return images["sha256"].copy()
    captured = [re.search(pattern, path) for path in images["path"]]
    texts = ["/".join(filter(None, match.groups())) if match else "" for match in captured]
    return pd.Series(texts, images.index, dtype=object).where(lambda text: text != "", images["sha256"])


def is_ours(given: pd.Series, low: Split, high: Split) -> bool:
    """Whether the line between two splits is drawn here.

    Always without given splits, and between train and a validation split that the dataset did not bring.
    """
    if given.isna().all():
        return True
    return {low, high} == {"train", "validation"} and "validation" not in set(given)


def split_images(images: pd.DataFrame, params: SplitParams, problem: Problem) -> pd.Series:
    """The split of each image, from `path`, `label`, `group` and the split that the dataset brings, `given`.

    Given splits stay; without a validation split among them, that fraction of train becomes it, and `params.test` has
    no meaning. `deal` and, for a multilabel problem, `deal_stratified` say how the others come about.
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
    """Test where the position is below that fraction, then validation, then train: no image ever moves."""
    everything = pd.Series("train", positions.index, dtype=object)
    return everything.mask(positions < test + validation, "validation").mask(positions < test, "test")


def deal_stratified(images: pd.DataFrame, validation: float, test: float) -> pd.Series:
    """Deals groups such that each combination of labels has the same fractions of its groups in test and validation.

    In the order of the positions, the first groups of a combination go to test, the next ones to validation, the rest
    to train. Combinations of which less than one group would be due to validation or test are dealt together. When
    images are added, a group can move between validation and a split beside it, but never between train and test:
    groups with a position below `test + validation / 2` are never train, the others never test; where a combination
    does not have enough groups on one of these sides, validation takes the difference.

    Args:
        images: `path`, `label`, `group` and `position`; the first path of a group decides about its combination.
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
    """Where in [0, 1) a group lies, by its hash; an image that is its own group has that hash already."""
    digest = sha256 if group == sha256 else hashlib.sha256(group.encode()).hexdigest()
    return int(digest[:12], 16) / 16**12

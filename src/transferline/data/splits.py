"""Deals images into train, validation and test, such that no image ever moves."""

import hashlib
import re

import pandas as pd

from transferline.params import Split, SplitParams


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


def split_images(images: pd.DataFrame, params: SplitParams) -> pd.Series:
    """The split of each image, from `group` and the split that the dataset brings, `given`.

    Without given splits, an image is in test or validation if the position of its group is below their
    fractions. Given splits stay; without a validation split among them, that fraction of train becomes it, and
    `params.test` has no meaning.
    """
    position = pd.Series(map(position_of, images["group"], images["sha256"]), images.index, dtype=float)
    given = images["given"]
    if not given.isna().all():
        cut = (given == "train") & (position < params.validation) & is_ours(given, "train", "validation")
        return given.mask(cut, "validation")
    everything = pd.Series("train", images.index, dtype=object)
    return everything.mask(position < params.test + params.validation, "validation").mask(
        position < params.test, "test"
    )


def position_of(group: str, sha256: str) -> float:
    """Where in [0, 1) a group lies, by its hash; an image that is its own group has that hash already."""
    digest = sha256 if group == sha256 else hashlib.sha256(group.encode()).hexdigest()
    return int(digest[:12], 16) / 16**12

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
    position = images["group"].map(position_of)
    if images["given"].isna().all():
        in_validation = position < params.test + params.validation
        return pd.Series("train", images.index, dtype=object).mask(in_validation, "validation").mask(position < params.test, "test")
    cut = (images["given"] == "train") & (position < params.validation) & is_ours(images["given"], "train", "validation")
    return images["given"].mask(cut, "validation")


def position_of(group: str) -> float:
    """A number from 0 to below 1 that follows from the text alone, evenly spread."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6], "big") / 2**48

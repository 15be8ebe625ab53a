"""What gives a class enough images in a split: a larger fraction in the params, or more images."""

from dataclasses import dataclass
from itertools import count

import pandas as pd
from scipy.stats import binom

from transferline.datasets.checks.class_counts import SPLITS, images_by_class_and_split, labelled_images
from transferline.datasets.checks.corrections import keep_out_of_test
from transferline.datasets.splits import (
    is_ours,
    never_trained_below,
    position_of,
    smallest_stratum,
    split_images,
    test_fraction,
)
from transferline.params import Data, Split

Remedies = dict[tuple[str, str], str]  # by class and split

LIKELY = 0.95
MOST_PERCENT = 90  # for validation and test together; see `SplitParams`


def remedies(rows: pd.DataFrame, per_class: pd.DataFrame, data: Data, least: int) -> Remedies:
    """Returns what to do about each class and split with fewer than `least` images.

    Args:
        rows: all files with `path`, `kind`, `label`, `sha256`, `group`, `given`, `excluded`, `entry`, `split`, `kept`.
        per_class: see `images_by_class_and_split`.
        data: the kind of problem and the split.
        least: the least number of images of a class in a split.
    """
    images = rows[rows["group"].notna()]
    labelled = labelled_images(images[~images["excluded"]], data)
    found: Remedies = {}
    for split in SPLITS:
        few = per_class[per_class[split] < least]
        if few.empty:
            continue
        if not is_ours(images["given"], split, "validation" if split == "train" else "train"):
            for name, has in few[split].items():
                found[str(name), split] = f"add {least - has} image(s) of it to {split}"
            continue
        fractions = {} if split == "train" else _larger_fractions(images, few, data, split, least)
        for name in few.index:
            of_class = labelled[labelled["kept"] & (labelled["label"] == name)]
            larger = f"set data.split.{split} to {fractions[name]:g}, or " if name in fractions else ""
            found[name, split] = f"{larger}add about {_more_images(of_class, images, data, split, least)} of it"
    return found


def _larger_fractions(
    images: pd.DataFrame, few: pd.DataFrame, data: Data, split: Split, least: int
) -> dict[str, float]:
    """Returns by class the least fraction of the split, in percent, with which it and train have `least` images.

    All images are split again with each fraction. A class for which no fraction is enough is left out.
    """
    wanted, found = set(few.index[few.sum(axis=1) >= 2 * least]), dict[str, float]()
    fraction = getattr(data.split, split)
    other = data.split.validation + data.split.test - fraction
    for percent in range(int(100 * fraction) + 1, MOST_PERCENT + 1 - round(100 * other)):
        if wanted <= found.keys():
            break
        trial = data.split.model_copy(update={split: percent / 100})
        dealt = keep_out_of_test(images.assign(split=split_images(images, trial)))
        counts = images_by_class_and_split(labelled_images(dealt[~dealt["excluded"]], data), tuple(few.index))
        enough = counts.index[(counts[split] >= least) & (counts["train"] >= least)]
        found = dict.fromkeys(enough, percent / 100) | found
    return found


def _more_images(of_class: pd.DataFrame, images: pd.DataFrame, data: Data, split: Split, least: int) -> str:
    """Returns how many images, or groups of images, give a class `least` images in the split; see `Stratum`."""
    validation, test = data.split.validation, test_fraction(images["given"], data.split)
    dealt = of_class[of_class["given"].isna() | (of_class["given"] == "train")].drop_duplicates("group")
    limit = never_trained_below(validation, test)
    below = sum(position_of(*pair) < limit for pair in zip(dealt["group"], dealt["sha256"], strict=True))
    groups_needed = -(-least * max(len(dealt), 1) // max(len(of_class), 1))
    number = Stratum(len(dealt), below, validation, test).groups_to_add(split, groups_needed)
    return f"{number} image(s)" if data.split.group is None else f"{number} group(s) of images (data.split.group)"


@dataclass(frozen=True)
class Stratum:
    """The groups of one class, which `deal` splits.

    Attributes:
        groups: how many there are.
        below: how many of them have a position below `never_trained_below`.
        validation: the fraction of validation.
        test: the fraction of test.
    """

    groups: int
    below: int
    validation: float
    test: float

    def groups_to_add(self, split: Split, least: int) -> int:
        """Returns how many more groups give the split `least` groups, in 95 % of all cases.

        It is not certain, because the positions of new groups are random.
        """
        return next(more for more in count() if self._is_enough(split, more, least))

    def _is_enough(self, split: Split, more: int, least: int) -> bool:
        total, limit = self.groups + more, never_trained_below(self.validation, self.test)
        tested, validated = round(total * self.test), round(total * self.validation)
        if total < smallest_stratum(self.validation, self.test):
            return False
        if split == "validation":
            return validated >= least
        if split == "test":
            return tested >= least and binom.sf(least - self.below - 1, more, limit) >= LIKELY
        likely = binom.cdf(total - least - self.below, more, limit) >= LIKELY
        return total - tested - validated >= least and likely

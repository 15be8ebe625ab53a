"""Slices of the validation and test images in which a model is wrong more often than elsewhere."""

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from transferline.arrays import Array, Counts, Flags, Floats
from transferline.metrics.cluster_variance import cluster_variance
from transferline.metrics.intervals import share_with_interval
from transferline.metrics.resampling import group_numbers
from transferline.not_applicable import NotApplicableError
from transferline.params import Evaluate

SLICES_FILE = "slices.json"
MEASURED = ("brightness", "contrast", "sharpness", "size", "aspect")
PARTS = 4  # quarters of the images, by each measured value
LEAST_IMAGES, IMAGES_PER_CLUSTER, MOST_CLUSTERS = 10, 25, 10
WORST, SAMPLES = 5, 8


def weak_slices(images: pd.DataFrame, features: Array | None, params: Evaluate) -> dict[str, Any]:
    """Compares the accuracy in each slice with the accuracy of all other images.

    Slices are the quarters of each measured value, folders and groups with at least `LEAST_IMAGES` images, and clusters
    of the features. The p-values are corrected by Holm's method, which allows slices that overlap (Holm, A Simple
    Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979).

    Args:
        images: n predictions of images that the model did not train on: `path`, `label`, `predicted`, `group`,
            `certainty` (how certain the model is of its mistake; of a right prediction it is not read), and the
            measurements of `InsightTable.rows`.
        features: (n, length) the features of the model; None if it does not output them.
        params: `confidence` of the intervals, and 1 minus the level of the test.

    Returns:
        `images`, `accuracy` (the share of images whose labels are all right) with `accuracy_low` and `accuracy_high`,
        `tested` (the number of slices), and `slices`, the strongest evidence first. Each has `by`, `slice`, `images`,
        `accuracy` with its interval, `elsewhere` (the accuracy of the other images), `p` (corrected), and `is_weak`.
        The first `WORST` also have `samples`: paths of wrong predictions, the most certain first.

    Raises:
        NotApplicableError: there are fewer than 2 · `LEAST_IMAGES` images.
    """
    if len(images) < 2 * LEAST_IMAGES:
        raise NotApplicableError(f"there are {len(images)} images of validation and test; 20 are needed")
    correct = (images["label"] == images["predicted"]).to_numpy(bool)
    groups, found = group_numbers(images), list[dict[str, Any]]()
    slices = [each for each in _slices(images, features) if LEAST_IMAGES <= each[2].sum() <= len(images) - LEAST_IMAGES]
    corrected = holm(np.array([p_worse(correct, members, groups) for _, _, members in slices]))
    for (by, name, members), p in zip(slices, corrected, strict=True):
        interval = share_with_interval("accuracy", correct[members], groups[members], params.confidence)
        described = {"by": by, "slice": name, "images": int(members.sum()), **interval}
        rest = {
            "elsewhere": float(correct[~members].mean()),
            "p": float(p),
            "is_weak": bool(p <= 1 - params.confidence),
        }
        found.append(described | rest | {"samples": _samples(images[members & ~correct])})
    found.sort(key=lambda each: (each["p"], each["accuracy"], each["by"], each["slice"]))
    for each in found[WORST:]:
        del each["samples"]
    overall = share_with_interval("accuracy", correct, groups, params.confidence)
    return {"images": len(images), **overall, "tested": len(found), "slices": found}


def _slices(images: pd.DataFrame, features: Array | None) -> Iterator[tuple[str, str, Flags]]:
    """Yields for each slice what divides the images, its name, and which images are in it, (n,)."""
    sides = images["width"].to_numpy(float), images["height"].to_numpy(float)
    values = images.assign(size=np.sqrt(sides[0] * sides[1]), aspect=sides[0] / sides[1])
    for by in MEASURED:
        for part in pd.qcut(values[by].astype(float), PARTS, duplicates="drop").pipe(_parts):
            inside = values[by][part]
            yield by, f"{inside.min():.4g} to {inside.max():.4g}", part
    folders = images["path"].map(lambda path: PurePosixPath(path).parent.as_posix())
    if (images.groupby(folders)["label"].nunique() > 1).any():  # else a folder is a class
        yield from (("folder", name, (folders == name).to_numpy()) for name in sorted(folders.unique()))
    named = images["group"].value_counts()
    yield from (
        ("group", str(name), (images["group"] == name).to_numpy()) for name in named.index[named >= LEAST_IMAGES]
    )
    if features is not None:
        cluster = _clusters(features)
        for number in range(cluster.max() + 1):
            common = images["label"][cluster == number].value_counts().index[0]
            yield "cluster", f"{number + 1}, mostly {common or 'no label'}", cluster == number


def _parts(parts: pd.Series) -> list[Flags]:
    return [(parts == one).to_numpy() for one in parts.cat.categories]


def _clusters(features: Array) -> Counts:
    """Returns the number of each image's cluster, by k-means on features of length 1."""
    from sklearn.cluster import KMeans

    vectors = features.astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    distinct = len(np.unique(vectors, axis=0))
    count = int(np.clip(len(vectors) // IMAGES_PER_CLUSTER, 1, min(MOST_CLUSTERS, distinct)))
    return np.asarray(KMeans(count, n_init=3, random_state=0).fit_predict(vectors), np.int64)


def p_worse(correct: Flags, members: Flags, groups: Counts) -> float:
    """Returns the p-value of the hypothesis that a slice is not worse than the other images.

    Without groups it is Fisher's exact test. With groups it is a t-test of the difference, with `cluster_variance`. But
    that is too small where a slice has few groups, and 0 for one group, so the larger of both p-values counts.

    Args:
        correct: (n,) whether each prediction is right.
        members: (n,) whether each image is in the slice; neither none nor all.
        groups: (n,) the number of each image's group, from 0 without gaps.
    """
    from scipy.stats import fisher_exact
    from scipy.stats import t as student

    table = [[(correct & side).sum(), (~correct & side).sum()] for side in (members, ~members)]
    exact = float(fisher_exact(table, alternative="less").pvalue)
    count = int(groups.max()) + 1
    if count == len(groups):
        return exact
    shares = [correct[side].mean() for side in (members, ~members)]
    influence = np.where(members, (correct - shares[0]) / members.sum(), (shares[1] - correct) / (~members).sum())
    deviation = math.sqrt(cluster_variance(np.bincount(groups, influence)))
    if deviation == 0:
        return exact
    return max(exact, float(student.cdf((shares[0] - shares[1]) / deviation, max(count - 1, 1))))


def holm(p: Floats) -> Floats:
    """Returns p-values, (tests,), corrected for the number of tests by Holm's method."""
    order = np.argsort(p, kind="stable")
    steps = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    corrected = np.empty(len(p))
    corrected[order] = steps
    return corrected


def _samples(wrong: pd.DataFrame) -> list[str]:
    return list(wrong.sort_values(["certainty", "path"], ascending=[False, True])["path"].head(SAMPLES))

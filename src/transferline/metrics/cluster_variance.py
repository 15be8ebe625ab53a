"""The variance of a sum over images in groups: images of one group depend on each other."""

import math

import numpy as np

from transferline.arrays import Array


def cluster_variance(sums: Array) -> float:
    """Returns the variance of the sum of residuals; infinite with fewer than two groups.

    It is the cluster-robust estimate (Liang and Zeger, Longitudinal Data Analysis Using Generalized Linear Models,
    Biometrika 73, 1986), times k / (k - 1) for k groups.

    Args:
        sums: (k,) the sum of the residuals of each group's images.
    """
    count = len(sums)
    return count / (count - 1) * float(np.square(sums).sum()) if count > 1 else math.inf

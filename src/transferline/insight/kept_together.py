"""Which images must be in the same fold: those of a group, and near duplicates."""

import numpy as np
import pandas as pd

from transferline.arrays import Counts, Floats, Hashes, Positions
from transferline.datasets.checks.duplicates import first_within


def units(images: pd.DataFrame, bits: int) -> Counts:
    """Returns the number of each image's unit, (n,), from 0 without gaps.

    Images of one group are in one unit. So are images that look alike, also if they are in different groups.

    Args:
        images: kept rows of the manifest, n ≥ 1, with `group` and `phash`.
        bits: two images look alike if their hashes differ in at most this number of bits.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unit: Counts = pd.factorize(images["group"])[0].astype(np.int64)
    hashes = np.frombuffer(bytes.fromhex("".join(images["phash"])), np.uint8).reshape(len(images), -1)
    while (pairs := unit[_alike(hashes, unit, bits)]).size:  # an image can look like images of several units
        count = int(unit.max()) + 1
        graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(count, count))
        unit = connected_components(graph, directed=False)[1].astype(np.int64)[unit]
    return unit


def _alike(hashes: Hashes, unit: Counts, bits: int) -> Positions:
    """Returns pairs of images that look alike, of different units: (2, pairs), none only if there are none.

    The numbers of two units differ in a bit. So round b finds for each image whose unit has bit b one without it.
    """
    found, positions = [np.empty((2, 0), np.int64)], np.arange(len(hashes))
    for bit in range(int(unit.max()).bit_length()):
        has = unit >> bit & 1 == 1
        match = first_within(hashes[has], hashes[~has], bits)
        found.append(np.stack([positions[has][match >= 0], positions[~has][match[match >= 0]]]))
    return np.concatenate(found, axis=1)


def folds(units: Counts, labels: Counts, count: int, seed: int) -> Counts:
    """Returns the fold of each image, (n,), 0 to `count` - 1.

    A unit is in one fold. Each label, that of a unit's first image, is dealt to the folds in equal shares.

    Args:
        units: (n,) see `units`.
        labels: (n,) the number of each image's label.
        count: the number of folds.
        seed: fixes the order of the units.
    """
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).random(len(first)), labels[first]))
    dealt = np.empty(len(first), np.int64)
    dealt[order] = np.arange(len(first)) % count
    return dealt[place]


def nested_places(units: Counts, labels: Counts, seed: int) -> Floats:
    """Returns the place of each image in a random order of the units of its label, (n,), from 0 to below 1.

    The images with a place below a share are that share of each label, at least one unit. A larger share contains a
    smaller one. The arguments are those of `folds`.
    """
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    order = pd.Series(np.random.default_rng(seed).random(len(first)))
    in_label = order.groupby(labels[first])
    return np.asarray(((in_label.rank() - 1) / in_label.transform("size"))[place], float)

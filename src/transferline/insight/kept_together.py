"""Which images must be in the same fold: those of a group, and near duplicates."""

import numpy as np
import pandas as pd

from transferline.arrays import Counts, Floats, Hashes
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

    groups = pd.factorize(images["group"])[0]
    first_of_group = pd.Series(np.arange(len(groups))).groupby(groups).transform("first").to_numpy()
    hashes = np.frombuffer(bytes.fromhex("".join(images["phash"])), np.uint8).reshape(len(images), -1)
    pairs = np.concatenate([[np.arange(len(groups)), first_of_group], *_alike(hashes, bits)], axis=1)
    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(len(images), len(images)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _alike(hashes: Hashes, bits: int) -> list[Counts]:
    """Returns pairs of images that look alike, each (2, pairs).

    The positions of two images differ in a bit. So round b compares the images that have bit b in their position with
    those that do not have it.
    """
    found, positions = [], np.arange(len(hashes))
    for bit in range(len(hashes).bit_length()):
        has = positions >> bit & 1 == 1
        match = first_within(hashes[has], hashes[~has], bits)
        found.append(np.stack([positions[has][match >= 0], positions[~has][match[match >= 0]]]))
    return found


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

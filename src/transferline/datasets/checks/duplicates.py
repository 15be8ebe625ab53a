"""Finds exact duplicates and near duplicates of images."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from transferline.arrays import Array, Flags, Hashes, Positions
from transferline.params import Split

HASH_BITS = 256
PRIORITY: tuple[Split, ...] = ("test", "validation", "train")
PAIRS: tuple[tuple[Split, Split], ...] = (("validation", "test"), ("train", "test"), ("train", "validation"))


def exact_duplicates(images: pd.DataFrame) -> pd.DataFrame:
    """Finds images with the same bytes as another image.

    Args:
        images: columns `path`, `sha256`, `label` and `split`, in natural order of the paths.

    Returns:
        A table with the index of `images`. Each column holds the path of the other image, or null: `conflicts_with` (it
        has another label), `duplicate_of` (the first such image, in the same split), `split_duplicate_of` (the first
        such image, in a split of higher priority: test, then validation, then train).
    """
    found = pd.DataFrame(None, images.index, ["conflicts_with", "duplicate_of", "split_duplicate_of"], dtype=object)
    same = images[images.duplicated("sha256", keep=False)]
    first = same.drop_duplicates("sha256").set_index("sha256")
    relabelled = same[same["label"] != same["sha256"].map(first["label"])]
    second = relabelled.drop_duplicates("sha256").set_index("sha256")
    found.loc[same.index, "conflicts_with"] = same["sha256"].map(second["path"])
    found.loc[relabelled.index, "conflicts_with"] = relabelled["sha256"].map(first["path"])

    same = same[~same["sha256"].isin(second.index)]
    ranked = same.iloc[np.argsort(same["split"].map(PRIORITY.index).to_numpy(), kind="stable")]
    keepers = ranked.drop_duplicates("sha256").set_index("sha256")
    others = ranked[ranked.duplicated("sha256")]
    keeper = others["sha256"].map(keepers["path"])
    beside = others["split"] == others["sha256"].map(keepers["split"])
    found.loc[others.index, "duplicate_of"] = keeper.where(beside)
    found.loc[others.index, "split_duplicate_of"] = keeper.mask(beside)
    return found


def near_duplicates(images: pd.DataFrame, bits: int, ours: Callable[[Split, Split], bool]) -> pd.DataFrame:
    """Finds images that look like an image in a split of higher priority (test, then validation, then train).

    An image that was dropped as a near duplicate is not compared with later images.

    Args:
        images: columns `path`, `split` and `phash` (64 hexadecimal digits).
        bits: two images are near duplicates if their hashes differ in at most this number of bits.
        ours: returns for two splits whether transferline, not the dataset, decides which images are in which of them.

    Returns:
        A table with the index of `images`. Each column holds the path of the other image, or null:
        `near_duplicate_of` if `ours` is true for the two splits, else `near_duplicate_given`.
    """
    found = pd.DataFrame(None, images.index, ["near_duplicate_of", "near_duplicate_given"], dtype=object)
    for low, high in PAIRS:
        left = images[found["near_duplicate_of"].isna()]
        queries, references = left[left["split"] == low], left[left["split"] == high]
        match = first_within(_unpack(queries["phash"]), _unpack(references["phash"]), bits)
        column = "near_duplicate_of" if ours(low, high) else "near_duplicate_given"
        found.loc[queries.index[match >= 0], column] = references["path"].to_numpy()[match[match >= 0]]
    return found


def are_near(phashes: pd.Series, others: pd.Series, bits: int) -> Flags:
    """Returns for each of `phashes` whether it differs from one of `others` in at most `bits` bits, (n,).

    Both hold 64 hexadecimal digits, see `near_duplicates`.
    """
    found: Flags = first_within(_unpack(phashes), _unpack(others), bits) >= 0
    return found


def _unpack(phash: pd.Series) -> Hashes:
    return np.frombuffer(bytes.fromhex("".join(phash)), np.uint8).reshape(-1, HASH_BITS // 8)


def first_within(queries: Hashes, references: Hashes, bits: int) -> Positions:
    """Finds for each hash of `queries` one of `references` that differs in at most `bits` bits.

    Hashes that differ in at most `bits` bits are equal in at least one of `bits + 1` bands. So only hashes with an
    equal band are compared (pigeonhole principle, as in G. S. Manku et al., Detecting Near-Duplicates for Web Crawling,
    2007).

    Args:
        queries: (n, 32) uint8.
        references: (m, 32) uint8.
        bits: the largest number of different bits.

    Returns:
        (n,) int64, the index in `references`; -1 if there is none.
    """
    match = np.full(len(queries), -1)
    if len(queries) and len(references):
        for band in np.array_split(np.arange(HASH_BITS), max(bits + 1, 4)):
            _match_in_band(_band_keys(queries, band), _band_keys(references, band), queries, references, bits, match)
    return match


def _band_keys(hashes: Hashes, band: Positions) -> Array:
    packed = np.packbits(np.unpackbits(hashes, axis=1)[:, band], axis=1)
    padded = np.zeros((len(hashes), 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)[:, 0]


def _match_in_band(
    query_keys: Array,
    reference_keys: Array,
    queries: Hashes,
    references: Hashes,
    bits: int,
    match: Positions,
) -> None:
    """Fills `match` where it is -1, from references with the same key. Each pass compares one candidate per query."""
    order = np.argsort(reference_keys, kind="stable")
    open_queries = np.flatnonzero(match < 0)
    start = np.searchsorted(reference_keys[order], query_keys[open_queries], "left")
    stop = np.searchsorted(reference_keys[order], query_keys[open_queries], "right")
    while len(left := np.flatnonzero(start < stop)):
        open_queries, start, stop = open_queries[left], start[left], stop[left]
        candidates = order[start]
        differing = np.bitwise_count(queries[open_queries] ^ references[candidates]).sum(axis=1, dtype=np.int64)
        near = differing <= bits
        match[open_queries[near]] = candidates[near]
        start = np.where(near, stop, start + 1)

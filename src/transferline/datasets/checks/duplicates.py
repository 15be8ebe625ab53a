"""Finds images that are there more than once, exactly and nearly."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from transferline.arrays import Array, Hashes, Positions
from transferline.params import Split

HASH_BITS = 256
PRIORITY: tuple[Split, ...] = ("test", "validation", "train")
PAIRS: tuple[tuple[Split, Split], ...] = (("validation", "test"), ("train", "test"), ("train", "validation"))


def exact_duplicates(images: pd.DataFrame) -> pd.DataFrame:
    """Which images have the same bytes as another one.

    Args:
        images: `path`, `sha256`, `label` and `split`, in natural order of the paths.

    Returns:
        Indexed like `images`, each with the path of the other image or null: `conflicts_with` (it has another label),
        `duplicate_of` (the first one, in the same split), `split_duplicate_of` (the first one, in a split of
        higher priority: test, then validation, then train).
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
    """Which images look like one in a split of higher priority (test, then validation, then train).

    Args:
        images: `path`, `split` and `phash` (64 hexadecimal digits).
        bits: two images look alike whose hashes differ in at most that many bits.
        ours: tells whether the line between two splits was drawn here, and not given with the dataset.

    Returns:
        Indexed like `images`, each with the path of the other image or null: `near_duplicate_of` where the line is
        ours, `near_duplicate_given` else. An image that is near and left out is no longer compared with others.
    """
    found = pd.DataFrame(None, images.index, ["near_duplicate_of", "near_duplicate_given"], dtype=object)
    for low, high in PAIRS:
        left = images[found["near_duplicate_of"].isna()]
        queries, references = left[left["split"] == low], left[left["split"] == high]
        match = first_within(_unpack(queries["phash"]), _unpack(references["phash"]), bits)
        column = "near_duplicate_of" if ours(low, high) else "near_duplicate_given"
        found.loc[queries.index[match >= 0], column] = references["path"].to_numpy()[match[match >= 0]]
    return found


def _unpack(phash: pd.Series) -> Hashes:
    return np.frombuffer(bytes.fromhex("".join(phash)), np.uint8).reshape(-1, HASH_BITS // 8)


def first_within(queries: Hashes, references: Hashes, bits: int) -> Positions:
    """For each hash of `queries`, uint8 (n, 32), the index of one of `references` that differs in at most `bits` bits.

    Hashes that differ in at most `bits` bits agree entirely in one of `bits + 1` bands at least, so only images that
    share a band are compared (pigeonhole principle, as in G. S. Manku et al., Detecting Near-Duplicates for Web
    Crawling, 2007).

    Returns:
        int64, (n,), -1 where there is none.
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
    """Fills `match` where it is still -1, from references with the same key: one candidate per query at a time."""
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

"""The search for images that look alike, against comparing all with all."""

import numpy as np
import pandas as pd
import pytest

from transferline.data.duplicates import exact_duplicates, first_within, near_duplicates


@pytest.mark.parametrize("bits", [0, 2, 10, 64])
def test_search_finds_what_comparing_all_with_all_finds(bits: int) -> None:
    random = np.random.default_rng(bits)
    references = random.integers(0, 256, (400, 32), dtype=np.uint8)
    flips = np.zeros((300, 256), bool)
    for row, count in enumerate(random.integers(0, 2 * bits + 3, 300)):
        flips[row, random.permutation(256)[:count]] = True
    queries = references[random.integers(0, 400, 300)] ^ np.packbits(flips, axis=1)
    differing = np.bitwise_count(queries[:, None] ^ references).sum(axis=2, dtype=int)
    match = first_within(queries, references, bits)
    assert ((match >= 0) == (differing.min(axis=1) <= bits)).all() and 0 < (match >= 0).sum() < 300
    assert (differing[np.arange(300), match][match >= 0] <= bits).all()


def test_a_search_in_nothing_finds_nothing() -> None:
    some, none = np.zeros((3, 32), np.uint8), np.zeros((0, 32), np.uint8)
    assert (first_within(some, none, 4) == -1).all() and len(first_within(none, some, 4)) == 0


def test_what_is_left_out_takes_nothing_else_along() -> None:
    first, second, third = f"{0:064x}", f"{0b1111:064x}", f"{0b11111111:064x}"
    images = pd.DataFrame(
        {"path": ["a", "b", "c"], "split": ["train", "validation", "test"], "phash": [third, second, first]}
    )
    found = near_duplicates(images, 4, lambda low, high: True)
    assert found["near_duplicate_of"].fillna("").tolist() == ["", "c", ""]


def test_exact_duplicates_keep_the_first_of_the_split_that_counts_most() -> None:
    splits = ["train", "train", "validation", "test", "test", "train"]
    images = pd.DataFrame({"path": list("abcdef"), "sha256": ["0"] * 5 + ["1"], "label": "x", "split": splits})
    found = exact_duplicates(images).fillna("")
    assert found["split_duplicate_of"].tolist() == ["d", "d", "d", "", "", ""]
    assert found["duplicate_of"].tolist() == ["", "", "", "", "d", ""]
    assert (found["conflicts_with"] == "").all()

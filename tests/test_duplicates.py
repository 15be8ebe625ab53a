"""The search for similar images, compared with a comparison of all pairs; and the hash that it uses."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.ExifTags import Base

from transferline.arrays import Hashes
from transferline.datasets.checks.duplicates import _unpack, exact_duplicates, first_within, near_duplicates
from transferline.datasets.checks.scan import scan


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


def _phash(tmp_path: Path, picture: Image.Image, **options: Any) -> Hashes:
    picture.save(tmp_path / "a.jpg", quality=95, **options)
    return _unpack(scan(tmp_path, ["a.jpg"])["phash"])


@pytest.mark.parametrize("size", [(900, 700), (517, 389), (300, 200), (141, 67), (70, 45), (48, 40)])
def test_a_smaller_copy_of_a_picture_is_near_it_whatever_the_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (10, 12), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((1200, 1000), Image.Resampling.BICUBIC)
    large, small = (_phash(tmp_path, each) for each in (picture, picture.resize(size, Image.Resampling.LANCZOS)))
    assert np.bitwise_count(large ^ small).sum() <= 10
    turned = Image.Exif()
    turned[Base.Orientation] = 6  # shown a quarter turn clockwise
    lying = _phash(tmp_path, picture.resize(size).transpose(Image.Transpose.ROTATE_90), exif=turned)
    assert np.bitwise_count(large ^ lying).sum() <= 10

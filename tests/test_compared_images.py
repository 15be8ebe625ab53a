"""The test images on which two models are compared: none that the champion was trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from transferline.datasets.tables import ImageTable
from transferline.params import Params, load_params
from transferline.registry.compared_images import compared_images
from transferline.registry.version_files import LISTED

CLASSES = ("cat", "dog")


@pytest.fixture
def params() -> Params:
    """`validate.min_images` is 5."""
    return load_params(ROOT / "params.yaml")


def manifest(splits: dict[str, str], **columns: object) -> pd.DataFrame:
    """A row for each image, by name; the name is also its hash. Images with an odd number are dogs."""
    names = list(splits)
    rows = {"path": names, "sha256": names, "group": names, "label": [CLASSES[int(name[1:]) % 2] for name in names]}
    return pd.DataFrame(rows | {"split": list(splits.values()), "kept": True} | columns)


def names_of(rows: pd.DataFrame) -> list[str]:
    return rows["path"].tolist()


def compare(
    now: pd.DataFrame,
    then: pd.DataFrame,
    origin: Path,
    params: Params,
    champion: tuple[Any, ...] = ("train",),
    challenger: tuple[Any, ...] = ("train",),
):
    then.to_csv(origin / LISTED, index=False)
    return compared_images(ImageTable(now, CLASSES), origin, [challenger, champion], params)


def test_what_the_champion_was_trained_on_is_left_out(params, tmp_path):
    now = manifest({f"i{number}": "test" for number in range(16)})
    then = manifest({"i0": "train", "i1": "train", "i4": "validation", "i2": "test", "i99": "train"})
    then.loc[len(then)] = {"path": "i3", "sha256": "i3", "group": "i3", "label": "dog", "split": "train", "kept": False}
    found = compare(now, then, tmp_path, params)
    assert names_of(found.rows) == [f"i{number}" for number in range(2, 16)] and found.left_out == 2
    assert not found.short and list(found.rows.index) == list(range(14))
    assert len(compared_images(ImageTable(now, CLASSES), None, [("train",)], params).rows) == 16
    refitted = compare(now, then, tmp_path, params, ("train", "validation"))
    assert refitted.left_out == 3 and "i4" not in names_of(refitted.rows)


def test_a_class_with_too_few_images_left_is_named(params, tmp_path):
    now = manifest({f"i{number}": "test" for number in range(12)})
    found = compare(now, manifest({f"i{number}": "train" for number in (0, 2, 4, 1)}), tmp_path, params)
    assert found.left_out == 4 and found.short == {"cat": 3}
    few = manifest({f"i{number}": "test" for number in range(6)})
    assert compare(few, manifest({"i99": "train"}), tmp_path, params).short == {}  # they were few before, too


def test_a_group_of_which_an_image_was_used_is_left_out(params, tmp_path):
    now = manifest({f"i{number}": "test" for number in range(16)}, group=[f"g{number // 2}" for number in range(16)])
    then = manifest({"i0": "train", "i99": "train"}, group=["former name", "g7"])
    found = compare(now, then, tmp_path, params)
    assert found.left_out == 4 and names_of(found.rows) == [f"i{number}" for number in range(2, 14)]


def test_a_near_duplicate_of_an_image_that_only_the_champion_used_is_left_out(params, tmp_path):
    random = np.random.default_rng(0)
    hashes = [random.bytes(32).hex() for _ in range(16)]
    near = ["0" + one[1:] for one in hashes]
    now = manifest({f"i{number}": "test" if number else "train" for number in range(16)}, phash=hashes)
    now.loc[0, "phash"] = near[1]  # the challenger trains on i0, too
    then = manifest({"i0": "train", "i97": "train", "i99": "test"}, phash=[near[1], near[2], near[3]])
    found = compare(now, then, tmp_path, params)
    assert found.left_out == 1 and "i2" not in names_of(found.rows) and {"i1", "i3"} < set(names_of(found.rows))
    then = then.replace({"split": {"train": "validation"}})
    assert compare(now.replace({"split": {"train": "validation"}}), then, tmp_path, params).left_out == 0
    both = {"champion": ("train", "validation"), "challenger": ("train", "validation")}
    known = compare(now.replace({"split": {"train": "validation"}}), then, tmp_path, params, **both)
    assert known.left_out == 1 and "i1" in names_of(known.rows), "both were trained on an image like i1"

"""The table of augmentations, and the user's augmentations in `own_augmentations/`."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.conftest import ROOT
from tests.test_views import AUGMENT, manifest, pictures, view_rows
from transferline.datasets.augmentations import COLOURS, GEOMETRY, NEUTRAL
from transferline.datasets.transforms import apply_views, apply_views_to_masks
from transferline.datasets.views import draw_views
from transferline.errors import TransferlineError
from transferline.params import Augment

SOLARIZE = "own_augmentations.example:solarize"
OWN = {"own": ({"function": SOLARIZE, "range": (100.0, 200.0)},)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the example."""
    shutil.copytree(ROOT / "own_augmentations", tmp_path / "own_augmentations")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_range_of_the_params_has_its_augmentation_whose_neutral_value_it_allows() -> None:
    ranges = {name for name, value in Augment() if isinstance(value, tuple) and value}
    assert ranges == set(NEUTRAL) == {*GEOMETRY, *COLOURS}
    Augment.model_validate({name: (neutral, neutral) for name, neutral in NEUTRAL.items()})


@pytest.mark.parametrize("name", COLOURS)
def test_neutral_values_of_colours_change_nothing(name: str) -> None:
    image = pictures(20, 30, 3).astype(np.float32)
    np.testing.assert_allclose(COLOURS[name](image.copy(), NEUTRAL[name]), image, atol=1e-3)


def test_hue_turns_colours_and_keeps_grey_dark_and_light() -> None:
    image = np.array([[[200, 0, 0], [0, 0, 90], [80, 80, 80], [250, 200, 150]]], np.float32)
    for degrees, order in [(120, [2, 0, 1]), (-120, [1, 2, 0])]:  # red goes to green, or to blue
        np.testing.assert_allclose(COLOURS["hue"](image.copy(), degrees), image[..., order], atol=1e-2)
    grey = image[..., :1]
    assert np.array_equal(COLOURS["hue"](grey, 90), grey)


def test_augmentations_of_ones_own_are_drawn_beside_the_others() -> None:
    before = draw_views(manifest(200), AUGMENT).rows
    after = draw_views(manifest(200), Augment.model_validate(AUGMENT.model_dump() | OWN)).rows
    pd.testing.assert_frame_equal(after.drop(columns=SOLARIZE), before)
    drawn = after.groupby("kind")[SOLARIZE].agg(["min", "max"])
    assert drawn.drop("augmented").isna().all(axis=None)
    assert 100 <= drawn.loc["augmented", "min"] < 102 and 198 < drawn.loc["augmented", "max"] <= 200
    rotation = after.loc[after["kind"] == "augmented", ["rotation", SOLARIZE]]
    assert abs(rotation.corr().iloc[0, 1]) < 0.1


def test_augmentations_of_ones_own_change_the_colours_of_the_views_that_have_a_value(home: Path) -> None:
    images, rows = pictures(3, 20, 20, 3), view_rows(3).assign(**{SOLARIZE: [np.nan, 100.0, np.nan]})
    rows.loc[2, "contrast"] = 0.5
    drawn, masks = apply_views(images, rows), images[..., 0]
    assert np.array_equal(drawn[0], images[0])
    assert np.array_equal(drawn[1], np.where(images[1] > 100, 255 - images[1], images[1]))
    assert np.array_equal(drawn[2], apply_views(images[2:], view_rows(contrast=0.5))[0])
    assert np.array_equal(apply_views_to_masks(masks, rows), masks)


def test_an_augmentation_of_ones_own_gets_pixels_from_0_to_255(home: Path) -> None:
    """Others before it can leave values beyond, which would wrap in uint8."""
    (home / "own_augmentations" / "mine.py").write_text(
        "def f(image, value):\n    return image.astype('uint8').astype('float32')\n"
    )
    images, rows = pictures(2, 8, 8, 3), view_rows(2).assign(brightness=[0.4, -0.4])
    wanted = apply_views(images, rows)
    assert np.abs(apply_views(images, rows.assign(**{"own_augmentations.mine:f": 1.0})) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"own_augmentations\.mine:f: there is no file own_augmentations/mine\.py in "),
        ("def g(image, value): return image", r"mine\.py has no function f; it has g"),
        ("def f(image, value):\n    return image / missing", r"f failed at .*mine\.py:2: NameError: name 'missing'"),
        ("def f(image, value): return image[1:]", r"mine\.py returned an array \(3, 4, 3\); it must .* \(4, 4, 3\)"),
        ("def f(image, value): return None", r"mine\.py returned NoneType; it must return an image"),
        ("def f(image, value): return image * float('nan')", r"returned an array .* of finite numbers"),
    ],
)
def test_faults_of_ones_own_code_are_named(home: Path, text: str | None, message: str) -> None:
    if text:
        (home / "own_augmentations" / "mine.py").write_text(text)
    with pytest.raises(TransferlineError, match=message):
        apply_views(pictures(1, 4, 4, 3), view_rows().assign(**{"own_augmentations.mine:f": 1.0}))


def test_the_params_take_import_paths_of_that_folder_once_each() -> None:
    for bad in (["os:remove"], ["own_augmentations:f"], ["own_augmentations.a.b:f"], [SOLARIZE, SOLARIZE]):
        with pytest.raises(ValidationError):
            Augment.model_validate({"own": tuple({"function": name, "range": (0.0, 1.0)} for name in bad)})

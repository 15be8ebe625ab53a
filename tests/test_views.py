"""Views: which augmentation each image gets, and how a view changes the pixels."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from transferline.datasets import views_picture
from transferline.datasets.augmentations import NEUTRAL
from transferline.datasets.contact_sheet import SIDE, Tile
from transferline.datasets.tables import ImageTable, read_table, write_table
from transferline.datasets.transforms import apply_views
from transferline.datasets.views import FLIPS, draw_views
from transferline.params import Augment, load_params
from transferline.stages import augment

ROOT = Path(__file__).parents[1]
RANGES = {
    "rotation": (-20.0, 30.0),
    "zoom": (0.8, 1.3),
    "shift_x": (-0.1, 0.0),
    "shift_y": (0.05, 0.1),
    "shear": (-5.0, 5.0),
    "contrast": (0.7, 1.2),
    "brightness": (-0.1, 0.2),
}
SETTINGS = {"seed": 7, "views": 3, "horizontal_flip": True, "vertical_flip": True, **RANGES, "fill": "reflect"}
AUGMENT = Augment.model_validate(SETTINGS)


def manifest(count: int) -> ImageTable:
    names = [f"a/{i}.png" for i in range(count)]
    splits = ["train", "train", "validation", "train", "test"]
    rows = {
        "path": names,
        "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
        "label": [("cat", "dog")[i % 2] for i in range(count)],
        "split": [splits[i % 5] for i in range(count)],
        "kept": [i % 10 != 3 for i in range(count)],
    }
    return ImageTable(pd.DataFrame(rows), ("cat", "dog"))


def view_rows(count: int = 1, fill: str = "reflect", **values: float) -> pd.DataFrame:
    neutral = dict.fromkeys(FLIPS, False) | NEUTRAL
    return pd.DataFrame([neutral | values | {"fill": fill}] * count)


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def test_only_kept_images_have_views_and_only_train_has_more_than_the_untouched_one() -> None:
    table = draw_views(manifest(20), AUGMENT)
    assert table.classes == ("cat", "dog")
    assert table.rows.groupby("path")["label"].agg(set).to_dict() == {
        row.path: {row.label} for row in manifest(20).rows.query("kept").itertuples()
    }
    kinds = table.rows.groupby(["split", "path"])["kind"].agg(list)
    assert all(kinds["train"].map(lambda views: views == ["untouched"] + ["flipped"] * 2 + ["augmented"] * 3))
    assert all(kinds.drop("train").map(lambda views: views == ["untouched"]))
    assert set(table.rows["path"]) == set(manifest(20).rows.query("kept")["path"])
    assert (table.rows["view"] == table.rows.groupby("path").cumcount()).all()


def test_untouched_views_are_neutral_and_flipped_ones_flip_in_one_direction_each() -> None:
    rows = draw_views(manifest(20), AUGMENT).rows.query("kind != 'augmented'")
    assert (rows[list(NEUTRAL)] == pd.Series(NEUTRAL)).all(axis=None)
    flips = rows.groupby("view")[list(FLIPS)].agg(["min", "max"]).to_numpy().tolist()
    assert flips == [[False] * 4, [True, True, False, False], [False, False, True, True]]


def test_draws_fill_their_ranges_and_are_unrelated() -> None:
    rows = draw_views(manifest(2000), AUGMENT).rows.query("kind == 'augmented'")
    for name, (low, high) in RANGES.items():
        width = high - low
        assert low <= rows[name].min() < low + 0.01 * width < high - 0.01 * width < rows[name].max() <= high
    assert rows[list(FLIPS)].mean().between(0.45, 0.55).all()
    drawn = rows[[*FLIPS, *RANGES]].astype(float)
    assert (drawn.corr() - np.eye(len(drawn.columns))).abs().max(axis=None) < 0.1
    assert rows["rotation"].is_unique


def test_a_flip_that_is_not_allowed_is_never_drawn() -> None:
    rows = draw_views(manifest(200), AUGMENT.model_copy(update={"horizontal_flip": False})).rows
    assert not rows["flip_horizontal"].any()
    assert set(rows.query("kind == 'flipped'")["view"]) == {1}


def test_the_draws_of_an_image_stay_when_images_are_added_and_change_with_the_seed() -> None:
    before, after = (draw_views(manifest(count), AUGMENT).rows for count in (20, 26))
    grown = draw_views(ImageTable(manifest(26).rows[::-1], ("cat", "dog")), AUGMENT).rows
    order = ["path", "view"]
    pd.testing.assert_frame_equal(before, after[: len(before)])
    pd.testing.assert_frame_equal(
        grown.sort_values(order, ignore_index=True), after.sort_values(order, ignore_index=True)
    )
    other = draw_views(manifest(20), AUGMENT.model_copy(update={"seed": 8})).rows
    is_augmented = before["kind"] == "augmented"
    assert (before["rotation"] != other["rotation"])[is_augmented].all()


def test_draws_are_the_same_on_every_machine_and_version() -> None:
    first = draw_views(manifest(1), AUGMENT).rows.iloc[3]
    assert (first["rotation"], first["zoom"]) == pytest.approx((20.604446349420783, 0.9270935930519171))


@pytest.mark.parametrize("bad", [{"zoom": [0.0, 1.0]}, {"rotation": [10.0, -10.0]}, {"shear": [0.0, 90.0]}])
def test_impossible_ranges_are_refused(bad: dict[str, list[float]]) -> None:
    with pytest.raises(ValidationError):
        Augment.model_validate(SETTINGS | {key: tuple(value) for key, value in bad.items()})


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_the_identity_keeps_every_bit_also_beside_other_views(dtype: type) -> None:
    images = (pictures(3, 20, 31, 3) / (3 if dtype == np.float32 else 1)).astype(dtype)
    rows = view_rows(3)
    assert np.array_equal(apply_views(images, rows), images.astype(np.float32))
    drawn = apply_views(images, pd.concat([view_rows(2), view_rows(rotation=33, contrast=1.4)]))
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn[:2], images[:2].astype(np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_flips_are_those_of_numpy(channels: int) -> None:
    image = pictures(1, 21, 34, channels)
    assert np.array_equal(apply_views(image, view_rows(flip_horizontal=True)), image[:, :, ::-1])
    assert np.array_equal(apply_views(image, view_rows(flip_vertical=True)), image[:, ::-1])
    both = view_rows(flip_horizontal=True, flip_vertical=True)
    assert np.array_equal(apply_views(image, both), image[:, ::-1, ::-1])


@pytest.mark.parametrize("side", [32, 45])
@pytest.mark.parametrize("turns", [-1, 1, 2])
def test_quarter_turns_are_those_of_numpy(side: int, turns: int) -> None:
    mask = pictures(1, side, side, 1).astype(np.int64) % 5
    drawn = apply_views(mask, view_rows(rotation=90 * turns, flip_horizontal=True))
    assert np.array_equal(drawn, np.rot90(mask[:, :, ::-1], turns, axes=(1, 2)))


@pytest.mark.parametrize(("fill", "mode"), [("reflect", "symmetric"), ("nearest", "edge"), ("constant", "constant")])
def test_shifts_by_whole_pixels_are_those_of_numpy(fill: str, mode: str) -> None:
    image = pictures(1, 23, 160, 3)
    drawn = apply_views(image, view_rows(fill=fill, shift_x=37 / 160, shift_y=-9 / 23))
    padded = np.pad(image, [(0, 0), (0, 9), (37, 0), (0, 0)], mode=mode)
    assert np.array_equal(drawn, padded[:, 9:, :160])


def test_each_pixel_comes_from_where_the_parameters_say() -> None:
    row, column = np.mgrid[0:61, 0:101].astype(np.float32)
    where = np.stack([column, row, row], axis=-1)[None]
    values = {"rotation": 20.0, "zoom": 1.5, "shear": 10.0, "shift_x": 0.1, "shift_y": -0.05}
    drawn = apply_views(where, view_rows(**values, flip_horizontal=True))[0, :, :, :2]
    for x, y in [(55, 20), (45, 40), (50, 30)]:
        right, up = -(x - 50), -(y - 30)  # from the centre, flipped
        angle = np.deg2rad(20)
        right, up = (
            1.5 * (right * np.cos(angle) - up * np.sin(angle)),
            1.5 * (right * np.sin(angle) + up * np.cos(angle)),
        )
        right += np.tan(np.deg2rad(10)) * up
        drawn_x, drawn_y = 50 + right + 0.1 * 101, 30 - up - 0.05 * 61
        left, top = int(drawn_x), int(drawn_y)
        square = drawn[top : top + 2, left : left + 2]
        across = square[:, 0] + (drawn_x - left) * (square[:, 1] - square[:, 0])
        assert across[0] + (drawn_y - top) * (across[1] - across[0]) == pytest.approx([x, y], abs=1e-3)


@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
def test_a_grey_image_is_drawn_like_a_coloured_one(fill: str) -> None:
    image, row = pictures(1, 41, 33, 1), view_rows(fill=fill, rotation=33, zoom=0.7, shift_x=0.2, contrast=1.1)
    np.testing.assert_allclose(
        apply_views(image, row)[..., [0, 0, 0]], apply_views(image[..., [0, 0, 0]], row), atol=1e-3
    )


def test_contrast_is_about_the_mean_of_each_image_and_colours_are_clipped() -> None:
    images = pictures(2, 24, 24, 3)
    images[1] //= 4
    drawn = apply_views(images, view_rows(2, contrast=1.5, brightness=0.1))
    mean = images.mean((1, 2, 3), keepdims=True)
    expected = (images - mean) * 1.5 + mean + 25.5
    assert expected.min() < 0 and expected.max() > 255
    np.testing.assert_allclose(drawn, expected.clip(0, 255), atol=1e-3)


@pytest.mark.parametrize("fill", ["reflect", "nearest", "constant"])
def test_a_view_does_not_depend_on_its_batch(fill: str) -> None:
    rows = draw_views(manifest(9), AUGMENT.model_copy(update={"fill": fill})).rows
    images = pictures(len(rows), 33, 33, 3)
    together = apply_views(images, rows)
    assert np.array_equal(apply_views(images[::-1], rows[::-1])[::-1], together)
    alone = [apply_views(images[i : i + 1], rows[i : i + 1])[0] for i in range(len(rows))]
    np.testing.assert_allclose(alone, together, atol=1e-3)


def test_the_stage_writes_the_table_and_a_picture_with_a_column_per_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = manifest(6)
    (tmp_path / "a").mkdir()
    for path, pixels in zip(table.rows["path"], pictures(6, 40, 30, 3), strict=True):
        Image.fromarray(pixels).save(tmp_path / path)
    write_table(table, tmp_path / "manifest.parquet")
    params = load_params(ROOT / "recipes" / "digits.yaml").model_copy(update={"augment": AUGMENT})
    views, preview = tmp_path / "out" / "views.parquet", tmp_path / "reports" / "views.png"
    augment.run(params, raw=tmp_path, manifest=tmp_path / "manifest.parquet", views=views, preview=preview)
    pd.testing.assert_frame_equal(read_table(views).rows, draw_views(table, AUGMENT).rows)
    assert {path.name for path in preview.parent.iterdir()} == {"views.png"}
    tiles, columns = preview_tiles(read_table(views), tmp_path, monkeypatch)
    kinds = read_table(views).rows.query("split == 'train' and path == 'a/0.png'")["kind"]
    assert columns == 6 and [tile.caption.split("\n")[1] for tile in tiles[:columns]] == [*kinds]


def preview_tiles(table: ImageTable, raw: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Tile], int]:
    """The tiles of the picture, row by row, and their number in a row."""
    sheets = []
    monkeypatch.setattr(
        views_picture, "contact_sheet", lambda tiles, path, columns, title: sheets.append((tiles, columns))
    )
    views_picture.preview_views(table, raw, Path("unused.png"))
    return sheets[0]


def test_the_preview_adds_no_borders_to_images_that_are_no_squares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (60, 120), "white").save(tmp_path / "a" / "0.png")
    tiles, _ = preview_tiles(draw_views(manifest(1), AUGMENT), tmp_path, monkeypatch)
    assert (tiles[0].picture == 255).all() and tiles[0].picture.shape == (SIDE, SIDE, 3)

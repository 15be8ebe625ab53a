"""What pictures show: their texts, their order and their colours. The texts are those that are drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tests.conftest import COLORS, make_images
from tests.test_masks import VALIDATE
from tests.tiny_masks import CLASSES, FOLDERS, make_segmented
from transferline.datasets import contact_sheet, views_picture
from transferline.datasets.checks import validation_report
from transferline.datasets.checks.validation import validate_dataset
from transferline.datasets.contact_sheet import Tile
from transferline.datasets.masks import colors
from transferline.datasets.show import look
from transferline.datasets.show_picture import draw_dataset
from transferline.datasets.tables import ImageTable
from transferline.datasets.views import draw_views
from transferline.insight.learning_curves_picture import plot_learning_curves
from transferline.models.exported import ModelCard
from transferline.params import Augment, Data, Masks
from transferline.params import Image as ImageParams
from transferline.params.layouts import ImageMaskFolders
from transferline.problems import label_picture
from transferline.problems.label_predictions import Prediction
from transferline.training.curves_picture import plot_curves

DRAWN = dict[str, Any]


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> DRAWN:
    """The tiles and the title of the last contact sheet, which is still drawn."""
    drawn: DRAWN = {}

    def note(tiles: list[Tile], path: Path, columns: int, title: str = "", side: int = contact_sheet.SIDE) -> None:
        drawn.update(tiles=tiles, columns=columns, title=title)
        contact_sheet.contact_sheet(tiles, path, columns, title, side)

    for module in (views_picture, validation_report, label_picture):
        monkeypatch.setattr(module, "contact_sheet", note)
    return drawn


@pytest.fixture
def plotted(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """The axes of all figures, which are still drawn."""
    found: list[Axes] = []
    save = Figure.savefig

    def note(figure: Figure, *arguments: object, **options: object) -> None:
        found.extend(figure.axes)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", note)
    return found


def history(phase: str, epochs: range, l2: bool) -> pd.DataFrame:
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    rows = [{"phase": phase, "epoch": epoch, **dict.fromkeys(names, 0.5)} for epoch in epochs]
    return pd.DataFrame(rows).assign(**({"l2": 3.0} if l2 else {}))


def test_curves_name_the_strength_of_the_penalty_where_there_are_no_epochs(plotted: list[Axes], tmp_path: Path) -> None:
    solved, tuned = history("head", range(1, 4), l2=True), history("fine_tune", range(4, 6), l2=False)
    for rows in (solved, pd.concat([solved, tuned]), history("train", range(1, 4), l2=False)):
        plot_curves(rows, tmp_path / "curves.png", "c", 2)
    strength = "L-BFGS strength of the penalty"
    labels = [axes.get_xlabel() for axes in plotted]
    assert labels[::2] == labels[1::2] == [strength, f"{strength}, then epoch", "epoch"]


def test_each_learning_curve_has_its_forecast(plotted: list[Axes], tmp_path: Path) -> None:
    forecast = {"more": 50, "gain": 0.04, "low": -0.01, "high": 0.06}
    curve = {"images": [10, 20, 40], "values": [0.5, 0.6, 0.7], "forecast": forecast}
    found = {"overall": curve, "classes": [{**curve, "class": name} for name in ("cat", "bird", "dog")]}
    plot_learning_curves(found, tmp_path / "curves.png")
    shown, unused = plotted[:4], plotted[4:]
    assert [axes.get_title() for axes in shown] == [
        f"{name}: 50 more, +4.0 points [-1.0, +6.0]"
        for name in ("all classes: right predictions", "cat: recall", "bird: recall", "dog: recall")
    ]
    assert len(unused) == 2 and not any(axes.axison for axes in unused)
    for axes in shown:
        measured, continued, end = axes.get_lines()[:3]
        assert measured.get_xydata().tolist() == [[10, 0.5], [20, 0.6], [40, 0.7]]
        assert continued.get_xydata().ravel().tolist() == pytest.approx([40, 0.7, 80, 0.74])
        assert end.get_xdata().tolist() == [80] and axes.get_xlabel() == "training images"


def test_curves_mark_the_start_of_each_rung_after_the_head(plotted: list[Axes], tmp_path: Path) -> None:
    head = history("head", range(1, 4), l2=False)
    rungs = [
        history("fine_tune", range(start, start + 2), l2=False).assign(rung=rung) for rung, start in ((1, 4), (2, 6))
    ]
    plot_curves(pd.concat([head, *rungs], ignore_index=True), tmp_path / "curves.png", "c", 2)
    dashed = [line.get_xdata()[0] for line in plotted[0].get_lines() if line.get_linestyle() == "--"]
    assert dashed == [3.5, 5.5]


def test_the_preview_shows_different_classes_and_each_augmentation_alone(sheets: DRAWN, tmp_path: Path) -> None:
    make_images(tmp_path / "raw", count=6)
    labels = {"blue": "a|b", "green": "a|b|c", "red": "d"}
    rows = [
        {"path": f"{name}/{number}.png", "label": labels[name], "split": "train", "sha256": f"{name}{number}"}
        for name in COLORS
        for number in range(6)
    ]
    table = ImageTable(pd.DataFrame(rows).assign(kept=True), ("a", "b", "c", "d"))
    still = {name: (neutral, neutral) for name, neutral in (("rotation", 0.0), ("zoom", 1.0), ("contrast", 1.0))}
    still |= dict.fromkeys(("shift_x", "shift_y", "brightness"), (0.0, 0.0))
    augment = Augment(horizontal_flip=True, **(still | {"rotation": (-30.0, 30.0)}))
    views_picture.preview_views(draw_views(table, augment), tmp_path / "raw", tmp_path / "views.png")
    captions = [tile.caption for tile in sheets["tiles"]]
    assert {caption.split("\n")[0] for caption in captions[:18:6]} == {"a|b", "a|b|c", "d"}
    alone = [caption for caption in captions if "alone" in caption]
    assert alone[0] == "horizontal flip\nalone" and len(alone) == 3
    assert alone[1].startswith("rotation alone\n-") and alone[2].startswith("rotation alone\n+") and alone[2][-1] == "°"


def test_a_quarantined_duplicate_is_beside_the_other_image(sheets: DRAWN, tmp_path: Path) -> None:
    make_images(tmp_path, count=6)
    (tmp_path / "blue" / "copy.png").write_bytes((tmp_path / "blue" / "1.png").read_bytes())
    (tmp_path / "red" / "a.png").write_bytes(b"no image")
    data = Data(dataset="x", problem="multiclass")
    found = validate_dataset(tmp_path, data, VALIDATE)
    validation_report.draw_quarantined(found, tmp_path, tmp_path / "quarantined.png")
    tiles = [tile for tile in sheets["tiles"] if tile.caption]
    first, second, third = (tile.caption.split("\n") for tile in tiles)
    assert {first[1], second[1]} == {"1.png", "copy.png"} and "duplicate" in first[0]
    assert third == ["undecodable", "a.png"]
    assert sheets["title"].startswith(f"{tmp_path.name}: 2 files left out")


def test_the_grid_counts_images_whose_folder_names_no_class_apart(sheets: DRAWN, tmp_path: Path) -> None:
    names = ("red", "blue")
    size = ImageParams(size=32, color="rgb", resize="stretch")
    card = ModelCard(candidate="c", phase="head", problem="binary", classes=names, image=size)
    found = [
        Prediction(f"{folder}/{number}.png", "red", share, ("red",), {"red": share, "blue": 1 - share}, *[None] * 4)
        for folder, number, share in (("red", 0, 0.9), ("blue", 1, 0.8), ("new", 2, 0.6), ("new", 3, 0.7))
    ]
    label_picture.draw_grid(found, card, tmp_path / "grid.png")
    title = str(sheets["title"])
    assert "1 of 2 whose folder names the class are predicted correctly (accuracy 50.0%)" in title
    assert "2 in folders that name no class" in title
    assert [tile.caption.rpartition("\n")[2] for tile in sheets["tiles"]] == ["1.png", "0.png", "2.png", "3.png"]


def test_data_show_draws_masks_over_images(tmp_path: Path) -> None:
    make_segmented(tmp_path / "raw", FOLDERS, 6)
    masks = Masks(classes=CLASSES)
    found = look(tmp_path / "raw", ImageMaskFolders.model_validate(FOLDERS), masks)
    pixels = []
    for meaning in (None, masks):
        draw_dataset(found, tmp_path / "raw", 3, tmp_path / "out.png", meaning)
        pixels.append(np.asarray(Image.open(tmp_path / "out.png").convert("RGB")).astype(int))
    assert pixels[0].shape == pixels[1].shape and (pixels[0] != pixels[1]).mean() > 0.02
    for shade in colors(CLASSES)[1:]:  # the names of the classes have their colours
        counts = [(abs(one - shade).max(axis=-1) < 4).sum() for one in pixels]
        assert counts[1] > counts[0] + 50, (shade, counts)

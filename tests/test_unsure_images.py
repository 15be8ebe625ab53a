"""Images whose label is not sure enough get none."""

import csv

import numpy as np
import pytest

from tests.test_prediction import CLASSES, answers, drawn, painted, save
from transferline.models.exported import Rejection
from transferline.problems import label_picture
from transferline.problems.label_decision import possible_labels
from transferline.problems.label_output import predictions_as_text, write_csv
from transferline.problems.submission import write_submission
from transferline.run_length_encoding import decode


def test_unsure_images_get_no_label_but_those_that_remain(tmp_path, monkeypatch):
    """Colours between two classes have two possible labels; grey has all three."""
    rejection = Rejection(wanted_error=0.02, error=0.02, limit=0.9, coverage=0.5, images=200, possible_limit=0.2)
    model = save(tmp_path / "model", "multiclass", rejection=rejection)
    colors = {"red/a": (255, 0, 0), "green/b": (255, 255, 0), "blue/c": (90, 90, 90), "green/d": (255, 0, 0)}
    for name, color in colors.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        painted(tmp_path / f"{name}.png", color)
    found, card = answers(model, *(tmp_path / f"{name}.png" for name in colors))
    assert [(one.label, one.reason, one.labels) for one in found] == [
        *[("red", None, ("red",)), (None, "unsure", ()), (None, "unsure", ()), ("red", None, ("red",))]
    ]
    assert [one.possible_labels for one in found] == [("red",), ("red", "green"), CLASSES, ("red",)]
    assert found[1].probability == pytest.approx(0.498, abs=0.01)
    assert possible_labels(np.array([0.85, 0.04, 0.11], np.float32), card) == ("red", "blue"), "at least two"
    lines = predictions_as_text(found, card).splitlines()
    assert lines[1].startswith("unsure  ") and lines[1].endswith("(possible: red 0.4983, green 0.4983)")
    write_csv(found, card, tmp_path / "out.csv", "m")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["reason"], row["possible_labels"]) for row in rows[:2]] == [
        *[("red", "", "red"), ("", "unsure", "red|green")]
    ]
    write_submission(found, card, tmp_path / "submission.csv")
    with (tmp_path / "submission.csv").open() as file:
        vectors = [decode(row["Predicted"], (3,)).tolist() for row in csv.DictReader(file)]
    assert vectors == [[True, False, False], [False] * 3, [False] * 3, [True, False, False]]
    tiles, title = drawn(monkeypatch, found, card)
    assert title.startswith("mean: 4 images, 2 without a label, 1 of 2 are predicted correctly (accuracy 50.0%)\n")
    assert [tile.caption.split("\n")[0] for tile in tiles] == ["red 98.7%", "unsure", "unsure", "red 98.7%"]
    assert [tile.frame for tile in tiles] == [label_picture.ORANGE, None, None, None]

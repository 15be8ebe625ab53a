"""`transferline.load`: predictions from Python."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import transferline
from tests.conftest import COLORS
from tests.registry_project import registry_project, select, train
from tests.segmentation_case import save_colour_model
from tests.test_prediction import save
from transferline.cli.main import parser
from transferline.errors import TransferlineError
from transferline.registry import registered_models, tracking
from transferline.registry.promotion import promote


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which is no project
    return save(tmp_path / "model", "multiclass")


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


def test_arrays_are_predicted_as_files_with_these_pixels_are(folder, tmp_path, capsys):
    arrays = [pixels(40, 61, 3), pixels(200, 90), pixels(32, 32, 3)]
    files = []
    for number, array in enumerate(arrays):
        files.append(tmp_path / f"{number}.png")
        Picture.fromarray(array).save(files[-1])
    model = transferline.load(folder)
    assert model.card.classes == ("red", "green", "blue")
    of_files, of_arrays = model.predict(files), model.predict(arrays)
    assert [found.path for found in of_arrays] == ["[0]", "[1]", "[2]"]
    assert [found.path for found in of_files] == list(map(str, files))
    assert [found.probabilities for found in of_arrays] == [found.probabilities for found in of_files]
    assert [found.label for found in model.predict([*arrays[:2], files[2]])] == [found.label for found in of_files]
    assert model.predict([]) == [] and Path.cwd() == tmp_path


def test_the_fields_are_those_of_predict_json(folder, tmp_path, capsys):
    Picture.fromarray(pixels(40, 61, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    options = parser().parse_args(["predict", "a.png", "b.png", "--json", "--model", folder])
    assert options.action(options) == 1
    found = transferline.load(Path(folder)).predict([tmp_path / "a.png", tmp_path / "b.png"])
    named = [{**asdict(one), "model": folder} for one in found]
    assert json.loads(json.dumps(named)) == json.loads(capsys.readouterr().out)
    assert found[1].label is None and "cannot be read as an image" in found[1].error


def test_all_arrays_that_are_no_images_are_named(folder):
    wrong = [pixels(4, 4, 3).astype(np.float32), pixels(4, 4), pixels(2, 4, 4, 3), pixels(0, 4)]
    with pytest.raises(
        TransferlineError, match=r"\[0\]: an array of float32 .*\[2\]: .*\(2, 4, 4, 3\).*\[3\]"
    ) as error:
        transferline.load(folder).predict(wrong)
    assert "[1]" not in str(error.value)
    for image in ("a.jpg", Path("a.jpg"), pixels(4, 4, 3), pixels(4, 4)):
        with pytest.raises(TransferlineError, match=r"write predict\(\[image\]\) for one image"):
            transferline.load(folder).predict(image)
    assert len(transferline.load(folder).predict(pixels(2, 4, 4, 3))) == 2


def test_a_model_of_the_registry_is_asked_of_the_project_and_nobody_moves(folder, project, tmp_path, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    asked, copy = [], Path(folder).rename(tmp_path / "colors-3-0123456789ab")
    monkeypatch.setattr(tracking, "connect", lambda record, root: root)
    monkeypatch.setattr(registered_models, "named_model", lambda *arguments: asked.append(arguments[2:]) or copy)
    assert transferline.load(project=project / "data").card.candidate == "mean"
    assert asked == [(project, "champion")] and Path.cwd() == outside
    with pytest.raises(TransferlineError, match="is not in a project"):
        transferline.load()


def test_the_champion_is_loaded_from_outside_of_the_project(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    params = registry_project(tmp_path / "project", monkeypatch)
    select(params, train(params, "head", "good"))
    assert promote(params, Path.cwd()).promoted
    monkeypatch.chdir(tmp_path)
    for name in ("champion", "1"):
        model = transferline.load(name, project=Path("project"))
        found = model.predict([np.full((50, 20, 3), COLORS["green"], np.uint8)])
        assert (model.card.candidate, found[0].label, Path.cwd()) == ("small", "green", tmp_path)


def test_masks_are_refused(tmp_path):
    with pytest.raises(TransferlineError, match="predicts masks; use `transferline predict --masks DIR`"):
        transferline.load(save_colour_model(tmp_path / "masks"))

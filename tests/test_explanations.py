"""`transferline explain`: the nearest training images and the page, on small real models."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import transferline
from tests.conftest import edit_yaml, run_in_process
from tests.registry_project import select, train, validation_report, write_lock
from tests.segmentation_case import save_colour_model
from tests.test_insight import MEASURED
from transferline.atomic_files import write_json
from transferline.datasets.tables import ImageTable, read_table
from transferline.errors import TransferlineError
from transferline.insight.insight_table import write_insight_table
from transferline.insight.novelty import training_distance
from transferline.insight.predict_all_images import predict_all_images
from transferline.models.convert import convert
from transferline.models.exported import load_keras_model
from transferline.params import Novelty, Params
from transferline.paths import INSIGHT
from transferline.registry.promotion import promote

SIDE, RAW = 32, Path("data/raw/colors")


def train_with_features(params: Params, kernel: str) -> Path:
    """A registered candidate's model as in `tests/registry_project.py`, which also outputs the mean colour."""
    folder = train(params, "head", kernel)
    model = load_keras_model(folder)
    *_, logits, _ = model.layers
    outputs = keras.Model(model.input, [model.output, logits.input])
    (folder / "model.tflite").write_bytes(convert(outputs, "small head"))
    manifest = read_table(Path("data/manifest.parquet"))
    measured = manifest.rows.assign(**MEASURED | {"sha256": manifest.rows["sha256"]})
    table = predict_all_images(folder, ImageTable(measured, manifest.classes), RAW)
    rows = table.rows.assign(split=["train" if number % 3 else "validation" for number in range(len(table.rows))])
    (INSIGHT / "small").mkdir(parents=True, exist_ok=True)
    write_insight_table(replace(table, rows=rows), {}, INSIGHT / "small")
    training_distance(replace(table, rows=rows), Novelty(false_alarms=0.1), 0).write(INSIGHT / "small")
    return folder


def explain(*words: object) -> int:
    return run_in_process("explain", *words)


@pytest.mark.slow
def test_a_registered_version_is_explained_by_its_own_training_images(params, tmp_path, capsys):
    folder = train_with_features(params, "good")
    select(params, folder)
    write_lock(Path.cwd(), "a" * 32 + ".dir")
    version = promote(params, Path.cwd()).version
    shutil.rmtree(INSIGHT)  # another machine has only the registry
    photo, file = RAW / "red" / "0.png", tmp_path / "out" / "why.html"
    assert explain(photo) == 0
    text = capsys.readouterr().out
    red, other = re.findall(r"^  (\w+) [01]\.\d+", text, re.M)
    neighbours = re.findall(r"^    [01]\.\d{3}  ((\w+)/\d+\.png)", text, re.M)
    assert red == "red" and [label for _, label in neighbours] == ["red"] * 3 + [other] * 3
    assert "  farther from the training images than " in text
    assert f"explained by colors version {version} (small, head)" in text and "data: colors at revision aaaa" in text

    (RAW / neighbours[1][0]).unlink()
    shutil.copy(RAW / "green" / "11.png", RAW / neighbours[3][0])
    with pytest.raises(TransferlineError, match=r"none\.png: no such file"):
        explain(photo, tmp_path / "none.png", "--out", file)
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert explain(photo, tmp_path / "broken.png", "--out", file) == 1
    said = capsys.readouterr()
    assert "written: " in said.out and "broken.png cannot be read as an image" in said.err
    page = file.read_text()
    assert "colors version 1" in page and "a" * 32 in page and "red/0.png" in page
    assert "http" not in page and page.count("<img") == page.count('alt="') == page.count("data:image/jpeg;base64,")
    shown = re.findall(r'alt="training image (\S+) with label|(the file is missing) or has changed', page)
    assert [path or said for path, said in shown] == [
        "the file is missing" if number in (1, 3) else path for number, (path, _) in enumerate(neighbours)
    ]


def test_a_registered_version_keeps_its_limit_and_a_changed_one_is_refused(params):
    select(params, train_with_features(params, "good"))
    promote(params, Path.cwd())
    shutil.rmtree(INSIGHT)
    odd = np.full((SIDE, SIDE, 3), (255, 0, 255), np.uint8)
    for limit in (None, {"false_alarms": 0.9}):  # of versions that are registered from now on
        edit_yaml(Path("params.yaml"), lambda tree, limit=limit: tree.update(novelty=limit))
        red, unlike = transferline.load().predict([RAW / "red" / "0.png", odd])
        assert (red.label, red.reason, unlike.reason) == ("red", None, "unlike the training images")
    (file,) = Path(".transferline/models").glob("*/insight/novelty.npz")
    file.write_bytes(b"changed")
    for name in ("champion", "1"):
        with pytest.raises(TransferlineError, match=r"novelty\.npz is refused: it is not the file that was registered"):
            transferline.load(name)


@pytest.mark.slow
def test_two_versions_are_compared(params, tmp_path, capsys):
    for kernel, blue in (("fair", 12), ("good", 20)):
        write_json(Path("reports/validation.json"), validation_report(blue))
        select(params, train_with_features(params, kernel))
        promote(params, Path.cwd(), force="test")
    photo = RAW / "blue" / "0.png"
    assert explain(photo, "--versions", "1,2", "--out", tmp_path / "why.html") == 0
    page = (tmp_path / "why.html").read_text()
    assert "Why colors version 1 and colors version 2 predict this" in page
    counts = re.findall(r"<td>(\w+)</td>\s*<td>(\d+)</td>\s*<td>(\d+)</td>", page.partition("Images of each class")[2])
    assert counts == [("blue", "12", "20"), ("green", "12", "12"), ("red", "12", "12")]
    assert explain(photo, "--versions", "1,2") == 0
    text = capsys.readouterr().out
    assert "changed: red → blue (blue " in text
    with pytest.raises(SystemExit):
        explain(photo, "--versions", "1")
    with pytest.raises(TransferlineError, match="the registry has no 7"):
        explain(photo, "--versions", "1,7")


def test_an_old_version_says_that_its_features_are_missing(params, capsys):
    select(params, train(params, "head", "good"))
    promote(params, Path.cwd())
    assert explain(RAW / "red" / "0.png") == 0
    assert "nearest training images: not known: the version was registered without" in capsys.readouterr().out


def test_a_model_folder_uses_the_insight_of_its_own_model_only(params, capsys):
    folder = train_with_features(params, "good")
    photo = str(RAW / "red" / "0.png")
    assert explain(photo, "--model", folder) == 0
    assert re.search(r"^    (1\.000|0\.9\d\d)  red/\d", capsys.readouterr().out, re.M)
    version = Path(".transferline/models/small-1-abc")  # as `fetch_version` writes it
    shutil.copytree(folder, version)
    shutil.copytree(INSIGHT / "small", version / INSIGHT.name)
    assert explain(photo, "--model", str(version)) == 0
    assert re.search(r"^    (1\.000|0\.9\d\d)  red/\d", capsys.readouterr().out, re.M)
    train(params, "head", "fair")
    assert explain(photo, "--model", folder) == 0
    assert "not known: the stage insight has not run for this model" in capsys.readouterr().out
    with pytest.raises(TransferlineError, match="the registry has no champion"):
        explain(photo)


def test_segmentation_has_no_explanation(tmp_path):
    with pytest.raises(TransferlineError, match="is a segmentation model: its prediction is a class for each pixel"):
        explain(Path(__file__), "--model", save_colour_model(tmp_path / "model"))

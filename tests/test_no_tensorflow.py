"""TensorFlow is imported only where gradients are computed, and by the few other commands that are listed here."""

import json
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from tests.exported_folder import exported
from transferline.cli.pipeline import STAGES
from transferline.datasets.tables import read_table
from transferline.models.exported import ModelCard
from transferline.params import Params, load_params
from transferline.training.model_folder import Summary, write_result

# Why these import TensorFlow. All other commands are rows of the tests below.
EXCEPTIONS = {
    "stage train_head": "it trains",
    "stage fine_tune": "it trains",
    "stage train": "it trains",
    "stage extract": "only while it converts a frozen part, or on a GPU",
    "stage evaluate": "only with attacks, which take gradients",
    "promote": "only with a relative limit on attacks",
    "predict --model imagenet:…": "only at the first use of a backbone",
    "describe": "it builds the networks",
    "reproduce": "it trains",
}
OF_OTHER_TESTS = {"fetch"}
COMMAND = """
import sys
from transferline.cli.main import main
sys.argv[0] = "transferline"
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\nimported:", *({"tensorflow", "keras"} & sys.modules.keys()))
"""
RAW, MANIFEST, VIEWS = "--raw data/raw/colors", "--manifest data/manifest.parquet", "--views data/views.parquet"
# in their order; `True`: it has to import TensorFlow, so that the next one of its kind need not
IN_A_PROJECT = (
    ("stage code", False),
    (
        f"stage validate {RAW} {MANIFEST} --corrections data/corrections --report reports/validation.json "
        "--docs reports/data_docs --quarantined reports/quarantined.png",
        False,
    ),
    (f"stage augment {RAW} {MANIFEST} {VIEWS} --preview reports/views.png", False),
    (f"stage extract --candidate small {RAW} {VIEWS} --bank bank/small", True),
    (f"stage extract --candidate small {RAW} {VIEWS} --bank another/small", find_library("cuda") is not None),
    (f"stage evaluate {RAW} {MANIFEST} --models models/small --evaluation evaluations/small", False),
    (f"stage evaluate {RAW} {MANIFEST} --models models/smaller --evaluation evaluations/smaller", False),
    (
        "stage select --evaluations evaluations --leaderboard reports/leaderboard.md --chart reports/leaderboard.png "
        "--plots reports/plots --metrics metrics.json",
        False,
    ),
    ("stage record --models models/small --evaluation evaluations/small --recorded recorded.json", False),
    ("promote --force --reason test", False),
    ("smoke sqlite:///mlruns/mlflow.db colors champion", False),
    ("status", False),
    ("predict data/raw/colors/red/0.png", False),
    ("predict data/raw/colors/red --model models/small/head --grid out.png --csv out.csv", False),
    ("predict data/raw/colors/red/0.png --model imagenet:efficientnet_lite0", True),
    ("predict data/raw/colors/red/0.png --model imagenet:efficientnet_lite0", False),
)


def imported(words: str, project: Path) -> set[str]:
    """Which of TensorFlow and Keras a command has imported at its end."""
    command = [sys.executable, "-c", COMMAND, *words.split()]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return set(done.stdout.rpartition("imported:")[2].split())


def imported_by_the_endpoint(project: Path) -> set[str]:
    """The same of `transferline serve`, after it is ready."""
    command = [sys.executable, "-c", COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and "http://" in server.stdout.readline()
        server.terminate()
        return set(server.stdout.read().rpartition("imported:")[2].split())


def save_models(project: Path, params: Params) -> None:
    """What the trainings of both candidates leave, of networks that know the mean colour."""
    classes = read_table(project / "data" / "manifest.parquet").classes
    for name in params.candidates:
        image = keras.Input((32, 32, 3), dtype="uint8", name="image")
        mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
        logits = keras.layers.Dense(len(classes))(mean)
        network = keras.Model(image, keras.layers.Activation("softmax", name="probabilities")(logits))
        card = ModelCard(
            candidate=name, phase="head", problem="multiclass", classes=classes, image=params.candidates[name].image
        )
        row = {"phase": "head", "epoch": 1, "learning_rate": 0.1, "seconds": 1.0, "images_per_second": 9.0}
        history = pd.DataFrame([row | dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), 0.5)])
        floor = {f"{of}_{figure}": 0.1 for of in ("majority", "untrained") for figure in ("accuracy", "log_loss")}
        samples = np.zeros((1, 32, 32, 3), np.uint8)
        folder = project / "models" / name / "head"
        write_result(folder, exported(network), card, history, history, Summary(1, 1.0, 12, 12, floor), samples)


@pytest.mark.slow
def test_only_the_exceptions_import_tensorflow(project: Path) -> None:
    params = load_params(project / "params.yaml")
    for words, is_needed in IN_A_PROJECT:
        if words.startswith("stage evaluate") and not (project / "models" / "small").exists():
            save_models(project, params)
        assert bool(imported(words, project)) == is_needed, words
    metrics = json.loads((project / "metrics.json").read_text())
    other = {"small": "smaller", "smaller": "small"}[metrics["selected"]["candidate"]]
    (project / "metrics.json").write_text(
        json.dumps(metrics | {"selected": metrics["selected"] | {"candidate": other}})
    )
    for words in ("promote --force --reason test", "rollback --reason test"):
        assert not imported(words, project), words
    assert not imported_by_the_endpoint(project)


def test_python_predicts_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").touch()
    code = "import sys, transferline, transferline.prediction.predictor; print('tensorflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True).strip() == "False"


def test_every_stage_is_in_a_row_or_an_exception() -> None:
    in_rows = {words.split()[1] for words, _ in IN_A_PROJECT if words.startswith("stage ")}
    assert in_rows | {name.removeprefix("stage ") for name in EXCEPTIONS} | OF_OTHER_TESTS >= set(STAGES)

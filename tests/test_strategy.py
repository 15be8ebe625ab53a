"""`strategy`: training on two logical CPUs and in two processes, compared with training on one device."""

import json
import os
import shutil
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import strategy
from tests.tiny_training import candidate, make_data
from transferline.errors import TransferlineError
from transferline.models.exported import load_keras_model, load_model
from transferline.params import Training
from transferline.training.batches import Batches
from transferline.training.devices import use_devices
from transferline.training.fill_bank import extract

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("one device")
    raw, views = make_data(home / "raw")
    extract(raw, views, candidate(layers=strategy.DENSE), "multiclass", home / "bank")
    return home


def start(name: str, stage: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.strategy", name, stage, str(folder)]
    variables = {**os.environ, **environment}
    return subprocess.Popen(command, cwd=PROJECT, env=variables, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def on_two_devices(folder: Path, stage: str, home: Path) -> Path:
    shutil.copytree(folder / "bank", home / "bank")
    process = start("mirrored", stage, home)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said[-3000:]
    return home / stage


def by_two_processes(folder: Path, stage: str, home: Path) -> Path:
    workers, processes = [f"127.0.0.1:{free_port()}" for _ in range(2)], []
    for index in range(2):
        shutil.copytree(folder / "bank", home / str(index) / "bank")
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(start("multi_worker", stage, home / str(index), TF_CONFIG=json.dumps(task)))
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-3000:]
    first, second = (pd.read_csv(home / str(index) / stage / "history.csv") for index in range(2))
    pd.testing.assert_frame_equal(first.filter(regex="loss|accuracy"), second.filter(regex="loss|accuracy"))
    return home / "0" / stage


# one stage for each way in `make test`: each takes a TensorFlow process or two
OF_MAKE_TEST = {(on_two_devices, "fine_tune"), (by_two_processes, "train_head")}
ROWS = [
    pytest.param(*row, marks=pytest.mark.slow if row in OF_MAKE_TEST else pytest.mark.thorough)
    for row in product((on_two_devices, by_two_processes), ("train_head", "fine_tune", "train"))
]


@pytest.mark.parametrize(("train", "stage"), ROWS)
def test_two_replicas_train_as_one_device_does(folder, train, stage, tmp_path):
    if not (folder / stage).exists():
        strategy.run("none", stage, folder)
    found = train(folder, stage, tmp_path / "two")
    one, two = (pd.read_csv(each / "history.csv") for each in (folder / stage, found))
    if stage == "train":  # its batch normalisation takes the statistics of each replica's part of a batch
        assert two["loss"].iloc[-1] < 0.5 * two["loss"].iloc[0] and two["val_accuracy"].max() >= 0.9
        return
    for column in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-4, atol=1e-5, err_msg=column)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    answers = [load_model(each).probabilities(images) for each in (folder / stage, found)]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)


@pytest.mark.thorough
def test_bfloat16_trains_nearly_the_same_and_leaves_a_plain_model(folder, tmp_path):
    losses = {}
    for way in ("float32", "bfloat16"):
        shutil.copytree(folder / "bank", tmp_path / way / "bank")
        process = start(way, "fine_tune", tmp_path / way, TF_ENABLE_ONEDNN_OPTS="1")
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said[-3000:]
        losses[way] = pd.read_csv(tmp_path / way / "fine_tune" / "history.csv")["loss"]
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.02)
    assert not np.allclose(losses["bfloat16"], losses["float32"], rtol=1e-5, atol=0)
    model = load_keras_model(tmp_path / "bfloat16" / "fine_tune")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert {layer.compute_dtype for layer in model.layers} <= {"float32", "uint8"}


@pytest.mark.parametrize("config", ["", "{", '{"task": {"index": 0}}', "[]"])
def test_several_machines_without_their_names_are_one_clear_message(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    section = Training.model_validate({**strategy.TRAINING, "strategy": "multi_worker"})
    with pytest.raises(TransferlineError, match=r"multi_worker needs TF_CONFIG .* on each machine"):
        use_devices(section)


def test_no_replica_is_left_without_an_image(monkeypatch):
    monkeypatch.setattr("tensorflow.distribute.get_strategy", lambda: type("Four", (), {"num_replicas_in_sync": 4}))
    for views, wanted in ((19, [8, 11]), (20, [8, 8, 4]), (3, [3]), (16, [8, 8])):
        rows = pd.DataFrame({"path": map(str, range(views))})
        data = Batches(rows, lambda positions: positions, np.zeros((views, 1), np.int32), np.ones(1), 8)
        assert [len(targets) for _, targets, _ in data.items()] == wanted
        assert data.batches_per_epoch == len(wanted)

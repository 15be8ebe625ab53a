"""Training on two logical CPUs, which a process has to set up before its first operation, is that on one."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT

SCRIPT = """
import sys
from pathlib import Path

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.tiny_training import TRAINING, frozen, job, make_data
from transferline.training.extract import extract
from transferline.training.strategy import strategy_scope
from transferline.training.streaming import open_bank
from transferline.training.train_head import train_head

folder = Path(sys.argv[1])
raw, views = make_data(folder / "raw")
layers = ({"kind": "dense", "units": 8, "activation": "relu"},)  # no dropout: devices draw differently
for strategy in ("none", "mirrored"):
    section = frozen(layers=layers, train_head={**TRAINING, "strategy": strategy})
    extract(raw, views, section, "multiclass", folder / "bank")
    bank = open_bank(folder / "bank", raw, section)
    with strategy_scope(section.train_head):
        train_head(bank, section, job(section.train_head, folder / strategy, "head"))
"""


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "CPU:0, /device:CPU:1" in done.stdout
    one, two = (pd.read_csv(tmp_path / name / "history.csv") for name in ("none", "mirrored"))
    columns = ["loss", "accuracy", "val_loss", "val_accuracy"]
    pd.testing.assert_frame_equal(two[columns], one[columns], rtol=1e-3, atol=1e-4)

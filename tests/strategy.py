"""Trains on two devices, or in another precision: `python -m tests.strategy WAY STAGE FOLDER`.

Each process runs one training, as a stage does. WAY `mirrored` uses two logical CPUs as devices. `multi_worker` takes
the workers from TF_CONFIG. `bfloat16` and `float32` use one device and a small learning rate. FOLDER holds `bank`.
"""

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.tiny_training import TRAINING, candidate, job, make_data, network
from transferline.training.bank import read_bank
from transferline.training.end_to_end_training import train
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head

SMALL = {"optimizer": {"name": "sgd", "learning_rate": 1e-3}}
WAYS: dict[str, Any] = {"bfloat16": {"mixed_precision": "bfloat16", **SMALL}, "float32": SMALL}
DENSE = ({"kind": "dense", "units": 8, "activation": "relu"},)


def run(way: str, stage: str, folder: Path) -> None:
    """Writes `FOLDER/STAGE`; without dropout, whose random numbers differ from device to device."""
    own = {**TRAINING, **WAYS.get(way, {"strategy": way}), "batch_size": 8}
    section, scratch, target = candidate(train_head=own, fine_tune=own, layers=DENSE), network(own), folder / stage
    match stage:
        case "train_head":
            train_head(read_bank(folder / "bank"), section, job(section.train_head, target, "head"))
        case "fine_tune":
            bank = read_bank(folder / "bank")
            fine_tune(bank, section, None, job(section.fine_tune, target, "fine_tune"), folder / "images")
        case "train":
            train(*make_data(folder / "images"), scratch, job(scratch.train, target, "train"))


if __name__ == "__main__":
    if sys.argv[1] == "mirrored":
        (device,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(device, 2 * [tf.config.LogicalDeviceConfiguration()])
    run(*sys.argv[1:3], Path(sys.argv[3]))

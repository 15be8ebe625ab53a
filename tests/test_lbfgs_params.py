"""Mistakes in the params of L-BFGS."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, edit_yaml
from tests.test_lbfgs import lbfgs
from transferline.errors import TransferlineError
from transferline.params import load_params

MISTAKES = {
    "layers with weights": ("{}", [{"kind": "dense", "units": 8}], r"layers must be \[\] or only flatten"),
    "a network of one's own": ("{}", "networks.mine:head", r"layers must be \[\] or only flatten"),
    "a schedule": ("{schedule: {kind: constant}}", [], r"train_head\.schedule: unknown key; .*class_weights, monitor"),
    "a loss": ("{loss: {kind: focal}}", [], r"train_head\.loss: unknown key"),
    "epochs": ("{epochs: 3}", [], r"train_head\.epochs: unknown key"),
    "a rate": (
        "{optimizer: {name: lbfgs, l2: [1.0], lr: 0.1}}",
        [],
        r"optimizer\.lr: unknown key",
    ),
    "no strength": ("{optimizer: {name: lbfgs, l2: []}}", [], r"optimizer\.l2: .*at least 1 item"),
    "no penalty": ("{optimizer: {name: lbfgs, l2: [0.0]}}", [], r"optimizer\.l2\.0: .*greater than 0"),
    "monitor": (
        "{monitor: val_mean_average_precision}",
        [],
        r"train_head\.monitor: .* is not possible for a multiclass",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_key_and_what_is_allowed(mistake: str, tmp_path: Path):
    keys, layers, message = MISTAKES[mistake]
    training = {**json.loads(json.dumps(lbfgs(1.0))), **YAML(typ="safe").load(keys)}
    shutil.copy(ROOT / "params.yaml", tmp_path)
    change = {"train_head": training, "layers": layers}
    edit_yaml(tmp_path / "params.yaml", lambda tree: tree["candidates"]["lite0_plain"].update(change))
    with pytest.raises(TransferlineError, match=message):
        load_params(tmp_path / "params.yaml")


def test_fine_tuning_has_no_lbfgs(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    optimizer = {"optimizer": {"name": "lbfgs", "l2": [1.0]}}
    edit_yaml(tmp_path / "params.yaml", lambda tree: tree["candidates"]["lite0_plain"]["fine_tune"].update(optimizer))
    with pytest.raises(TransferlineError, match=r"fine_tune\.optimizer: .*'adam', 'rmsprop', 'sgd'"):
        load_params(tmp_path / "params.yaml")

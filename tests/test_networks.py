"""The user's backbones and networks in `networks/`."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.tiny_training import HIDDEN, ROOT, candidate, job, make_data, network
from transferline.errors import TransferlineError
from transferline.models.candidate_description import describe_candidate
from transferline.models.exported import load_model
from transferline.models.networks import own_backbone, own_network
from transferline.params import Backbone
from transferline.training.bank import read_bank
from transferline.training.end_to_end_training import train
from transferline.training.fill_bank import extract
from transferline.training.fine_tuning import fine_tune
from transferline.training.head_training import train_head

START = "import keras\nfrom keras import layers\n"
WITH_A_DETOUR = f"""{START}
def backbone(shape):
    image = keras.Input(shape)
    stem = layers.Conv2D(32, 3, 8, name="stem")(image)
    narrow, around = layers.Conv2D(2, 1, name="narrow")(stem), layers.Conv2D(4, 1, name="around")(stem)
    trained = layers.Conv2D(4, 1, name="trained")(layers.Conv2D(64, 1, name="wide")(narrow))
    return keras.Model(image, layers.Add(name="add")([around, trained]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the example and an empty `mine.py`."""
    shutil.copytree(ROOT / "networks", tmp_path / "networks", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "networks" / "mine.py").write_text(START + text)


def own(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "weights": "none", "pooling": "avg", "unfreeze": None, **settings}


@pytest.mark.slow
def test_the_example_backbone_goes_all_the_way(home):
    raw, views = make_data(home / "raw")
    section = candidate(backbone=own("networks.example:tiny_backbone", unfreeze={"from_layer": "conv_3"}))
    extract(raw, views, section, "multiclass", home / "bank")
    bank = read_bank(home / "bank")
    train_head(bank, section, job(section.train_head, home / "head", "head"))
    fine_tune(bank, section, home / "head", job(section.fine_tune, home / "tuned", "fine_tune"), raw)
    history = pd.read_csv(home / "tuned" / "history.csv")
    assert history["val_accuracy"].max() > 0.5
    shutil.rmtree(home / "networks")
    with np.load(home / "tuned" / "parity.npz") as parity:
        found = load_model(home / "tuned").probabilities(parity["images"])
        np.testing.assert_allclose(found, parity["probabilities"], atol=1e-5)


@pytest.mark.slow
def test_the_example_network_is_trained_from_scratch_or_on_a_feature_map(home):
    raw, views = make_data(home / "raw")
    section = network({"epochs": 1}, layers="networks.example:tiny_network")
    summary = train(raw, views, section, job(section.train, home / "model", "train"))
    assert summary.trainable == summary.parameters == 3 * 9 * 16 + 16 + 16 * 9 * 32 + 32 + 32 * 3 + 3
    assert load_model(home / "model").output_shapes[0] == (None, 3)
    on_a_map = own("networks.example:tiny_backbone", pooling="none")
    described = describe_candidate(candidate(backbone=on_a_map, layers=section.layers, fine_tune=None), "multiclass", 3)
    assert described.features == (4, 4, 32) and described.own_layers[-1].shape == (3,)


@pytest.mark.slow
def test_a_boundary_of_several_tensors_is_trained_from(home):
    (home / "networks" / "mine.py").write_text(WITH_A_DETOUR)
    raw, views = make_data(home / "raw")
    section = candidate(
        backbone=own("networks.mine:backbone", unfreeze={"from_layer": "trained"}),
        layers=HIDDEN[:1],
        image={"size": 40, "color": "rgb", "resize": "stretch"},
    )
    extract(raw, views, section, "multiclass", home / "bank")
    bank = read_bank(home / "bank")
    assert len(bank.boundary) == 2
    train_head(bank, section, job(section.train_head, home / "head", "head"))
    tuned = fine_tune(bank, section, home / "head", job(section.fine_tune, home / "tuned", "fine_tune"), raw)
    assert tuned.trainable == 64 * 4 + 4 + 4 * 3 + 3
    assert np.isfinite(pd.read_csv(home / "tuned" / "history.csv")["loss"]).all()


def test_a_bank_follows_from_the_file_of_its_own_backbone_alone(home):
    raw, views = make_data(home / "raw")
    shutil.copy(home / "networks" / "example.py", home / "networks" / "mine.py")
    section = candidate(backbone=own("networks.mine:tiny_backbone"), fine_tune=None)

    def shard() -> bytes:
        extract(raw, views, section, "multiclass", home / "bank")
        return (home / "bank" / "features-00000.npy").read_bytes()

    first = shard()
    written = (home / "bank" / "features-00000.npy").stat().st_mtime_ns
    example = home / "networks" / "example.py"
    example.write_text(example.read_text() + "# edited\n")
    assert shard() == first and (home / "bank" / "features-00000.npy").stat().st_mtime_ns == written
    mine = home / "networks" / "mine.py"
    mine.write_text(mine.read_text().replace("-1, name", "0, name"))
    assert shard() != first


def test_a_backbone_that_no_longer_fits_its_bank_is_named(home):
    raw, views = make_data(home / "raw")
    text = (home / "networks" / "example.py").read_text()
    (home / "networks" / "mine.py").write_text(text)
    section = candidate(backbone=own("networks.mine:tiny_backbone", unfreeze={"from_layer": "conv_3"}))
    extract(raw, views, section, "multiclass", home / "bank")
    train_head(read_bank(home / "bank"), section, job(section.train_head, home / "head", "head"))
    called = f"{text}\ndef built(shape):\n    model = tiny_backbone(shape)\n"
    changed = called + "    model.set_weights([2 * each for each in model.get_weights()])\n    return model\n"
    (home / "networks" / "mine.py").write_text(
        changed.replace("tiny_backbone(shape", "first(shape", 1)
        .replace("tiny_backbone(shape)", "first(shape)")
        .replace("def built", "def tiny_backbone")
    )
    with pytest.raises(TransferlineError, match=r"mine\.py builds other weights than when extract computed the bank"):
        train_head(read_bank(home / "bank"), section, job(section.train_head, home / "head", "head"))
    with pytest.raises(TransferlineError, match=r"mine\.py builds other weights than when extract computed the bank"):
        fine_tune(
            read_bank(home / "bank"), section, home / "head", job(section.fine_tune, home / "t", "fine_tune"), raw
        )


@pytest.mark.parametrize("name", ["pool", "preprocessing", "mine head"])
def test_a_network_can_have_any_name(home, name: str):
    write(
        home,
        f"def net(shape, outputs):\n    return keras.Sequential([layers.Input(shape), layers.Flatten(), "
        f"layers.Dense(outputs)], name={name!r})\n",
    )
    assert own_network("networks.mine:net", (8, 8, 3), 2).name == "networks_mine_net"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def net(shape, outputs):\n    return keras.Sequential([layers.Input(shape), layers.Flatten(), "
            "layers.Dense(outputs, name='größe 1')])\n",
            r"has layers called 'größe 1'; use only letters from a to z",
        ),
        ("", r"networks/mine\.py has no function net; it has none"),
        ("def nett(shape, outputs): ...\n", r"no function net; it has nett"),
        ("def net(shape, outputs):\n    return 3\n", r"net in networks/mine\.py returned int; it must return a keras"),
        ("def net(shape, outputs):\n    raise KeyError('x')\n", r"net failed at networks/mine\.py:4: KeyError: 'x'"),
        ("def net(:\n", r"net failed at networks/mine\.py: SyntaxError"),
        ("import nowhere_at_all\n", r"failed at networks/mine\.py:3: ModuleNotFoundError"),
        (
            "def net(shape, outputs):\n    return keras.Sequential([layers.Input(shape), layers.Dense(outputs)])\n",
            r"from \(8, 8, 3\) to \(8, 8, 2\); it must take \(8, 8, 3\) and return \(2,\), the logits",
        ),
        (
            "def net(shape, outputs):\n    return keras.Sequential([layers.Input((4,)), layers.Dense(outputs)])\n",
            r"from \(4,\) to \(2,\); it must take \(8, 8, 3\)",
        ),
        (
            "def net(shape, outputs):\n    return keras.Sequential([layers.Dense(outputs)])\n",
            r"must return a functional or sequential model with one input and one output",
        ),
        (
            "class Mine(layers.Layer):\n    def call(self, x):\n        return x\n"
            "def double(x):\n    return 2 * x\n"
            "def net(shape, outputs):\n"
            "    x = image = layers.Input(shape)\n"
            "    x = layers.Lambda(lambda t: t)(Mine()(x))\n"
            "    x = layers.Dense(outputs, activation=double)(layers.Flatten()(x))\n"
            "    return keras.Model(image, x)\n",
            r"contains Lambda, Mine, double: the saved model could not be loaded without that file",
        ),
    ],
)
def test_what_is_against_the_contract_is_named(home, text: str, message: str):
    write(home, text)
    with pytest.raises(TransferlineError, match=message):
        own_network("networks.mine:net", (8, 8, 3), 2)


def test_operations_of_keras_and_sequential_models_are_within_the_contract(home):
    write(home, "def net(shape, outputs):\n"
        "    x = image = layers.Input(shape)\n"
        "    x = keras.ops.relu(layers.Flatten()(x) / 255) + 1\n"
        "    return keras.Model(image, layers.Dense(outputs, 'gelu', kernel_regularizer='l2')(x))\n"
        "def line(shape, outputs):\n"
        "    return keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(outputs)])\n"
    )  # fmt: skip
    for name in ("net", "line"):
        assert own_network(f"networks.mine:{name}", (8, 8, 3), 2).output_shape == (None, 2)


def test_a_backbone_must_give_a_feature_map_and_a_missing_file_is_named(home):
    write(home, "def back(shape):\n    return keras.Sequential([layers.Input(shape), layers.Flatten()])\n")
    with pytest.raises(TransferlineError, match=r"to \(192,\); it must take .* and return a feature map"):
        own_backbone("networks.mine:back", (8, 8, 3))
    with pytest.raises(TransferlineError, match=r"there is no file networks/missing\.py in"):
        own_backbone("networks.missing:back", (8, 8, 3))


def test_own_backbones_have_no_weights_of_imagenet():
    with pytest.raises(ValidationError, match="imagenet is not possible for your own network; use none, or"):
        Backbone.model_validate(own("networks.example:tiny_backbone", weights="imagenet"))

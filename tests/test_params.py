"""Every mistake in params.yaml is one message that names the key, the value and what is allowed."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from transferline.errors import TransferlineError
from transferline.params import load_params

DIGITS = (ROOT / "recipes" / "digits.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_is_valid(recipe: Path):
    assert load_params(recipe).candidates


def test_the_default_params_are_the_digits_recipe():
    assert (ROOT / "params.yaml").read_text(encoding="utf-8") == DIGITS


MISTAKES = {
    "unknown key": (
        "epochs: 20",
        "epoch: 20",
        r"candidates\.lite0_hidden\.train_head\.epoch: unknown key; did you mean epochs\?",
    ),
    "missing key": ("seed: 7\n\ndata", "data", r"  seed: missing"),
    "wrong type": ("views: 2", "views: two", r'augment\.views: .*valid integer \(got "two"\)'),
    "a float for an integer": ("batch_size: 32", "batch_size: 3.5", r"batch_size: .*integer"),
    "out of range": ("rate: 0.2", "rate: 1.5", r"lite0_hidden\.layers\.0\.rate: .*less than 1 \(got 1\.5\)"),
    "candidate": ("kind: pretrained", "kind: pretrain", r"candidates\.lite0_plain: .*'pretrained', 'end_to_end'"),
    "layer": ("kind: dropout", "kind: droput", r"layers\.0: .*'conv', 'dense', 'max_pool'"),
    "layer's key": ("rate: 0.2", "rates: 0.2", r"layers\.0\.rates: unknown key; did you mean rate\?"),
    "import path": (
        "layers: []",
        "layers: mine:net",
        r'layers: .*networks.*\(got "mine:net"\)',
    ),
    "nothing trained": ("train_head:", "train_head: null\n    old:", r"old: unknown key"),
    "two hands on the rate": (
        "early_stopping: {patience: 4}\n      reduce_on_plateau: null",
        "early_stopping: null\n      schedule: {kind: cosine}\n"
        "      reduce_on_plateau: {factor: 0.5, patience: 2, min_learning_rate: 0}",
        r"train_head: reduce_on_plateau needs schedule",
    ),
    "warm-up": (
        "epochs: 20",
        "epochs: 3\n      schedule: {kind: cosine, warmup_epochs: 3}",
        r"must be below epochs, 3",
    ),
    "problem and layout": (
        "problem: multiclass",
        "problem: multilabel",
        r"data: problem is multilabel, but layout gives one",
    ),
    "thresholds": ("thresholds: null", "thresholds: {kind: per_class}", r"set thresholds to null"),
    "threshold's value": ("thresholds: null", "thresholds: {kind: fixed}", r"thresholds: value goes with kind: fixed"),
    "corruption": (
        "gallery: 24}",
        "gallery: 24, robustness: {images: 9, corruptions: [fog]}}",
        r"robustness\.corruptions\.0: .*'gaussian_noise', .* \(got \"fog\"\)",
    ),
    "attacks": (
        "gallery: 24}",
        "gallery: 24, robustness: {images: 9, adversarial: {attacks: [pgd, pgd], epsilons: [256]}}}",
        r"(?s)attacks: names something twice.*epsilons\.0: .*less than or equal to 255",
    ),
    "nothing robust": (
        "gallery: 24}",
        "gallery: 24, robustness: {images: 9, corruptions: null}}",
        r"evaluate\.robustness: neither corruptions nor adversarial",
    ),
    "monitor": (
        "monitor: val_loss",
        "monitor: val_mean_average_precision",
        r"candidates\.lite0_plain\.train_head\.monitor: .* is none",
    ),
    "what DVC cannot read": (
        "promote: {model_name: digits",
        "promote: {model_name: sqlite:///digits",
        r"cannot be read as YAML: (?s:.*)line 105, column \d+",
    ),
    "reversed range": ("rotation: [-10, 10]", "rotation: [10, -10]", r"augment\.rotation: the first number"),
    "backbone": ("efficientnet_lite0", "efficientnet_light0", r"did you mean efficientnet_lite0\? allowed are .*vgg16"),
    "optimizer": ("name: adam,", "name: adagrad,", r"optimizer: .*'adam', 'rmsprop', 'sgd'"),
    "optimizer's key": ("learning_rate: 1e-3}", "lr: 1e-3}", r"optimizer\.lr: unknown key"),
    "layout": (
        "kind: class_folders",
        "kind: folders",
        r"layout: .*'class_folders', 'split_class_folders', 'csv'",
    ),
    "image size": ("name: efficientnet_lite0", "name: inception_v3", r"image\.size is 64, but inception_v3 .* 75 px"),
    "alpha": ("weights: imagenet", "alpha: 0.5, weights: imagenet", r"alpha is for mobilenet"),
    "weights": ("weights: imagenet", "weights: imagenett", r"weights: .*'imagenet' or 'none'"),
    "hash": ("weights: imagenet", "weights: {path: w.h5, sha256: abc}", r"weights\.sha256: .*pattern"),
    "unfreeze without fine_tune": ("unfreeze: {from_layer: block7a_expand_conv}", "unfreeze: null", "go together"),
    "severity": ("blank: warn", "blank: ignore", r"rules\.blank: .*'quarantine', 'warn' or 'fail'"),
    "group pattern": ("group: null", 'group: "^[a-z]+"', r"group: .*needs a group in parentheses"),
    "splits": ("validation: 0.15, test: 0.15", "validation: 0.6, test: 0.5", r"validation \+ test is 1\.1"),
    "limit": (
        "max_class_drop: 0.1",
        "max_class_drop: 0.1, max_size_mb: {}",
        r"max_size_mb: give either absolute or rel",
    ),
    "tracking": ("sqlite:///mlruns/mlflow.db", "./mlruns", r"record\.tracking_uri: .*pattern"),
    "class weights": ("class_weights: none", "class_weights: equal", r"class_weights: .*'none' or 'balanced'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_the_key_and_what_is_allowed(mistake: str, tmp_path: Path):
    right, wrong, message = MISTAKES[mistake]
    assert right in DIGITS
    path = tmp_path / "params.yaml"
    path.write_text(DIGITS.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(TransferlineError, match=message):
        load_params(path)


def test_all_mistakes_are_reported_at_once(tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(
        DIGITS.replace("views: 2", "views: -1").replace("seed: 7\n\ndata", "sead: 7\n\ndata"), encoding="utf-8"
    )
    with pytest.raises(TransferlineError) as caught:
        load_params(path)
    text = str(caught.value)
    assert "3 fault(s)" in text and "augment.views" in text and "did you mean seed?" in text and "seed: missing" in text


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", ""])
def test_what_is_no_mapping_is_an_error(text: str, tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TransferlineError, match=r"params\.yaml"):
        load_params(path)


def test_a_missing_file_says_where_to_start_from(tmp_path: Path):
    with pytest.raises(TransferlineError, match="no such file; recipes/ holds"):
        load_params(tmp_path / "params.yaml")

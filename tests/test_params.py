"""Every mistake in params.yaml gives one message that names the key, the value and what is allowed."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from transferline.errors import TransferlineError
from transferline.params import Section, load_params

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
DIGITS = (ROOT / "recipes" / "digits.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_valid_and_short(recipe: Path):
    assert load_params(recipe).candidates
    assert recipe.read_text(encoding="utf-8").count("\n") <= (24 if recipe.stem == "digits" else 60)


def sections(of: type[Section] = Section) -> list[type[Section]]:
    found = [section for direct in of.__subclasses__() for section in (direct, *sections(direct))]
    return [section for section in found if section.__module__.startswith("transferline.params.")]


# what nobody can guess: the job itself, and what tells a section from its alternatives
WITHOUT_DEFAULT = {
    *("Params.data", "Data.dataset", "Data.problem", "Masks.classes", "SplitTable.file", "Csv.path_column"),
    *("Params.candidates", "Pretrained.image", "EndToEnd.image", "DeepLab.image", "Image.size"),
    *("Pretrained.backbone", "DeepLab.backbone", "WeightsFile.path", "WeightsFile.sha256"),
    *("EndToEnd.layers", "Conv.filters", "Conv.kernel", "Dense.units", "Dropout.rate", "Rescale.low", "Rescale.high"),
    *("Reject.error", "LinearTraining.optimizer", "OwnMetric.function", "OwnMetric.best"),
    *("OwnAugmentation.function", "OwnAugmentation.range"),
}
BY_JOB = {
    *("Params.thresholds", "Params.select", "Select.metric"),
    *("Params.promote", "Promote.model_name", "Params.record", "Record.experiment"),
}


def test_every_key_has_a_short_explanation_and_a_default_where_one_is_sensible():
    required = set()
    for section in sections():
        for name, field in section.model_fields.items():
            assert field.description and "\n" not in field.description, f"{section.__name__}.{name}"
            assert len(field.description) <= 108, f"{section.__name__}.{name}"
            if field.is_required():
                required.add(f"{section.__name__}.{name}")
    assert {key for key in required if not key.endswith((".kind", ".name"))} == WITHOUT_DEFAULT | BY_JOB


def test_some_defaults_follow_from_the_job(tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    found = {}
    for name in ("waste", "digits", "voc2009", "camvid"):
        tree = YAML(typ="safe").load(ROOT / "recipes" / f"{name}.yaml")
        for section in ("select", "thresholds", "promote", "record"):
            tree.pop(section, None)
        YAML().dump(tree, path)
        params = load_params(path)
        found[params.data.problem] = (params.select.metric, params.thresholds and params.thresholds.kind)
        assert params.promote.model_name == params.record.experiment == params.data.dataset
        monitors = [training.monitor for each in params.candidates.values() if (training := each.train)]
        assert set(monitors) <= {"val_loss"}
    assert found == {
        "binary": ("accuracy", None),
        "multiclass": ("accuracy", None),
        "multilabel": ("mean_average_precision", "per_class"),
        "segmentation": ("mean_iou", None),
    }


MISTAKES = {
    "unknown key": (
        "epochs: 20",
        "epoch: 20",
        r"candidates\.lite0_hidden\.train_head\.epoch: unknown key; did you mean epochs\?",
    ),
    "missing key": ("dataset: digits, ", "", r"  data\.dataset: missing; `transferline params data\.dataset` explains"),
    "missing candidates": ("candidates:", "others:", r"  candidates: missing"),
    "wrong type": ("views: 2", "views: two", r'augment\.views: .*valid integer \(got "two"\)'),
    "a float for an integer": ("epochs: 20", "batch_size: 3.5", r"batch_size: .*integer"),
    "out of range": ("rate: 0.2", "rate: 1.5", r"lite0_hidden\.layers\.0\.rate: .*less than 1 \(got 1\.5\)"),
    "candidate": ("kind: pretrained", "kind: pretrain", r"candidates\.lite0_plain: .*'pretrained', 'end_to_end'"),
    "layer": ("kind: dropout", "kind: droput", r"layers\.0: .*'conv', 'dense', 'max_pool'"),
    "layer's key": ("rate: 0.2", "rates: 0.2", r"layers\.0\.rates: unknown key; did you mean rate\?"),
    "import path": (
        "layers: [",
        "layers: mine:net\n    old: [",
        r'layers: .*networks.*\(got "mine:net"\)',
    ),
    "nothing trained": ("train_head:", "train_head: null\n    old:", r"old: unknown key"),
    "two hands on the rate": (
        "epochs: 20",
        "schedule: {kind: cosine}, reduce_on_plateau: {}",
        r"train_head: reduce_on_plateau needs schedule",
    ),
    "warm-up": (
        "epochs: 20",
        "epochs: 3, schedule: {kind: cosine, warmup_epochs: 3}",
        r"must be below epochs, 3",
    ),
    "problem and layout": (
        "problem: multiclass",
        "problem: multilabel",
        r"data: problem is multilabel, but layout gives one",
    ),
    "thresholds": ("promote:", "thresholds: {kind: per_class}\npromote:", r"has one label; .*Only reject is possible"),
    "rejection": ("promote:", "thresholds: {reject: {error: 1.5}}\npromote:", r"reject\.error: .*less than 1 "),
    "threshold's value": (
        "promote:",
        "thresholds: {kind: fixed}\npromote:",
        r"thresholds: kind: fixed needs value",
    ),
    "corruption": (
        "promote:",
        "evaluate: {robustness: {images: 9, corruptions: [dust]}}\npromote:",
        r"robustness\.corruptions\.0: .*'gaussian_noise', .* \(got \"dust\"\)",
    ),
    "attacks": (
        "promote:",
        "evaluate: {robustness: {adversarial: {attacks: [pgd, pgd], epsilons: [256]}}}\npromote:",
        r"(?s)attacks: names a value more than once.*epsilons\.0: .*less than or equal to 255",
    ),
    "nothing robust": (
        "promote:",
        "evaluate: {robustness: {corruptions: null}}\npromote:",
        r"evaluate\.robustness: corruptions and adversarial are both null",
    ),
    "monitor": (
        "train_head: {",
        "train_head: {monitor: val_mean_average_precision, ",
        r"candidates\.lite0_plain\.train_head\.monitor: .* is not possible",
    ),
    "what DVC cannot read": (
        "promote: {",
        "promote: {model_name: sqlite:///digits, ",
        r"cannot be read as YAML: (?s:.*)line 21, column \d+",
    ),
    "reversed range": ("shear: [-5, 5]", "shear: [5, -5]", r"augment\.shear: the first number"),
    "backbone": ("efficientnet_lite0", "efficientnet_light0", r"did you mean efficientnet_lite0\? allowed are .*vgg16"),
    "optimizer": ("name: adam,", "name: adagrad,", r"optimizer: .*'adam', 'rmsprop', 'sgd'"),
    "optimizer's key": ("learning_rate: 3e-5}", "lr: 1e-3}", r"optimizer\.lr: unknown key"),
    "layout": (
        "problem: multiclass",
        "problem: multiclass, layout: {kind: folders}",
        r"layout: .*'class_folders', 'split_class_folders', 'csv'",
    ),
    "image size": ("name: efficientnet_lite0", "name: inception_v3", r"image\.size is 64, but inception_v3 .* 75 px"),
    "alpha": ("backbone: {", "backbone: {alpha: 0.5, ", r"alpha is only for mobilenet"),
    "weights": ("backbone: {", "backbone: {weights: imagenett, ", r"weights: .*'imagenet' or 'none'"),
    "hash": ("backbone: {", "backbone: {weights: {path: w.h5, sha256: abc}, ", r"weights\.sha256: .*pattern"),
    "unfreeze without fine_tune": (
        "unfreeze: {from_layer: block7a_expand_conv}",
        "unfreeze: null",
        "fine_tune needs backbone",
    ),
    "severity": (
        "augment: {",
        "validate: {rules: {blank: ignore}}\naugment: {",
        r"rules\.blank: .*'quarantine', 'warn' or 'fail'",
    ),
    "group pattern": ("split: {", 'split: {group: "^[a-z]+", ', r"group: .*needs a group in parentheses"),
    "splits": ("validation: 0.15", "validation: 0.6, test: 0.5", r"validation \+ test is 1\.1"),
    "limit": ("promote: {", "promote: {max_size_mb: {}, ", r"max_size_mb: give either absolute or rel"),
    "tracking": ("promote:", "record: {tracking_uri: ./mlruns}\npromote:", r"record\.tracking_uri: .*pattern"),
    "class weights": ("epochs: 20", "class_weights: equal", r"class_weights: .*'none' or 'balanced'"),
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
    wrong = DIGITS.replace("views: 2", "views: -1").replace("problem: multiclass, ", "")
    path.write_text(f"sead: 7\n{wrong}", encoding="utf-8")
    with pytest.raises(TransferlineError) as caught:
        load_params(path)
    text = str(caught.value)
    assert "3 fault(s)" in text and "augment.views" in text and "did you mean seed?" in text
    assert "data.problem: missing" in text


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", ""])
def test_what_is_no_mapping_is_an_error(text: str, tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TransferlineError, match=r"params\.yaml"):
        load_params(path)


def test_a_missing_file_says_where_to_start_from(tmp_path: Path):
    with pytest.raises(TransferlineError, match="no such file; `transferline use RECIPE`"):
        load_params(tmp_path / "params.yaml")


def test_each_kind_of_problem_has_its_thresholds(tmp_path: Path):
    """One label can be rejected, several labels have thresholds, masks have neither; null is what older files have."""
    path, reject = tmp_path / "recipe.yaml", {"error": 0.02}
    cases = {
        ("digits", "allowed"): [None, {}, {"reject": reject}],
        ("voc2009", "allowed"): [{}, {"kind": "per_class"}, {"argmax_fallback": True}],
        ("voc2009", "thresholds.kind: data.problem is multilabel; give"): [None, {"kind": None}],
        ("voc2009", "thresholds.reject: data.problem is multilabel"): [{"reject": reject}],
        ("camvid", "allowed"): [None],
        ("camvid", "each pixel gets a class; set thresholds to null"): [{}, {"reject": reject}],
    }
    for (name, expected), values in cases.items():
        tree = YAML(typ="safe").load(ROOT / "recipes" / f"{name}.yaml")
        for value in values:
            YAML().dump(tree | {"thresholds": value}, path)
            with pytest.raises(TransferlineError, match=expected) if expected != "allowed" else nullcontext():
                load_params(path)

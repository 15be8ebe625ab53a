"""`transferline params` explains every key: meaning, allowed values, default and present value."""

from pathlib import Path

import pytest

from tests.conftest import ROOT, edit_yaml, run
from transferline.errors import TransferlineError
from transferline.params import load_params
from transferline.params.explain import explain, keys_in_force, table

PARAMS = load_params(ROOT / "params.yaml")


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_key_in_force_can_be_looked_up(recipe: Path) -> None:
    params = load_params(recipe)
    for key in keys_in_force(params):
        for name in (key.path, key.without_candidate):
            text = explain(name, params)
            assert (
                key.explanation in text
                and "Allowed: " in text
                and "Default: " in text
                and "In force: nowhere" not in text
            )


EXPLAINED = {
    "seed": [
        "the random seed of the trainings",
        "a whole number at least 0 and below 2147483648",
        "Default: 7",
        "In force: 7",
    ],
    "augment.rotation": ["Allowed: [a number at least -180 and at most 180, ", "Default: [-10.0, 10.0]"],
    "augment.fill": ["Allowed: reflect, nearest, constant", "Default: reflect", "In force: nearest"],
    "candidates.lite0_plain.fine_tune.epochs": ["Default: 15", "In force: 3"],
    "candidates.fine_tune.epochs": ["3 in lite0_plain", "3 in lite0_hidden"],
    "candidates.fine_tune.optimizer.learning_rate": ["With name: sgd:", "Default: 0.01", "3e-05 in lite0_plain"],
    "candidates.lite0_plain.train": ["Allowed: null", "In force: null"],
    "candidates.train.epochs": ["Default: 40", "In force: nowhere"],
    "candidates.layers": ["{kind: conv, filters: …, kernel: …", "text that matches ^networks", "[] in lite0_plain"],
    "candidates.lite0_hidden.layers.0.rate": ["the fraction of the values", "at least 0 and below 1"],
    "candidates.backbone.name": ["vgg16", "text that matches ^networks"],
    "candidates.train_head.class_weights": ["none, balanced", "for each name: a number above 0"],
    "data.layout": ["{kind: csv, file: …", "{kind: voc, ", "data.layout.kind  class_folders"],
    "data.layout.train": ["With kind: voc:", "With kind: split_class_folders:"],
    "data.dataset": ["Default: none, the key is required", "In force: digits"],
    "select.metric": ["Default: accuracy, which depends on the section data"],
    "promote": ["Default: the default of each key in it", "promote.test.level"],
    "promote.model_name": ["Default: digits, which depends"],
    "validate.rules.blank": ["Allowed: quarantine, warn, fail", "Default: warn"],
}


@pytest.mark.parametrize("key", EXPLAINED)
def test_what_is_told_of_a_key(key: str) -> None:
    text = explain(key, PARAMS)
    for part in EXPLAINED[key]:
        assert part in text
    assert max(map(len, text.partition("In force:")[0].splitlines())) <= 120


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("augment.rotaton", r"no key augment\.rotaton; similar keys are augment\.rotation"),
        ("epochs", r"similar keys are candidates\.fine_tune\.epochs, "),
        ("candidates.lite0_plan.layers", r"similar keys are candidates\.lite0_plain\.layers"),
        ("seed.x", r"no key seed\.x"),
        ("zzz", r"`transferline params` lists all keys"),
    ],
)
def test_an_unknown_key_is_an_error_with_those_close_to_it(key: str, message: str) -> None:
    with pytest.raises(TransferlineError, match=message):
        explain(key, PARAMS)


def test_the_table_has_a_line_for_each_key() -> None:
    keys = keys_in_force(PARAMS)
    lines = table(keys).splitlines()
    assert len(lines) == len(keys) > 150 and lines[0].split() == ["seed", "7", *keys[0].explanation.split()]
    assert any(line.startswith("candidates.lite0_hidden.train_head.epochs ") and " 20 " in line for line in lines)


def test_the_command_explains_where_the_file_is_faulty(project: Path) -> None:
    assert "augment.views" in run("transferline", "params", cwd=project).stdout
    edit_yaml(project / "params.yaml", lambda tree: tree["augment"].update(views="many"))
    said = run("transferline", "params", "augment.views", cwd=project).stdout
    assert "a whole number at least 0 and at most 64" in said and "unknown, because params.yaml is faulty" in said
    done = run("transferline", "params", "augment.view", cwd=project, check=False)
    assert done.returncode == 1 and "no key augment.view" in done.stderr and "Traceback" not in done.stderr
    assert "views" in run("transferline", "params", "candidates.small.extract", cwd=project).stdout

"""`transferline use` writes every key of `params.yaml`. Missing keys are added, and nothing else changes."""

import re
import shutil
from pathlib import Path

import pytest
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from tests.conftest import ROOT, edit_yaml, run
from transferline.cli.status import status
from transferline.errors import TransferlineError
from transferline.params import Section, load_params
from transferline.params.load import parse_params
from transferline.params.missing import missing_keys, with_missing_keys
from transferline.params.write import complete_text, flow
from transferline.use_recipe import complete_params, use

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
FILE = Path("params.yaml")
COMPLETE = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_default_params_are_what_use_writes_of_the_digits() -> None:
    assert complete_text(load_params(ROOT / "recipes/digits.yaml")) == COMPLETE


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_the_written_file_says_the_same_with_every_key_explained(recipe: Path) -> None:
    params = load_params(recipe)
    text = complete_text(params)
    assert parse_params(text, FILE) == params
    assert YAML(typ="safe").load(text) == YAML(typ="safe").load(params.model_dump_json(by_alias=True))
    assert max(map(len, text.splitlines())) <= 120
    assert "\n\nvalidate: " in text and "\n\naugment: " in text


OPTIONAL = """\
data: {dataset: d, problem: multiclass, split: {group: '^(.+/\\d+)_'}}
candidates:
  own:
    kind: pretrained
    image: {size: 64}
    backbone: {name: "networks.mine:net", weights: {path: "C: weights, old.h5", sha256: %s}, unfreeze: {from_layer: 3}}
    layers: "networks.mine:head"
    fine_tune: {class_weights: {"no cap": 2, "null": 1, a: 1.5}, schedule: {kind: cosine}, loss: {kind: focal}}
validate: {max_imbalance: .inf}
evaluate: {robustness: {adversarial: {}}}
promote: {max_size_mb: {relative: 1.5}, max_latency_ms: {absolute: 20}}
record: {tracking_uri: "postgresql://user:pass word#@host/mlflow"}
compute: {engine: dask, address: "tcp://host:8786"}
""" % ("a0" * 32)


def test_what_no_recipe_uses_is_written_and_read_back_too_also_after_dvc_has_set_a_value(tmp_path: Path) -> None:
    params = parse_params(OPTIONAL, FILE)
    text = complete_text(params)
    assert parse_params(text, FILE) == params and max(map(len, text.splitlines())) <= 120
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with modify_yaml(tmp_path / FILE) as tree:  # as `dvc exp run -S` does it
        tree["seed"] = 8
    assert load_params(tmp_path / FILE) == params.model_copy(update={"seed": 8})


@pytest.mark.parametrize(
    "value",
    ["plain", "no cap", "a: b", "null", "1e3", "3", "", "sqlite:///x.db", "^(.+/\\d+)_", "ä#\n\u2028", "a, b", "yes",
     None, True, 1, 1.0, 3e-5, float("inf"), ("a", 1, None), {"a b": 0.5}],
)  # fmt: skip
def test_a_value_is_read_back_in_a_block_and_in_braces(value: object) -> None:
    expected = list(value) if isinstance(value, tuple) else value
    read = YAML(typ="safe").load(f"block: {flow(value)}\nbraces: {{a: {flow(value)}, b: 1}}\n")
    assert read == {"block": expected, "braces": {"a": expected, "b": 1}}
    assert type(read["block"]) is type(expected)


OLD = """\
# our job
data: {dataset: digits, problem: multiclass}   # two columns

augment:
  # more of them
  views: 3  # three

candidates:
  only:
    kind: pretrained
    image: {size: 64}
    backbone:
      name: efficientnet_lite0

# the end
evaluate: {}
"""


def test_missing_keys_are_added_and_nothing_else_changes() -> None:
    params = parse_params(OLD, FILE)
    keys = missing_keys(OLD, params)
    assert {"seed", "validate", "data.layout", "augment.fill", "candidates.only.image.color"} < set(keys)
    assert {"candidates.only.backbone.weights", "candidates.only.fine_tune", "evaluate.gallery", "compute"} < set(keys)
    assert "augment.views" not in keys and "validate.rules" not in keys and "candidates.only.layers" in keys
    text = with_missing_keys(OLD, params)
    assert missing_keys(text, params) == [] and parse_params(text, FILE) == params
    assert YAML(typ="safe").load(text) == YAML(typ="safe").load(params.model_dump_json(by_alias=True))
    rest = iter(text.splitlines())
    for line in OLD.splitlines():
        start, _, end = line.partition("}")
        assert any(found.startswith(start) and found.endswith(end) for found in rest), f"lost: {line}"
    assert "  views: 3  # three\n  seed: 7 " in text, "explained, and below what is there"
    assert "      name: efficientnet_lite0\n      alpha: null " in text
    assert "image: {size: 64, color: rgb, resize: stretch}\n" in text


def test_a_complete_file_lacks_nothing_and_stays_as_it_is() -> None:
    params = parse_params(COMPLETE, FILE)
    assert missing_keys(COMPLETE, params) == [] and with_missing_keys(COMPLETE, params) == COMPLETE


@pytest.mark.parametrize("key", ["compute", "thresholds", "evaluate.robustness", "validate.rules.hidden", "data.masks"])
def test_one_key_of_a_later_version(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def remove(tree: dict) -> None:
        *above, last = key.split(".")
        for name in above:
            tree = tree[name]
        del tree[last]

    (tmp_path / FILE).write_text(COMPLETE, encoding="utf-8")
    edit_yaml(tmp_path / FILE, remove)
    assert missing_keys((tmp_path / FILE).read_text(), load_params(tmp_path / FILE)) == [key]
    complete_params(tmp_path)
    assert f"added missing keys to params.yaml: {key}; " in capsys.readouterr().out
    assert load_params(tmp_path / FILE) == parse_params(COMPLETE, FILE)
    complete_params(tmp_path)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_added_is_an_error() -> None:
    shared = OLD.replace("image: {size: 64}", "image: &image {size: 64}").replace("# the end", "  two: *only\n")
    shared = shared.replace("only:\n", "only: &only\n", 1)
    params = parse_params(shared, FILE)
    text = with_missing_keys(shared, params)
    assert parse_params(text, FILE) == params, "aliases of whole sections can stay"
    last = OLD.replace("    backbone:", "    extract: &extract {dtype: float32}\n    backbone:", 1).replace(
        "# the end",
        "  two:\n    kind: pretrained\n    image: {size: 32}\n    backbone: {name: vgg16}\n    extract: *extract\n",
    )
    with pytest.raises(TransferlineError, match=r"lacks seed.* they cannot be added because of YAML aliases"):
        with_missing_keys(last, parse_params(last, FILE))


def make_project(folder: Path, text: str) -> Path:
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    (folder / FILE).write_text(text, encoding="utf-8")
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start", cwd=folder)
    return folder


def test_use_names_what_the_file_before_lacked_and_keeps_edits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_project(tmp_path, OLD)
    digits, waste = root / "recipes/digits.yaml", root / "recipes/waste.yaml"
    complete_params(root)
    capsys.readouterr()
    use(digits, root, force=False)  # Git holds it but for the defaults
    assert "added missing keys" not in capsys.readouterr().out
    assert (root / FILE).read_text(encoding="utf-8") == COMPLETE
    use(waste, root, force=False)  # a recipe holds it
    (root / FILE).write_text(OLD, encoding="utf-8")
    use(digits, root, force=False)
    assert re.search(r"added missing keys to params\.yaml: seed, .* and \d+ more; ", capsys.readouterr().out)
    for mine in (COMPLETE.replace("views: 2", "views: 5"), COMPLETE + "# mine\n"):
        (root / FILE).write_text(mine, encoding="utf-8")
        with pytest.raises(TransferlineError, match="has changes that are saved neither in Git nor in a recipe"):
            use(waste, root, force=False)
        assert (root / FILE).read_text(encoding="utf-8") == mine
    use(waste, root, force=True)
    assert load_params(root / FILE) == load_params(waste)


@pytest.mark.slow
def test_status_names_what_the_file_lacks(project: Path) -> None:
    assert "params.yaml lacks" not in status(project)
    edit_yaml(project / "params.yaml", lambda tree: (tree.pop("compute"), tree["evaluate"].pop("robustness")))
    assert "\nparams.yaml lacks compute, evaluate.robustness; `transferline run` writes them" in status(project)
    edit_yaml(project / "params.yaml", lambda tree: tree.pop("validate"))
    done = run("dvc", "repro", "validate", cwd=project, check=False)
    assert "Parameters 'validate' are missing from 'params.yaml'" in done.stderr, "as docs/operations.md tells it"


def test_every_section_is_a_mapping_of_its_own() -> None:
    """DVC tracks single keys, also those that are null."""
    tree = YAML(typ="safe").load(COMPLETE)
    params = parse_params(COMPLETE, FILE)

    def compare(section: Section, node: dict) -> None:
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            assert (field.alias or name) in node
            if isinstance(value, Section):
                compare(value, node[field.alias or name])

    compare(params, tree)


def test_a_candidate_whose_name_is_a_number_is_put_in_quotes() -> None:
    """DVC leaves out the stages of such a key."""
    text = COMPLETE.replace("  lite0_plain:", "  1:")
    with pytest.raises(TransferlineError, match=r"candidates: the key 1 is a number, .*put it in quotes"):
        parse_params(text, FILE)
    assert next(iter(parse_params(text.replace("  1:", "  '1':"), FILE).candidates)) == "1"
